"""What each link carries now, from what nodes counted since the run began."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ddnn.live.events import LinksEvent
from ddnn.topology import DEVICE, Topology

LOOKS = 4
"""Rates are over so many counts: nodes count at moments of their own."""


@dataclass(frozen=True, slots=True)
class _Count:
    """Of one link, all kinds together; rows and payload of data alone."""

    messages: int = 0
    payload: int = 0
    zmtp: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """payload: of all devices. asked: samples, summed over devices."""

    seconds: float
    payload: int
    asked: int
    answered: int
    links: dict[str, _Count]


class Traffic:
    """Of a topology's links. per_device_sample: mean bytes of a device for a sample since the run
    began, at each level."""

    def __init__(self, topology: Topology) -> None:
        self._devices = {n for n, node in topology.nodes.items() if node.role == DEVICE}
        self._looks: deque[_Look] = deque(maxlen=LOOKS)
        self.per_device_sample: dict[str, float | None] = {}

    def take(self, event: LinksEvent, answered: int, seconds: float) -> tuple[int, int]:
        """Counts since the run began. answered: samples answered by then. seconds: when, by a clock
        that nobody sets.

        Returns the payload of all devices, and for how many samples they were asked, each over
        the last counts.
        """
        found: dict[str, _Count] = {}
        for entry in event["links"]:
            name = f"{entry['from']}:{entry['to']}"
            so_far = found.get(name, _Count())
            found[name] = _Count(
                so_far.messages + entry["messages"],
                so_far.payload + (entry["payload"] if entry["data"] else 0),
                so_far.zmtp + entry["zmtp"],
            )
        payload = sum(e["payload"] for e in event["links"] if self._is_sent_up(e))
        asked = sum(e["rows"] for e in event["links"] if e["kind"] == "capture")
        self._looks.append(_Look(seconds, payload, asked, answered, found))
        self.per_device_sample = event["per_device_sample"]
        old = self._looks[0]
        return max(0, payload - old.payload), max(0, asked - old.asked)

    def _is_sent_up(self, entry: dict[str, Any]) -> bool:
        return bool(entry["data"]) and entry["from"] in self._devices

    def snapshot(self) -> dict[str, dict[str, float | None]]:
        """By `from:to`: payload in bytes a sample, messages and bytes with framing a second, all
        kinds, over the last counts; None where there are not two."""
        if not self._looks:
            return {}
        old, new = self._looks[0], self._looks[-1]
        seconds, answered = new.seconds - old.seconds, new.answered - old.answered
        return {
            name: {
                "payload_per_sample": _rate(count.payload, old.links.get(name, _Count()).payload,
                                            answered),
                "messages_per_s": _rate(count.messages, old.links.get(name, _Count()).messages,
                                        seconds),
                "bytes_per_s": _rate(count.zmtp, old.links.get(name, _Count()).zmtp, seconds),
            }
            for name, count in new.links.items()
        }  # fmt: skip


def _rate(new: float, old: float, over: float) -> float | None:
    return max(0.0, new - old) / over if over > 0 else None
