"""What each process of a simulation sent and took in, to be held against what its ledger counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ddnn.topology import Topology
from ddnn.wire.ledger import Ledger
from ddnn.wire.messages import Features, Kind, Message, Scores, row_count
from ddnn.wire.payloads import filled_count

Link = tuple[str, str, Kind]
"""Sender, receiver and kind."""


@dataclass(slots=True)
class _Sum:
    messages: int = 0
    rows: int = 0
    payload: int = 0


class Moved:
    """Of all processes."""

    def __init__(self, topology: Topology, coded: Collection[str]) -> None:
        """coded: nodes whose features are coded, so that their payload follows no equation."""
        self._topology = topology
        self._coded = set(coded)
        self._sums: dict[str, dict[Link, _Sum]] = {}

    def begin(self, node: str) -> None:
        """It has counted nothing yet."""
        self._sums[node] = {}

    def count(self, node: str, link: Link, message: Message) -> None:
        """A message went out of `node`, or came in."""
        found = self._sums[node].get(link)
        if found is None:
            found = self._sums[node][link] = _Sum()
        found.messages += 1
        if isinstance(message, Scores | Features):
            rows = filled_count(message.views_N)
            found.rows += rows
            found.payload += rows * self._row_bytes(link[0], link[2])
        else:
            found.rows += row_count(message)

    def _row_bytes(self, node: str, kind: Kind) -> int:
        """Of the paper's equation 1."""
        if kind is Kind.SCORES:
            return self._topology.score_bytes(node)
        return self._topology.feature_bytes(node)

    def wrong(self, node: str, ledger: Ledger) -> str | None:
        """What is wrong with its ledger, None: nothing."""
        moved, seen = self._sums[node], set()
        for count in ledger.account().links:
            link = (*count.link, count.kind)
            seen.add(link)
            want = moved.get(link, _Sum())
            payload = count.payload if count.link[0] in self._coded else want.payload
            if (count.messages, count.rows, count.payload) != (want.messages, want.rows, payload):
                return (
                    f"{node} counts {count.messages} {count.kind.name} {count.link[0]} to "
                    f"{count.link[1]} of {count.rows} rows and {count.payload} B, want "
                    f"{want.messages} of {want.rows} and {want.payload} B"
                )
        missing = [link for link in moved if link not in seen]
        return f"{node} does not count {missing[0]}" if missing else None
