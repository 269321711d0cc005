"""Links with the bandwidth, latency and loss of the topology, on the run's own clock.

In one process nothing but waiting takes time: what a sample must wait for follows from the bytes.
"""

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trainer

from ddnn.nodes.recorder import Recorder
from ddnn.run.failures.plan import FailurePlan, parse_failure
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import Topology
from ddnn.wire.header import HEADER
from ddnn.wire.messages import Kind

SAMPLES = 40
LOCAL, CLOUD = 0, 1
RADIO_KBPS, WAN_MS = 250, 40
CAMERAS = ("cam0", "cam1", "cam2")


def with_links(*links: dict) -> Topology:
    return patient(star_topology(links=list(links)))


def ran(train: Trainer, topology: Topology, window: int = 1) -> Recorder:
    _, bundle, samples = train(topology, SAMPLES)
    return run_inprocess(bundle, samples.views, window=window)


def size(kind: Kind, topology: Topology) -> int:
    """Bytes of a message of one row from a camera, as codec draws it."""
    row = (
        4
        + 1
        + {
            Kind.SCORES: topology.score_bytes("cam0"),
            Kind.FEATURES: topology.feature_bytes("cam0"),
        }[kind]
    )
    return HEADER.size + row


def radio(camera: str, to: str) -> dict:
    return {"from": camera, "to": to, "bandwidth_kbps": RADIO_KBPS}


def assert_all_of(latency_N: np.ndarray, least_ms: float, most_ms: float) -> None:
    assert len(latency_N)
    np.testing.assert_array_less(least_ms - 1e-6, latency_N * 1000)
    np.testing.assert_array_less(latency_N * 1000, most_ms + 1e-6)


def test_without_links_nothing_takes_time(train):
    assert_all_of(ran(train, with_links()).latency_N, 0, 0)


def test_a_radio_of_250_kbit_per_second_takes_the_time_that_its_bytes_take(train):
    topology = with_links(*(radio(cam, to) for cam in CAMERAS for to in ("gateway", "cloud")))
    collector = ran(train, topology)
    scores_ms = size(Kind.SCORES, topology) * 8 / RADIO_KBPS
    features_ms = size(Kind.FEATURES, topology) * 8 / RADIO_KBPS
    beat_ms = (HEADER.size + 2) * 8 / RADIO_KBPS  # heartbeats share the link: one may be ahead
    local_N = collector.exit_N == LOCAL
    assert_all_of(collector.latency_N[local_N], scores_ms, scores_ms + beat_ms)
    both_ms = scores_ms + features_ms
    assert_all_of(collector.latency_N[~local_N], both_ms, both_ms + 2 * beat_ms)


def test_a_cloud_40_ms_away_costs_each_sample_it_answers_two_ways(train):
    """Features there and the verdict back; what the gateway answers costs nothing."""
    there = [{"from": cam, "to": "cloud", "latency_ms": WAN_MS} for cam in CAMERAS]
    back = {"from": "cloud", "to": "collector", "latency_ms": WAN_MS}
    collector = ran(train, with_links(*there, back))
    assert_all_of(collector.latency_N[collector.exit_N == LOCAL], 0, 0)
    assert_all_of(collector.latency_N[collector.exit_N == CLOUD], 2 * WAN_MS, 2 * WAN_MS)


def test_jitter_adds_at_most_its_own_size_and_is_the_same_in_each_run(train):
    links = [{"from": cam, "to": "gateway", "latency_ms": 10, "jitter_ms": 5} for cam in CAMERAS]
    first, second = (ran(train, with_links(*links)).latency_N for _ in range(2))
    assert_all_of(first, 10, 15)
    assert len(np.unique(first)) > SAMPLES // 2
    np.testing.assert_array_equal(first, second)


def test_a_shared_radio_carries_one_message_after_another(train):
    """With a full window the last of n samples waits for the n before it."""
    topology = with_links(*(radio(cam, "gateway") for cam in CAMERAS))
    collector = ran(train, topology, window=SAMPLES)
    rows_ms = SAMPLES * (size(Kind.SCORES, topology) - HEADER.size) * 8 / RADIO_KBPS
    assert collector.latency_N.max() * 1000 >= rows_ms


@pytest.mark.parametrize("loss", [0.2, 0.9])
def test_what_a_link_loses_is_missing_from_the_verdict_and_no_verdict_is_missing(train, loss):
    document = star_topology(links=[{"from": "cam1", "to": "gateway", "loss": loss}])
    collector = ran(train, document, window=8)
    lost = SAMPLES - int(collector.present_NV[:, 1].sum())
    assert lost == pytest.approx(loss * SAMPLES, abs=SAMPLES / 5)
    assert collector.present_NV[:, [0, 2]].all()
    assert (collector.predicted_N >= 0).all()


def test_a_slow_way_to_the_collector_costs_no_account(train):
    """Neither an emulated one nor one that is delayed while the run ends."""
    topology = with_links({"from": "cloud", "to": "collector", "latency_ms": WAN_MS})
    _, bundle, samples = train(topology, SAMPLES)
    delay = {"at": {"sample": 5}, "node": "gateway", "kind": "delay"}
    plan = FailurePlan(topology="star", failures=(parse_failure(delay),))
    collector = run_inprocess(bundle, samples.views, plan=plan)
    assert set(collector.accounts) == {"collector", *topology.nodes}
