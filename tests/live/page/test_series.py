"""Steps of time: bounded, and nothing is lost when they join."""

from hypothesis import given
from hypothesis import strategies as st

from ddnn.live.page.series import Series, columns

MOMENTS = st.lists(st.floats(0, 10_000), min_size=1, max_size=60).map(sorted)


@given(MOMENTS, st.integers(2, 12))
def test_however_long_it_runs_there_are_so_many_steps_and_every_sample_is_in_one(moments, most):
    series = Series(1, most=most)
    for moment in moments:
        step = series.at(moment)
        step.samples += 1
        step.exits[0] += 1
        step.taken_s.add(0.01)
        assert len(series.steps) <= most
    assert sum(step.samples for step in series.steps) == len(moments)
    assert sum(step.exits[0] for step in series.steps) == len(moments)
    assert sum(step.taken_s.count for step in series.steps) == len(moments)
    begins = [step.begin_s for step in series.steps]
    assert begins == sorted(begins)


def test_when_steps_join_whoever_has_the_old_ones_is_told():
    series = Series(1, most=4)
    generations = set()
    for second in range(20):
        series.at(second).samples += 1
        generations.add((series.length_s, series.generation))
    assert generations == {(1, 0), (2, 1), (4, 2), (8, 3)}


def test_a_step_that_is_not_over_is_no_point_yet():
    series = Series(2)
    series.at(0.5).samples = 3
    assert series.points() == []
    series.at(1.0)
    (point,) = series.points()
    assert dict(zip(columns(("a", "b")), point, strict=True))["samples_per_s"] == 3
