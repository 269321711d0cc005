"""What comes now beside validation."""

import json
from pathlib import Path

import numpy as np
import pytest
from builders import star_topology
from events import begin, give, links, verdict
from hypothesis import given
from hypothesis import strategies as st

from ddnn.decision import SCORE_BINS, score_counts
from ddnn.live.page.drift import Drift
from ddnn.live.page.state import State
from ddnn.report.reference import (
    FILE,
    RARE,
    Reference,
    distance,
    read_reference,
    unlikeness,
    unlikeness_by_chance,
)

COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4)


def reference(**scores: list[int]) -> Reference:
    return Reference(
        samples=100,
        mean_entropy=0.2,
        entropy=[0] * 5 + [100] + [0] * 14,
        exits={"local": 90, "cloud": 10},
        scores=scores,
    )


def test_scores_are_counted_by_best_class_and_margin():
    scores_NK = np.array([[0.0, 0.1, -1], [5, 0, 0], [0, 0, 1.5]], dtype=np.float32)
    counts = score_counts(scores_NK)
    assert counts.shape == (SCORE_BINS,)
    assert np.flatnonzero(counts).tolist() == [3, 4, 10]


@given(COUNTS, COUNTS)
def test_distance_is_one_of_distributions(ours, theirs):
    assert 0 <= distance(ours, theirs) <= 1 + 1e-9
    assert distance(ours, [3 * count for count in ours]) == pytest.approx(0)
    assert distance(ours, theirs) == pytest.approx(distance(theirs, ours))


def test_unlikeness_is_about_1_for_samples_of_the_same_thing():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(16))
    found = [
        unlikeness(rng.multinomial(300, shares).tolist(), rng.multinomial(130, shares).tolist())
        for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("samples", [60, 150, 2000])
@pytest.mark.parametrize("bins", [2, 4, 16])
def test_chance_alone_looks_like_a_change_once_in_a_hundred_times(bins, samples):
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(bins))
    changed = [
        unlikeness(rng.multinomial(samples, shares).tolist(), theirs)
        > unlikeness_by_chance(tuple(theirs), samples)
        for theirs in rng.multinomial(150, shares, size=300).tolist()
    ]
    assert np.mean(changed) <= 4 * RARE


def test_a_recording_over_and_over_is_no_more_evidence_than_once():
    """A hundred times the same samples: chi-square of so many would find any difference."""
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.ones(16))
    for _ in range(50):
        theirs, once = rng.multinomial(150, shares, size=2).tolist()
        often = [100 * count for count in once]
        assert unlikeness(often, theirs) == pytest.approx(unlikeness(once, theirs))


def test_a_device_whose_scores_changed_is_named_and_no_other():
    same, other = [50, 50, *([0] * 14)], [0, 0, 80, 20, *([0] * 12)]
    state = State(star_topology(), run="r", reference=reference(cam0=same, cam1=same))
    state.take(begin(star_topology()))
    event = links(5, samples=100, payload=1200)
    event["events"] = {
        name: {f"scores-{place:02}": count for place, count in enumerate(counts)}
        for name, counts in (("cam0", same), ("cam1", other), ("cam2", other))
    }
    state.take(event)
    found = state.snapshot()["drift"]["devices"]
    assert {name: part["changed"] for name, part in found.items()} == {
        "cam0": False, "cam1": True, "cam2": False,
    }  # fmt: skip
    assert found["cam0"]["drift"] == 0
    assert found["cam2"]["drift"] is None  # validation says nothing of it


def test_few_samples_say_nothing():
    drift = Drift(reference(cam0=[100] + [0] * 15), ("cam0",))
    drift.count(links(1, samples=1, payload=12) | {"events": {"cam0": {"scores-09": 20}}})
    assert drift.devices() == {"cam0": None}


def test_a_node_that_was_started_again_counts_from_nought():
    drift = Drift(reference(cam0=[100] + [0] * 15), ("cam0",))
    for count in (500, 60):
        drift.count(links(1, samples=1, payload=12) | {"events": {"cam0": {"scores-00": count}}})
    assert drift.devices()["cam0"] == (0, 0)


def test_entropy_and_exits_stand_beside_validations():
    state = State(star_topology(), run="r", reference=reference())
    state.take(begin(star_topology()))
    for number in range(60):
        give(state, verdict(number / 10, exit="local" if number % 2 else "cloud"))
    drift = state.snapshot()["drift"]
    assert (drift["entropy"], drift["validation_entropy"]) == (0.25, 0.2)
    assert drift["entropy_distance"] == 0
    assert drift["exits"]["local"] == {"now": 0.5, "validation": 0.9}


def test_without_a_reference_there_is_nothing_to_say():
    assert State(star_topology(), run="r").snapshot()["drift"] is None


def test_a_reference_of_another_bundle_is_not_believed(tmp_path: Path):
    document = {
        "bundle_sha256": "a", "samples": 9, "entropy": {"mean": 0.5, "counts": [9] + [0] * 19},
        "exits": {"local": 9}, "scores": {"cam0": [9] + [0] * 15},
    }  # fmt: skip
    (tmp_path / FILE).write_text(json.dumps(document))
    assert read_reference(tmp_path, "b") is None
    found = read_reference(tmp_path, "a")
    assert found is not None
    assert found.mean_entropy == 0.5
    (tmp_path / FILE).write_text("[]")
    assert read_reference(tmp_path, "a") is None
