"""Simulated nodes handle references: to bytes and verdicts that makes no difference."""

import numpy as np
import pytest
from builders import MEASURED, star_topology

from ddnn.run.inprocess import run_inprocess
from ddnn.simulation.profile import Profile
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import Laboratory, Result, simulate
from ddnn.topology import read_topology

SHIPPED = [name for name in MEASURED if "resnet" not in name]


def run(trained, *, wire: bool, window: int = 8) -> Result:
    laboratory = Laboratory(trained.bundle, trained.samples.views, Profile(), wire=wire)
    schedule = Schedule(
        topology=trained.bundle.topology.name, samples=len(trained.samples), window=window
    )
    result = simulate(laboratory, schedule)
    assert result.broken is None
    return result


def data_links(result: Result) -> dict[tuple[tuple[str, str], int], tuple[float, ...]]:
    return {
        (count.link, count.kind): (
            count.messages, count.rows, count.information, count.payload, count.zmtp, count.ip,
        )
        for account in result.collector.accounts.values()
        for count in account.links
        if count.kind.is_data and count.sent
    }  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_references_change_no_verdict_and_no_byte(name, train):
    trained = train(read_topology(name), 40)
    whole, referring = run(trained, wire=True), run(trained, wire=False)
    for one, other in zip(whole.answers, referring.answers, strict=True):
        assert one._replace(entropy=0, latency_s=0) == other._replace(entropy=0, latency_s=0)
        assert one.latency_s == pytest.approx(other.latency_s)
        assert one.entropy == pytest.approx(other.entropy, abs=1e-5)
    assert data_links(whole) == data_links(referring)


@pytest.mark.parametrize("window", [1, 256])
def test_verdicts_are_those_of_the_run_in_one_process(window, train):
    trained = train(star_topology(), 60)
    collector = run_inprocess(trained.bundle, trained.samples.views, window=window)
    answers = sorted(run(trained, wire=False, window=window).answers)
    assert [answer.predicted for answer in answers] == collector.predicted_N.tolist()
    assert [answer.exit for answer in answers] == collector.exit_N.tolist()


def test_black_views_are_told_apart_from_the_first(train):
    """Reference 0 is nothing: no recording has it."""
    topology = star_topology()
    trained = train(topology, 60)
    views_NVCHW = trained.samples.views_NVCHW.copy()
    views_NVCHW[::2, 0] = 0
    collector = run_inprocess(trained.bundle, views_NVCHW)
    laboratory = Laboratory(trained.bundle, views_NVCHW, Profile())
    result = simulate(laboratory, Schedule(topology=topology.name, samples=60))
    assert result.broken is None
    predicted = [answer.predicted for answer in sorted(result.answers)]
    np.testing.assert_array_equal(predicted, collector.predicted_N)
