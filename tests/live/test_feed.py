"""The feed: nobody waits for a reader, and each reader knows what it missed."""

import threading

from ddnn.live.events import EndEvent, Event, VerdictEvent
from ddnn.live.feed import Feed


def verdict(sample: int) -> VerdictEvent:
    return {
        "kind": "verdict", "sample": sample, "time": 0.0, "class": 0, "name": "car",
        "entropy": 0.5, "probability": None, "exit": "local", "present": "111",
        "degraded": False, "latency_ms": 1.0, "label": None,
    }  # fmt: skip


def samples(events: list[Event]) -> list[int]:
    return [event["sample"] for event in events if event["kind"] == "verdict"]


def test_each_reader_gets_every_event_in_order():
    feed = Feed()
    with feed.subscribe() as one, feed.subscribe() as other:
        feed.publish(verdict(0), verdict(1))
        feed.publish(verdict(2))
        assert samples(one.take()) == samples(other.take()) == [0, 1, 2]
        assert one.take() == []


def test_a_slow_reader_loses_the_oldest_and_is_told_how_many():
    feed = Feed()
    with feed.subscribe(limit=3) as slow, feed.subscribe() as fast:
        for sample in range(8):
            feed.publish(verdict(sample))
        events = slow.take()
        assert events[0] == {"kind": "lost", "count": 5}
        assert samples(events) == [5, 6, 7]
        assert samples(fast.take()) == list(range(8))
        feed.publish(verdict(8))
        assert samples(slow.take()) == [8]


def test_more_at_once_than_a_queue_holds_is_counted_too():
    feed = Feed()
    with feed.subscribe(limit=2) as reader:
        feed.publish(*map(verdict, range(5)))
        assert reader.take()[0] == {"kind": "lost", "count": 3}


def test_a_late_reader_learns_how_things_stand_but_not_what_was_answered():
    feed = Feed()
    feed.publish(verdict(0), EndEvent(kind="end", time=1.0, why=""))
    feed.publish(EndEvent(kind="end", time=2.0, why="stopped"))
    with feed.subscribe() as reader:
        assert reader.take() == [{"kind": "end", "time": 2.0, "why": "stopped"}]


def test_a_reader_that_has_left_costs_nothing():
    feed = Feed()
    feed.subscribe().close()
    assert not feed.has_readers


def test_a_waiting_reader_goes_on_when_something_comes_or_nothing_will():
    feed, got = Feed(), []
    reader = feed.subscribe()

    def read() -> None:
        while events := reader.take(timeout_s=None):
            got.extend(events)

    thread = threading.Thread(target=read)
    thread.start()
    feed.publish(verdict(0))
    feed.close()
    thread.join(30)
    assert not thread.is_alive()
    assert samples(got) == [0]


def test_a_reader_is_woken_once_for_all_that_waits():
    feed, woken = Feed(), []
    with feed.subscribe(wake=lambda: woken.append(1)) as reader:
        feed.publish(verdict(0))
        feed.publish(verdict(1))
        assert len(woken) == 1
        reader.take()
        feed.publish(verdict(2))
        assert len(woken) == 2
