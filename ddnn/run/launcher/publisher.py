"""Tells a feed what happens in a launch. Costs next to nothing while nobody reads it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.live.events import (
    BeginEvent,
    EndEvent,
    FailureEvent,
    LinksEvent,
    NodesEvent,
    NodeState,
    VerdictEvent,
)
from ddnn.live.feed import Feed
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.run.outcome import device_sample_bytes, link_counts, link_entry
from ddnn.wire.messages import Account

NODES_S = 1.0
"""Time between two looks at all nodes; a change is told at the next look."""


class Publisher:
    """Makes events of what a launch finds."""

    def __init__(self, feed: Feed, bundle: Bundle, command: str, account_s: float) -> None:
        topology = bundle.topology
        self._feed = feed
        self._bundle = bundle
        self._command = command
        self._account_s = account_s
        self._topology = topology
        self._exits = tuple(topology.exits)
        places = range(topology.views)
        self._present = lru_cache(maxsize=1024)(
            lambda views: "".join("01"[views >> place & 1] for place in places)
        )
        self._due_s = self._links_s = 0.0

    def begin(self) -> None:
        """The first sample is about to be asked for."""
        manifest, topology = self._bundle.manifest, self._topology
        event = BeginEvent(
            kind="begin",
            time=time.time(),
            command=self._command,
            topology=topology.name,
            bundle_sha256=self._bundle.sha256,
            classes=list(topology.classes),
            exits=list(self._exits),
            devices=list(topology.devices),
            thresholds={name: rule.threshold for name, rule in manifest.exits.items()},
        )
        self._feed.publish(event)

    def verdicts(self, answers: Iterable[tuple[Answer, int | None]]) -> None:
        """Answers with their labels, where those are known."""
        if self._feed.has_readers:
            now_s = time.time()
            self._feed.publish(*(self.verdict(answer, label, now_s) for answer, label in answers))

    def verdict(self, answer: Answer, label: int | None, now_s: float) -> VerdictEvent:
        """One of them."""
        return {
            "kind": "verdict",
            "sample": answer.sample,
            "time": now_s,
            "class": answer.predicted,
            "name": self._topology.classes[answer.predicted],
            "entropy": answer.entropy,
            "probability": None if math.isnan(answer.probability) else answer.probability,
            "exit": None if answer.exit == NO_EXIT else self._exits[answer.exit],
            "present": self._present(answer.views),
            "degraded": answer.degraded,
            "latency_ms": 1000 * answer.latency_s,
            "label": label,
        }

    def failure(self, entry: dict[str, Any]) -> None:
        """An entry of `failures` of the report."""
        event = FailureEvent(
            kind="failure",
            time=time.time(),
            node=entry["node"],
            what=entry["kind"],
            sample=entry.get("sample"),
            applied=entry.get("applied", True),
            values=entry.get("values", {}),
        )
        self._feed.publish(event)

    def look(
        self,
        states: Callable[[], Mapping[str, NodeState]],
        accounts: Callable[[], Mapping[str, Account]],
    ) -> None:
        """Tells how nodes and links stand, where that is due."""
        now_s = time.monotonic()
        if not self._feed.has_readers:
            return
        if now_s >= self._due_s:
            self._due_s = now_s + NODES_S
            event = NodesEvent(kind="nodes", time=time.time(), nodes=dict(states()))
            self._feed.publish(event)
        if now_s >= self._links_s:
            self._links_s = now_s + self._account_s
            self._feed.publish(self._links(accounts()))

    def _links(self, accounts: Mapping[str, Account]) -> LinksEvent:
        counts = link_counts(accounts)
        return LinksEvent(
            kind="links",
            time=time.time(),
            links=[link_entry(count) for count in counts],
            events={name: dict(account.events) for name, account in accounts.items()},
            per_device_sample=device_sample_bytes(counts, self._topology),
        )

    def end(self, accounts: Mapping[str, Account], why: str) -> None:
        """Nothing more comes of this launch. why: empty where it came to its end."""
        event = EndEvent(kind="end", time=time.time(), why=why)
        self._feed.publish(self._links(accounts), event)
