"""A transport with faults: messages late, lost, damaged or cut off, as told.

Stands between a node's mailbox and its real transport; the node knows nothing of it. Emulated
links (bandwidth, latency, loss) are the same thing, set for good at the start.

A fault holds for what the node sends to one peer, or, for EVERYONE, for all it sends and
receives; a delay holds for what it sends alone, so that `delay_ms` is what its answers are late
by, and not half of it. Whether a message is hit follows from the seed and what the message speaks
of: its samples or, for a heartbeat, its number. So the same plan hits the same messages wherever
samples share messages alike: in one process always, in many with a window of one sample.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, get_args

from ddnn.topology import Topology
from ddnn.wire.bitflips import flipped
from ddnn.wire.header import HEADER
from ddnn.wire.trace import Trace
from ddnn.wire.transport import Arrived, Transport

LinkFaultKind = Literal["delay", "drop", "corrupt", "bitflip", "partition", "trace"]
LINK_FAULT_KINDS: tuple[str, ...] = get_args(LinkFaultKind)
EmulationKind = Literal["latency", "loss", "bandwidth"]
EVERYONE = "*"
MAX_HELD = 10_000
"""Delayed messages at most; more are lost, as in a full queue."""

Chance = Callable[[str], float]
"""By what it decides: a number, uniform in [0, 1), that is a message's own."""


def _spared(_: str) -> float:
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFault:
    """What happens to messages.

    share: of messages hit (drop, loss, corrupt). delay_s, jitter_s: added to each (delay,
    latency); the jitter is uniform in [0, jitter_s]. bits_per_s: of the link (bandwidth).
    bit_error_rate: of payload bits (bitflip). steps: see ddnn.wire.trace (trace).
    """

    kind: LinkFaultKind | EmulationKind
    share: float = 1.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bits_per_s: float = 0.0
    bit_error_rate: float = 0.0
    steps: Sequence[Sequence[float]] = ()


def emulated_faults(name: str, topology: Topology) -> list[tuple[str, LinkFault]]:
    """What the topology's `links` do to messages that `name` sends, by receiver."""
    found = []
    for receiver, link in topology.links_from(name).items():
        if link.bandwidth_kbps is not None:
            bits_per_s = link.bandwidth_kbps * 1000
            found.append((receiver, LinkFault(kind="bandwidth", bits_per_s=bits_per_s)))
        if link.latency_ms or link.jitter_ms:
            delay = LinkFault(
                kind="latency", delay_s=link.latency_ms / 1000, jitter_s=link.jitter_ms / 1000
            )
            found.append((receiver, delay))
        if link.loss:
            found.append((receiver, LinkFault(kind="loss", share=link.loss)))
    return found


