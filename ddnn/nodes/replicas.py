"""Spreads a node's samples over its replicas: all that belongs to a sample meets at one of them.

The parts of a node know the network's nodes alone. Between them and the wire stands `Replicas`: it
leads each row for a node with replicas to the one that the sample's number picks among those
alive, and tells the parts of a message as if the node itself had sent it.

The choice is by rendezvous hashing (Thaler and Ravishankar 1998): each replica has a score for each
sample, and the highest of those alive wins. So a dead replica's samples are spread over the others,
all other samples stay where they are, and nobody has to agree on anything but on who is alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ddnn.nodes.liveness import Liveness
from ddnn.topology import Topology
from ddnn.wire.messages import Ask, Expect, Features, Message, Scores

_64_BITS = (1 << 64) - 1


def choose(sample: int, count: int, alive: int) -> int:
    """The place, below `count`, of the replica that the sample belongs to.

    alive: bit p for the p-th; where none is, all count as alive.
    """
    alive = alive or (1 << count) - 1
    places = (place for place in range(count) if alive >> place & 1)
    return max(places, key=lambda place: _score(sample & 0xFFFFFFFF, place))


def _score(sample: int, place: int) -> int:
    """64 bits that look drawn at random (the finalizer of SplitMix64, Steele et al. 2014)."""
    bits = ((place << 32 | sample) + 1) * 0x9E3779B97F4A7C15 & _64_BITS
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & _64_BITS
    return bits ^ bits >> 31


class Replicas:
    """Between a node's parts, who know nodes, and the wire, which knows replicas.

    own: the node whose parts these are, whichever replica of it runs them.
    """

    def __init__(self, topology: Topology, name: str, patience_s: float) -> None:
        self.own = topology.original(name)
        by_original: dict[str, list[str]] = {}
        for other, node in topology.nodes.items():
            if node.replica_of is not None:
                by_original.setdefault(node.replica_of, [node.replica_of]).append(other)
        self._watched = {
            original: Liveness(names, patience_s) for original, names in by_original.items()
        }
        self._original = {
            replica: original for original, names in by_original.items() for replica in names
        }

    def hear(self, sender: str, now_s: float) -> str:
        """A message of `sender` came at now_s. Returns the node that it speaks for."""
        original = self._original.get(sender)
        if original is None:
            return sender
        self._watched[original].hear(sender, now_s)
        return original

    def spread(self, peer: str, message: Message, now_s: float) -> list[tuple[str, Message]]:
        """What goes to whom in place of a message to `peer`: each row to its sample's replica."""
        watched = self._watched.get(peer)
        if watched is None or not isinstance(message, Scores | Features | Ask | Expect):
            return [(peer, message)]
        alive, names = watched.alive(now_s), watched.members
        rows_of: dict[str, list[int]] = {}
        for row, sample in enumerate(message.samples_N):
            rows_of.setdefault(names[choose(sample, len(names), alive)], []).append(row)
        if len(rows_of) == 1:
            return [(next(iter(rows_of)), message)]
        return [(name, _rows(message, rows)) for name, rows in rows_of.items()]


class Shares:
    """Which replica had a sample, for the collector, who watches every one of them."""

    def __init__(self, topology: Topology, liveness: Liveness) -> None:
        """liveness: of all nodes, in the topology's order."""
        self.original = topology.original
        self._liveness = liveness
        self._replicas = {name: [name] for name in topology.nodes}
        for name, node in topology.nodes.items():
            if node.replica_of is not None:
                self._replicas[node.replica_of].append(name)
        place = {name: place for place, name in enumerate(liveness.members)}
        self._places = {n: [place[r] for r in names] for n, names in self._replicas.items()}

    def is_alive(self, name: str, now_s: float) -> bool:
        """Whether one of the node's replicas is."""
        return any(self._liveness.is_alive(replica, now_s) for replica in self._replicas[name])

    def is_alone(self, name: str) -> bool:
        """It has no replicas."""
        return len(self._replicas[self.original(name)]) == 1

    def had(self, sample: int, name: str, alive: int) -> bool:
        """Whether the sample went to this replica while those in `alive` were, bit m for the m-th
        node; the replica itself counts as alive."""
        original = self.original(name)
        names, places = self._replicas[original], self._places[original]
        bits = sum((alive >> place & 1) << number for number, place in enumerate(places))
        own = names.index(name)
        return choose(sample, len(names), bits | 1 << own) == own


def _rows(message: Scores | Features | Ask | Expect, rows: list[int]) -> Message:
    """A message of these rows of another."""
    samples_N = _at(message.samples_N, rows)
    match message:
        case Ask():
            return Ask(samples_N)
        case Expect():
            return Expect(samples_N, _at(message.views_N, rows))
        case Scores():
            return Scores(samples_N, _at(message.views_N, rows), message.scores_NK[rows])
        case Features():
            return Features(samples_N, _at(message.views_N, rows), message.features_NFHW[rows])


def _at(values: Sequence[int], rows: Iterable[int]) -> list[int]:
    return [values[row] for row in rows]
