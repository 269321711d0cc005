"""Options that save bytes: verdicts stay those of the torch network, payload its equation.

N samples, V views.
"""

from dataclasses import replace

import numpy as np
import pytest
from networks import PRIOR_CLASS, Trained, Trainer, offline

from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.nodes.recorder import Recorder
from ddnn.report.verdicts import NO_EXIT
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import device_sample_bytes, device_sample_equation, link_counts
from ddnn.topology import Topology, read_topology
from ddnn.training.payload import device_payload, feature_bytes, link_payload
from ddnn.training.predict import perceive
from ddnn.wire.messages import Kind

SAMPLES = 96
SHAPES = ("six-cameras", "f-edges-cloud", "a-cloud-only")
"""Devices that share one exit; two edges whose exit is held by one of them; no local exit."""
RAW_SHAPES = ("a-cloud-only", "six-cameras-raw")
OPTIONS = {
    "float16": {"scores": "float16"},
    "int8": {"scores": "int8"},
    "skip": {"absent": "skip"},
    "coded": {"features": "entropy-coded"},
    "jpeg": {"features": "jpeg", "absent": "skip"},
    "all": {"scores": "int8", "absent": "skip", "features": "entropy-coded"},
}


def with_options(
    name: str, *, scores: str = "float32", absent: str = "send", features: str = "raw-bits"
) -> Topology:
    document = read_topology(name).model_dump(mode="json")
    document["tiers"][0]["absent"] = absent
    for tier in document["tiers"][: 1 if features == "jpeg" else -1]:
        tier["features"] = features
    for tier in document["tiers"]:
        if tier["exit"] is not None:
            tier["exit"]["scores"] = scores
    return Topology.model_validate(document)


def partly_black(samples: MultiView, share: float = 0.4) -> MultiView:
    """Some views of each sample see nothing, in a few samples none sees anything."""
    black_NV = np.random.default_rng(0).random(samples.labels_NV.shape) < share
    black_NV[:3] = True
    views_NVCHW = np.where(black_NV[:, :, None, None, None], 0, samples.views_NVCHW)
    return replace(samples, views=views_NVCHW.astype(np.uint8))


@pytest.fixture(scope="module", params=SHAPES)
def shape(request) -> str:
    return request.param


CASES = {
    f"{shape}-{name}": with_options(shape, **options)
    for name, options in OPTIONS.items()
    for shape in (RAW_SHAPES if name == "jpeg" else SHAPES)
}


@pytest.fixture(scope="module", params=CASES)
def ran(request, train: Trainer) -> tuple[Topology, Trained, Recorder]:
    topology = CASES[request.param]
    joint, bundle, samples = train(topology, SAMPLES)
    samples = partly_black(samples)
    collector = run_inprocess(bundle, samples.views)
    return topology, Trained(joint, bundle, samples), collector


def test_verdicts_are_those_of_the_torch_network(ran):
    _, trained, collector = ran
    wanted = offline(*trained)
    equal_N = (wanted.predicted_N == collector.predicted_N) & (wanted.exit_N == collector.exit_N)
    assert equal_N.mean() >= 0.98  # a score on the edge between two steps moves by a whole one
    np.testing.assert_array_equal(wanted.present_NV, collector.present_NV)
    np.testing.assert_array_equal(wanted.degraded_N, collector.degraded_N)


def test_payload_of_every_link_is_what_follows_from_views_and_verdicts(ran):
    topology, (joint, bundle, samples), collector = ran
    verdicts = replace(offline(joint, bundle, samples), exit_N=collector.exit_N)
    sizes = feature_bytes(joint, perceive(joint, samples), verdicts.present_NV)
    wanted = link_payload(topology, verdicts, sizes)
    counted: dict[tuple[str, str], int] = dict.fromkeys(wanted, 0)
    counts = link_counts(collector.accounts)
    for count in counts:
        if count.kind.is_data:
            counted[count.link] += count.payload
    assert counted == wanted
    local_N = collector.exit_N == (0 if "local" in topology.exits else None)
    mean = device_payload(topology, verdicts.present_NV, sizes).mean(local_N)
    assert device_sample_bytes(counts, topology)["payload"] == pytest.approx(mean)
    assert device_sample_equation(counts, topology) in (None, pytest.approx(mean))


def test_nobody_waits_for_a_device_that_sees_nothing(shape, train):
    topology = with_options(shape, absent="skip")
    _, bundle, samples = train(topology, SAMPLES)
    collector = run_inprocess(bundle, partly_black(samples).views_NVCHW, window=1)
    assert collector.latency_N.max() == 0  # the clock jumps when somebody waits


def test_what_nobody_sees_is_answered_with_the_commonest_class(shape, train):
    topology = with_options(shape, absent="skip")
    _, bundle, samples = train(topology, SAMPLES)
    collector = run_inprocess(bundle, np.zeros_like(samples.views_NVCHW))
    assert (collector.predicted_N == PRIOR_CLASS).all()
    assert (collector.exit_N == NO_EXIT).all()
    assert collector.degraded_N.all()
    assert not any(c.payload for c in link_counts(collector.accounts))


def test_a_black_view_is_neither_asked_for_features_nor_sends_any(train):
    topology = with_options("six-cameras", absent="skip")
    _, bundle, samples = train(topology, SAMPLES)
    views_NVCHW = samples.views_NVCHW.copy()
    views_NVCHW[:, 2] = 0
    collector = run_inprocess(bundle, views_NVCHW)
    blind = topology.devices[2]
    kinds = {c.kind for c in link_counts(collector.accounts) if blind in c.link and c.rows}
    assert not kinds & {Kind.ASK, Kind.FEATURES, Kind.SCORES}
    assert not collector.degraded_N.any()


@pytest.mark.parametrize(("scores", "saved"), [("float16", 6), ("int8", 9)])
def test_smaller_scores_save_just_their_bytes(scores, saved):
    whole, small = read_topology("six-cameras"), with_options("six-cameras", scores=scores)
    for name in whole.devices:
        assert whole.score_bytes(name) - small.score_bytes(name) == saved


def test_only_devices_can_skip_absent_views():
    document = read_topology("six-cameras").model_dump(mode="json")
    document["tiers"][1]["absent"] = "skip"
    with pytest.raises(ConfigError, match=r"tiers\.1\.absent: got skip, want"):
        Topology.model_validate(document)