class FaultyTransport:
    """See Transport. Order on a link is kept, as TCP keeps it."""

    def __init__(
        self,
        inner: Transport,
        name: str,
        *,
        seed: int,
        clock: Callable[[], float],
        head_bytes: int,
    ) -> None:
        """head_bytes: of a row before its payload, see Codec."""
        self._inner = inner
        self._head_bytes = head_bytes
        self._name = name
        self._seed = seed
        self._clock = clock
        self._faults: dict[tuple[str, str], LinkFault] = {}
        self._traces: dict[str, Trace] = {}
        self._held: list[tuple[float, int, str, bytes]] = []
        self._busy_s: dict[str, float] = {}
        self._last_s: dict[str, float] = {}
        self._order = count()
        self._numbers: Counter[tuple[str | None, int]] = Counter()

    def set(self, peer: str, fault: LinkFault) -> None:
        """From now on, until `clear`; one fault of a kind a peer. Safe from another thread."""
        if fault.kind == "trace":
            self._traces = self._traces | {peer: Trace(fault.steps, self._clock())}
        self._faults = self._faults | {(peer, fault.kind): fault}

    def clear(self, peer: str, kind: str) -> None:
        """No such fault from now on. Safe from another thread."""
        self._faults = {key: f for key, f in self._faults.items() if key != (peer, kind)}

    def obey(self, order: Mapping[str, Any]) -> bool:
        """Sets or clears what an order (ddnn.run.child.serve) says; False: it speaks of no link."""
        if "set" in order:
            self.set(order["set"], LinkFault(**order["fault"]))
        elif "clear" in order:
            self.clear(order["clear"], order["kind"])
        else:
            return False
        return True

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport. A message that a fault takes counts as taken: the network had it."""
        if not self._faults and not self._held:
            return self._inner.send(peer, data)
        self._release()
        return self._carry(peer, data)

    def receive(self, timeout_s: float) -> list[Arrived]:
        """See Transport."""
        if self._held:
            self._release()
        if self._held:
            timeout_s = min(timeout_s, max(0.0, self._held[0][0] - self._clock()))
        arrived = self._inner.receive(timeout_s)
        if self._held:
            self._release()
        if not self._faults:
            return arrived
        passed = (
            (self._harmed(data, None, self._chances(None, data)), key) for data, key in arrived
        )
        return [(data, key) for data, key in passed if data is not None]

    def due_s(self) -> float | None:
        """When a held message is released."""
        return self._held[0][0] if self._held else None

    def end_faults(self) -> None:
        """For good, emulated links included; what is held leaves at once."""
        self._faults = {}
        while self._held:
            self._inner.send(*heapq.heappop(self._held)[2:])

    def close(self) -> None:
        """See Transport. Held messages are lost."""
        self._inner.close()

    def _release(self) -> None:
        while self._held and self._held[0][0] <= self._clock():
            self._inner.send(*heapq.heappop(self._held)[2:])

    def _carry(self, peer: str, data: bytes) -> bool:
        """Loses, damages or holds the message, or sends it: then, whether it was taken."""
        chance = self._chances(peer, data)
        harmed = self._harmed(data, peer, chance)
        if harmed is None:
            return True
        release_s = self._release_s(peer, len(data), chance)
        if release_s is None:
            return self._inner.send(peer, harmed)
        if len(self._held) < MAX_HELD:
            heapq.heappush(self._held, (release_s, next(self._order), peer, harmed))
        return True

    def _harmed(self, data: bytes, peer: str | None, chance: Chance) -> bytes | None:
        """What is left of a message to `peer`, or, for None, of one that arrived; None: lost."""
        if self._active(peer, "partition"):
            return None
        if any(chance(f.kind) < f.share for f in self._active(peer, "drop", "loss")):
            return None
        return self._damaged(peer, data, chance)

    def _damaged(self, peer: str | None, data: bytes, chance: Chance) -> bytes:
        """As it arrives: damage that its checksum shows, or that it does not."""
        if any(chance(f.kind) < f.share for f in self._active(peer, "corrupt")):
            place = int(chance("place") * len(data))  # once: twice would undo it
            byte = data[place] ^ (1 << int(chance("bit") * 8))
            data = data[:place] + bytes([byte]) + data[place + 1 :]
        for number, fault in enumerate(self._active(peer, "bitflip")):
            rate, seed = fault.bit_error_rate, int(chance(f"flip{number}") * 2**53)
            data = flipped(data, rate=rate, seed=seed, head_bytes=self._head_bytes)
        return data

    def _active(self, peer: str | None, *kinds: str) -> list[LinkFault]:
        peers = (EVERYONE,) if peer is None else (peer, EVERYONE)
        keys = [(name, kind) for name in peers for kind in kinds]
        traced = [fault for name in peers for fault in self._traced(name) if fault.kind in kinds]
        return [self._faults[key] for key in keys if key in self._faults] + traced

    def _traced(self, peer: str) -> list[LinkFault]:
        """What a trace of this link makes of it now."""
        if (peer, "trace") not in self._faults:
            return []
        step = self._traces[peer].now(self._clock())
        found = [
            LinkFault(kind="latency", delay_s=step.latency_ms / 1000),
            LinkFault(kind="loss", share=step.loss),
        ]
        if step.bandwidth_kbps:
            found.append(LinkFault(kind="bandwidth", bits_per_s=step.bandwidth_kbps * 1000))
        return found

    def _release_s(self, peer: str, size: int, chance: Chance) -> float | None:
        """When a message of so many bytes arrives, None: at once."""
        delays = self._active(peer, "delay", "latency")
        bandwidths = self._active(peer, "bandwidth")
        now_s = leave_s = self._clock()
        if not delays and not bandwidths and self._last_s.get(peer, 0.0) <= now_s:
            return None
        for link in bandwidths:  # a message waits until the link has carried the one before
            leave_s = max(leave_s, self._busy_s.get(peer, 0.0)) + size * 8 / link.bits_per_s
            self._busy_s[peer] = leave_s
        for fault in delays:
            leave_s += fault.delay_s + fault.jitter_s * chance("jitter")
        self._last_s[peer] = max(leave_s, self._last_s.get(peer, 0.0))
        return self._last_s[peer]

    def _chances(self, peer: str | None, data: bytes) -> Chance:
        """From the seed, the link and what the message speaks of.

        The samples of a message stand after its header; those that speak of none are counted.
        What is too short for a message is spared: the codec refuses it.
        """
        if len(data) < HEADER.size:
            return _spared
        kind, rows, sender = data[1], data[2], data[4]
        subject = data[HEADER.size : HEADER.size + 4 * rows]
        if not rows:
            self._numbers[peer, sender] += 1
            subject = b"%d" % self._numbers[peer, sender]
        text = f"{self._seed} {self._name} {peer} {kind} {sender} ".encode() + subject

        def chance(purpose: str) -> float:
            digest = hashlib.blake2b(text, digest_size=8, person=purpose.encode()).digest()
            return int.from_bytes(digest, "little") / 2**64

        return chance
