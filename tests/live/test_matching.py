"""A device answers each capture with the view of its instant, or says that it has none."""

from collections import Counter

import numpy as np
from test_arrivals import SHAPE, Clock, picture

from ddnn.live.sources.arrivals import LOST, Arrivals
from ddnn.live.sources.matching import MatchedSource, TriggerPart
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import MAX_ROWS, Capture, Trigger


class Bench:
    """A device of view 1 with a camera that is read by hand."""

    def __init__(
        self, *, skip_absent: bool = False, delay_s: float = 0.0, once: bool = False
    ) -> None:
        self.clock = Clock()
        self.events: Counter[str] = Counter()
        self.arrivals = Arrivals(SHAPE, clock=self.clock)
        self.source = MatchedSource(
            self.arrivals,
            SHAPE,
            self.events,
            view=1,
            within_s=0.06,
            delay_s=delay_s,
            skip_absent=skip_absent,
            once=once,
            clock=self.clock,
        )

    def ask(self, *samples: int) -> None:
        self.source.handle(COLLECTOR, Capture(samples), 0.0)

    def rows(self) -> dict[int, tuple[int, int]]:
        """By sample, who takes part and the brightest pixel."""
        return {
            sample: (views, int(view.max()))
            for batch in self.source.take(7.0)
            for sample, views, view in zip(
                batch.samples_N, batch.views_N, batch.inputs["views"], strict=True
            )
        }


def test_a_sample_gets_the_view_that_is_there():
    bench = Bench()
    bench.arrivals.put(picture(50))
    bench.clock.now_s += 0.02
    bench.ask(4)
    assert bench.rows() == {4: (0b10, 50)}
    assert bench.source.due_s() is None


def test_a_sample_waits_for_a_view_as_long_as_one_may_come():
    bench = Bench()
    bench.ask(4)
    assert bench.rows() == {}
    assert abs(bench.source.due_s() - 7.06) < 1e-9
    bench.clock.now_s += 0.03
    bench.arrivals.put(picture(50))
    assert bench.rows() == {4: (0b10, 50)}


def test_without_a_view_in_time_the_device_says_that_it_sees_nothing():
    bench = Bench()
    bench.arrivals.put(picture(50))
    bench.clock.now_s += 1
    bench.ask(4, 5)
    assert bench.rows() == {}
    bench.clock.now_s += 0.06
    assert bench.rows() == {4: (0, 0), 5: (0, 0)}
    assert bench.events == {"no-view": 2}


def test_nobody_waits_for_a_camera_that_is_known_to_be_gone():
    bench = Bench()
    bench.arrivals.failed(LOST, "the stream ended")
    bench.ask(4)
    assert bench.rows() == {4: (0, 0)}
    bench.arrivals.put(picture(50))
    bench.clock.now_s += 1
    bench.ask(5)
    assert bench.rows() == {}


def test_a_view_that_is_for_one_sample_is_used_up_and_none_is_waited_for():
    bench = Bench(once=True)
    bench.arrivals.put(picture(40))
    bench.arrivals.put(picture(50))
    bench.ask(4)
    assert bench.rows() == {4: (0b10, 50)}
    bench.ask(5)
    assert bench.rows() == {5: (0, 0)}
    bench.arrivals.put(picture(60))
    bench.clock.now_s += 1  # it is of another object by now
    bench.ask(6)
    assert bench.rows() == {6: (0, 0)}


def test_an_instant_lies_before_the_question():
    bench = Bench(delay_s=0.2)
    bench.arrivals.put(picture(50))
    bench.clock.now_s += 0.2
    bench.arrivals.put(picture(80))
    bench.ask(4)
    assert bench.rows() == {4: (0b10, 50)}


def test_a_black_view_takes_part_unless_the_topology_skips_it():
    for skips, views in ((False, 0b10), (True, 0)):
        bench = Bench(skip_absent=skips)
        bench.arrivals.put(picture(0))
        bench.ask(4)
        assert bench.rows() == {4: (views, 0)}


def test_more_samples_than_a_message_holds_are_several_batches():
    bench = Bench()
    bench.arrivals.put(picture(50))
    bench.ask(*range(MAX_ROWS + 1))
    assert [len(batch.samples_N) for batch in bench.source.take(0.0)] == [MAX_ROWS, 1]


def test_a_new_view_asks_for_a_sample_once():
    arrivals = Arrivals(SHAPE)
    arrivals.put(picture(50))
    part = TriggerPart(arrivals)
    assert part.tick(0.0) == []
    arrivals.put(picture(60))
    arrivals.put(np.asarray(picture(70)))
    (out,) = part.tick(0.0)
    assert (out.peer, out.message) == (COLLECTOR, Trigger())
    assert part.tick(0.0) == []
