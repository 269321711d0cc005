"""When samples are taken."""

from ddnn.live.pace import Pace
from ddnn.live.sources.file import Sampling


def taken(pace: Pace, *moments_s: float, room: int = 8) -> list[int]:
    return [pace.take(moment_s, room) for moment_s in moments_s]


def test_by_clock_at_whole_multiples_whatever_the_turns():
    pace = Pace(Sampling(every_ms=100), 50.0)
    assert taken(pace, 50.0, 50.05, 50.13, 50.19, 50.2) == [1, 0, 1, 0, 1]
    assert abs(pace.due_s() - 50.3) < 1e-9


def test_instants_that_passed_unused_are_counted_and_not_made_up_for():
    pace = Pace(Sampling(every_ms=100), 50.0)
    assert taken(pace, 50.0, 51.05, 51.06) == [1, 1, 0]
    assert pace.missed == 9
    assert taken(pace, 51.1, room=0) == [0]
    assert pace.missed == 10


def test_by_event_with_some_time_between():
    pace = Pace(Sampling(every_ms=None, events_of=("cam0",), apart_ms=20), 50.0)
    assert taken(pace, 50.0) == [0]
    pace.event()
    pace.event()
    assert taken(pace, 50.0, 50.001) == [1, 0]
    pace.event()
    assert taken(pace, 50.01, 50.05) == [0, 0]
    pace.event()
    assert taken(pace, 50.06) == [1]


def test_whenever_there_is_room():
    assert taken(Pace(Sampling(every_ms=0), 50.0), 50.0, 50.0) == [8, 8]
