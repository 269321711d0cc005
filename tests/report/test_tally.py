"""What is added up as it comes is what follows from all of it at once. N samples, V views."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from builders import star_topology
from hypothesis import given
from hypothesis import strategies as st

import ddnn.report.tally as tally_module
import ddnn.run.launcher.launch_files as launcher
from ddnn.report.tally import RATIO, Percentiles, Tally
from ddnn.report.verdicts import NO_EXIT, UNANSWERED, Answer, Verdicts, summarize
from ddnn.run.launcher.launch_files import LaunchFiles

MADE_THERE = [
    tracemalloc.Filter(True, str(Path(of.__file__).parent / "*")) for of in (tally_module, launcher)
]
"""Threads that other tests of this process have left make something too."""

EXITS, CLASSES = ("local", "edge", "cloud"), ("car", "bus")

rows = st.lists(
    st.tuples(
        st.sampled_from([NO_EXIT, 0, 1, 2]),
        st.sampled_from([UNANSWERED, 0, 1]),
        st.booleans(),
        st.integers(0, 1),
    ),
    max_size=40,
)


@given(rows=rows)
def test_a_tally_says_what_the_arrays_say(rows):
    tally = Tally(EXITS, CLASSES)
    for n, (exit_, predicted, degraded, label) in enumerate(rows):
        answer = Answer(n, exit_, predicted, 0.5, 3, degraded, 0.1)
        tally.add(answer, label)
    columns = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, 4)
    verdicts = Verdicts(
        exits=EXITS,
        classes=CLASSES,
        labels_N=columns[:, 3],
        predicted_N=columns[:, 1],
        exit_N=columns[:, 0],
        entropy_N=np.full(len(rows), 0.5, dtype=np.float32),
        present_NV=np.ones((len(rows), 2), dtype=bool),
        degraded_N=columns[:, 2].astype(bool),
    )
    assert tally.summary() == summarize(verdicts)
    assert tally.prior_answers == int((columns[:, 0] == NO_EXIT).sum())


@given(times_s=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200))
@pytest.mark.parametrize("percent", [50, 95, 99, 100])
def test_a_percentile_is_less_than_half_a_per_cent_off(percent, times_s):
    found = Percentiles()
    for seconds in times_s:
        found.add(seconds)
    exact = np.percentile(times_s, percent, method="inverted_cdf")
    assert found.at(percent) == pytest.approx(exact, rel=(RATIO - 1) / 2)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-30, 1e300, float("inf")])
def test_an_impossible_time_takes_a_bucket_at_the_end(seconds):
    found = Percentiles()
    found.add(seconds)
    assert 0.99e-6 <= found.at(50) <= 1.01e6


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path):
    topology = star_topology()
    tally, files = Tally(tuple(topology.exits), topology.classes), LaunchFiles(tmp_path)
    files.begin(topology)

    def take(first: int, last: int) -> None:
        for sample in range(first, last):
            answer = Answer(sample, sample % 2, 0, 0.5, 7, False, 0.001 * (sample % 100 + 1))
            tally.add(answer, 1)
            files.add(answer, 1)
            if sample % 50 == 0:
                files.flush()

    take(0, 2000)
    tracemalloc.start()
    take(2000, 12_000)
    kept = tracemalloc.take_snapshot().filter_traces(MADE_THERE)
    tracemalloc.stop()
    assert sum(trace.size for trace in kept.traces) < 10_000


def test_a_sample_whose_class_nobody_knows_is_neither_right_nor_wrong():
    tally = Tally(EXITS, CLASSES)
    tally.add(Answer(0, 0, 1, 0.5, 3, False, 0.1), None)
    found = tally.summary()
    assert (found["samples"], found["answered"], found["accuracy"]) == (1, 1, None)
    assert all(each == {"samples": 0, "correct": 0} for each in found["classes"].values())


@given(times_s=st.lists(st.lists(st.floats(1e-6, 1e6), max_size=50), min_size=2, max_size=4))
def test_percentiles_of_parts_are_those_of_the_whole(times_s):
    """Each part taken in at once, and joined to the others."""
    joined, whole = Percentiles(), Percentiles()
    for part_s in times_s:
        part = Percentiles()
        part.add_all(np.array(part_s))
        joined.join(part)
        for seconds in part_s:
            whole.add(seconds)
    assert joined.count == whole.count == sum(map(len, times_s))
    for percent in (1, 50, 99, 100):
        assert joined.at(percent) == pytest.approx(whole.at(percent), nan_ok=True)
