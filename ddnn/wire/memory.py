"""A transport within one process: queues of bytes. The double of ZeroMQ in tests."""

from __future__ import annotations

from collections import deque

from ddnn.wire.transport import Arrived


class MemoryNetwork:
    """Carries bytes between the nodes of one process; `cut` nodes neither send nor receive."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Arrived]] = {}
        self._cut: set[str] = set()

    def join(self, name: str) -> MemoryTransport:
        """The transport of node `name`."""
        self._queues[name] = deque()
        return MemoryTransport(self, name)

    def cut(self, name: str) -> None:
        """From now on the node is gone: what it had queued is lost."""
        self._cut.add(name)
        self._queues[name].clear()

    def heal(self, name: str) -> None:
        """The node is back, its queue empty."""
        self._cut.discard(name)

    @property
    def is_quiet(self) -> bool:
        """Nothing is on its way."""
        return not any(self._queues.values())

    def put(self, sender: str, receiver: str, data: bytes) -> bool:
        """Queues the bytes; False where one end is gone."""
        if sender in self._cut or receiver in self._cut or receiver not in self._queues:
            return False
        self._queues[receiver].append((data, None))
        return True

    def take(self, name: str) -> list[Arrived]:
        """Everything queued for the node."""
        queue = self._queues[name]
        arrived = list(queue)
        queue.clear()
        return arrived


class MemoryTransport:
    """One node's end of a MemoryNetwork; never waits."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self._network = network
        self._name = name

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport."""
        return self._network.put(self._name, peer, data)

    def receive(self, timeout_s: float) -> list[Arrived]:
        """See Transport."""
        return self._network.take(self._name)

    def close(self) -> None:
        """See Transport."""
