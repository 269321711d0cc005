"""What happens in a running system, for whoever wants to know: pages, metrics, streams of verdicts.

The runtime publishes and never waits. Each reader has a bounded queue of its own: one that is slow
loses the oldest events and is told how many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

from ddnn.live.events import RETAINED, Event, LostEvent

LIMIT = 1000
"""Events that wait for one reader at most, unless it says otherwise."""


class Subscription:
    """One reader's queue. Use as a context manager, or close it."""

    def __init__(self, feed: Feed, limit: int, wake: Callable[[], None]) -> None:
        self._feed = feed
        self._wake = wake
        self._queue: deque[Event] = deque(maxlen=limit)
        self._lost = 0
        self._news = threading.Condition()
        self._is_closed = False

    @property
    def is_over(self) -> bool:
        """Nothing more comes, though something may still wait: this is closed, or the feed is."""
        return self._is_closed or self._feed.is_closed

    def take(self, timeout_s: float | None = 0.0) -> list[Event]:
        """All events that wait, oldest first; where some were lost, `lost` says so before them.

        timeout_s: how long to wait for the first; None: for ever, or until nothing more comes.
        """
        with self._news:
            if not self._queue and not self.is_over:
                self._news.wait(timeout_s)
            events: list[Event] = list(self._queue)
            self._queue.clear()
            lost, self._lost = self._lost, 0
        return [LostEvent(kind="lost", count=lost), *events] if lost else events

    def put(self, events: tuple[Event, ...]) -> None:
        """Called by the feed. Wakes the reader where its queue was empty."""
        with self._news:
            was_empty = not self._queue
            self._lost += max(0, len(self._queue) + len(events) - (self._queue.maxlen or 0))
            self._queue.extend(events)
            self._news.notify_all()
        if was_empty and events:
            self._wake()

    def close(self) -> None:
        """Takes it off the feed; whoever waits goes on."""
        self._feed.forget(self)
        self._is_closed = True
        self.put(())

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self.close()


class Feed:
    """Hands each event to every reader. Any thread may publish, subscribe or close."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: tuple[Subscription, ...] = ()
        self._retained: dict[str, Event] = {}
        self.is_closed = False

    @property
    def has_readers(self) -> bool:
        """Whether anybody would get what is published now."""
        return bool(self._readers)

    def publish(self, *events: Event) -> None:
        """Never waits for a reader."""
        with self._lock:
            self._retained |= {
                event["kind"]: event for event in events if event["kind"] in RETAINED
            }
            for reader in self._readers:
                reader.put(events)

    def subscribe(
        self, limit: int = LIMIT, *, wake: Callable[[], None] = lambda: None
    ) -> Subscription:
        """A new reader: it begins with the latest event of each kind in RETAINED.

        limit: events that wait at most. wake: called, by whoever publishes, when something comes
        into an empty queue; it must return at once and not raise.
        """
        subscription = Subscription(self, limit, wake)
        with self._lock:
            subscription.put(tuple(self._retained.values()))
            self._readers = (*self._readers, subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Nothing is handed to it any more."""
        with self._lock:
            self._readers = tuple(each for each in self._readers if each is not subscription)

    def close(self) -> None:
        """Nothing more will come: whoever waits for events goes on."""
        with self._lock:
            self.is_closed = True
            for reader in self._readers:
                reader.put(())
