"""What the page shows, made from the events of a feed: no clock, no thread, no HTTP."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from ddnn.live.events import Event, VerdictEvent, ViewEvent
from ddnn.live.page.batch import Batch
from ddnn.live.page.drift import Drift
from ddnn.live.page.health import Health
from ddnn.live.page.layout import drawn_links, places, ranks
from ddnn.live.page.marks import Accuracy
from ddnn.live.page.series import Series, Step, columns
from ddnn.live.page.traffic import Traffic
from ddnn.report.reference import Reference
from ddnn.report.tally import Percentiles
from ddnn.report.verdicts import ratio
from ddnn.topology import Topology

TICKER = 30
"""Verdicts that are listed."""
JUMP_S = 60.0
"""Between two events, of which nodes are one a second: a longer time is that of a clock that was
set."""
RATE_S = 5.0
"""Samples a second are counted over so long."""


class State:
    """Of one run. version: grows with each event, so that who has seen it all can wait."""

    def __init__(
        self,
        topology: Topology,
        *,
        run: str,
        total: int | None = None,
        expected: Mapping[str, float] | None = None,
        reference: Reference | None = None,
        may_fail: bool = False,
        shows_views: bool = False,
    ) -> None:
        """run: an id that no other run has. total: samples in all, None: nobody knows. expected:
        accuracy by `present`, of the offline failure study. reference: of validation samples.
        may_fail: whether the page's buttons make nodes fail. shows_views: whether devices show what
        they see."""
        self.version = 0
        self._topology = topology
        self._run, self._total, self._may_fail = run, total, may_fail
        self._shows_views = shows_views
        self._views: dict[str, tuple[int, ViewEvent]] = {}  # the latest, with its version
        self._exits = tuple(topology.exits)
        self._begun: float | None = None
        self._ended: str | None = None
        self._command = ""
        self._thresholds: dict[str, float | None] = {}
        self._health = Health.of(topology)
        self._traffic = Traffic(topology)
        self._accuracy = Accuracy(expected or {})
        self._drift = Drift(reference, topology.devices)
        self._by_exit: Counter[str] = Counter()
        self._taken_s = {name: Percentiles() for name in self._exits}
        self._missing: Counter[str] = Counter()
        self._ticker: deque[VerdictEvent] = deque(maxlen=TICKER)
        self._arrived: deque[tuple[float, int]] = deque()
        self._answered = self._degraded = self._lost = 0
        self._now = 0.0
        self.series = Series(len(self._exits))

    def take(self, event: Batch | Event) -> None:
        """One more event, or verdicts that came together."""
        self.version += 1
        if isinstance(event, Batch):
            self._take_verdicts(event)
            return
        match event["kind"]:
            case "begin":
                self._begun = event["time"] if self._begun is None else self._begun
                self._command, self._thresholds = event["command"], event["thresholds"]
                self._ended = None
            case "failure":
                self._health.note(event)
                self._accuracy.mark(event, self._seconds(event["time"]))
            case "nodes":
                self._health.see(event)
                self._step(event["time"])
            case "links":
                self._drift.count(event)
                step = self._step(event["time"])
                payload, asked = self._traffic.take(event, self._answered, self._now)
                step.payload, step.asked = step.payload + payload, step.asked + asked
            case "accuracy":
                self._accuracy.hear(event)
            case "view":
                self._views[event["node"]] = self.version, event
            case "end":
                self._ended = event["why"]
            case "lost":
                self._lost += event["count"]

    @property
    def is_running(self) -> bool:
        """Whether it has begun and is not over."""
        return bool(self._command) and self._ended is None

    def _seconds(self, time: float) -> float:
        """Since the first sample. It never goes back, and goes on from there where the clock is
        set, back or on."""
        if self._begun is None:
            self._begun = time
        ahead = time - self._begun - self._now
        if abs(ahead) > JUMP_S:
            self._begun += ahead
        self._now = max(self._now, time - self._begun)
        return self._now

    @property
    def until(self) -> float:
        """The moment up to which verdicts fall into the same step."""
        last = self.series.steps[-1].begin_s + self.series.length_s
        return math.inf if self._begun is None else self._begun + last

    def _take_verdicts(self, batch: Batch) -> None:
        step, count = self._step(batch.time), len(batch.events)
        degraded = sum(n for kind, n in batch.alike.items() if kind.degraded)
        self._answered += count
        step.samples += count
        self._degraded += degraded
        step.degraded += degraded
        self._drift.add(batch)
        self._accuracy.add(batch)
        self._missing.update(batch.missing(self._topology.devices))
        for place, name in enumerate(self._exits):
            taken_s = batch.latency_s_N[batch.exits_N == name]
            if len(taken_s):
                step.exits[place] += len(taken_s)
                self._by_exit[name] += len(taken_s)
                self._taken_s[name].add_all(taken_s)
                step.taken_s.add_all(taken_s)
        self._by_exit[""] += sum(n for kind, n in batch.alike.items() if kind.exit is None)
        self._ticker.extend(batch.events[-TICKER:])
        self._arrived.append((self._now, self._answered))
        while self._arrived[0][0] < self._now - RATE_S:
            self._arrived.popleft()

    def _step(self, time: float) -> Step:
        """Of the series, now; one that is over is told the accuracy at its end."""
        seconds, last = self._seconds(time), self.series.steps[-1]
        recent = self._accuracy.recent()
        if seconds >= last.begin_s + self.series.length_s and recent["interval"] is not None:
            last.accuracy, (last.low, last.high) = recent["accuracy"], recent["interval"]
            last.expected = self._accuracy.expected_now()
        return self.series.at(seconds)

    def _listed(self, event: VerdictEvent) -> dict[str, Any]:
        label, devices = event["label"], self._topology.devices
        return {
            "sample": event["sample"],
            "name": event["name"],
            "truth": None if label is None else self._topology.classes[label],
            "exit": event["exit"],
            "entropy": round(event["entropy"], 4),
            "latency_ms": round(event["latency_ms"], 2),
            "missing": [
                d for d, seen in zip(devices, event["present"], strict=True) if seen == "0"
            ],
            "degraded": event["degraded"],
        }

    def facts(self) -> dict[str, Any]:
        """What does not change while the run lasts."""
        topology = self._topology
        return {
            "run": self._run,
            "topology": topology.name,
            "classes": list(topology.classes),
            "exits": {
                name: {"at": tier.exit.at, "tier": tier.name}
                for name, tier in topology.exits.items()
                if tier.exit is not None
            },
            "ranks": [{"title": title, "names": list(names)} for title, names in ranks(topology)],
            "places": {n: [p.rank, p.x, p.y] for n, p in places(topology).items()},
            "roles": {name: node.role for name, node in topology.nodes.items()},
            "links": [
                {"name": link.name, "from": link.sender, "to": link.receiver,
                 "carries": list(link.carries)}
                for link in drawn_links(topology)
            ],
            "columns": columns(self._exits),
            "raw_bytes": topology.view.shape.values,
            "total": self._total,
            "may_fail": self._may_fail,
            "views": list(topology.devices) if self._shows_views else None,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """What does change, all but the series."""
        accuracy = self._accuracy
        return {
            "run": self._run,
            "command": self._command,
            "seconds": round(self._now, 3),
            "over": self._ended,
            "answered": self._answered,
            "samples_per_s": self._per_s(),
            "degraded": self._degraded,
            "lost": self._lost,
            "accuracy": accuracy.all(),
            "recent": accuracy.recent(),
            "expected": accuracy.expected_now(),
            "exits": {name: self._exit(name) for name in self._exits},
            "unanswered_by_exits": self._by_exit[""],
            "nodes": self._health.snapshot(self._missing),
            "links": {
                name: {**entry, "faults": self._health.faults_at(name)}
                for name, entry in self._links().items()
            },
            "bytes": self._traffic.per_device_sample,
            "drift": self._drift.snapshot(),
            "ticker": [self._listed(event) for event in self._ticker],
            "marks": [mark.snapshot() for mark in accuracy.marks],
            "series": {"generation": self.series.generation, "count": len(self.series.steps) - 1},
        }

    def views(self, since: int) -> list[ViewEvent]:
        """What devices showed after this version: of each the latest."""
        return [event for version, event in self._views.values() if version > since]

    def history(self) -> dict[str, Any]:
        """The series as a whole."""
        return {
            "run": self._run,
            "generation": self.series.generation,
            "length_s": self.series.length_s,
            "points": self.series.points(),
        }

    def _links(self) -> dict[str, dict[str, Any]]:
        counted = self._traffic.snapshot()
        nothing = {"payload_per_sample": None, "messages_per_s": None, "bytes_per_s": None}
        return {link.name: counted.get(link.name, nothing) for link in drawn_links(self._topology)}

    def _exit(self, name: str) -> dict[str, Any]:
        taken_s = self._taken_s[name]
        p50, p99 = ((1000 * taken_s.at(p) if taken_s.count else None) for p in (50, 99))
        return {
            "samples": self._by_exit[name],
            "share": ratio(self._by_exit[name], self._answered),
            "threshold": self._thresholds.get(name),
            "p50_ms": p50,
            "p99_ms": p99,
        }

    def _per_s(self) -> float | None:
        if not self._arrived:
            return None
        (first_s, first), (last_s, last) = self._arrived[0], self._arrived[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None
