"""Fuzz: hostile messages thrown at every node of a running system. Nothing may change.

    python experiments/runtime/fuzz.py RUN [--messages 100000] [--seed 0] [--smoke]

Twice: in one process, where the last device is an insider that speaks nonsense with a key of its
own and everybody else's name; and at the ZeroMQ sockets of a launched system, from outside. Prints
and writes CSV: how often each reason of refusal was counted. Fails unless all nodes ran to the
end, every verdict is that of an undisturbed run, and each message is accounted for.
"""

from __future__ import annotations

import argparse
import random
import resource
import struct
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.nodes.gather import SLOTS
from ddnn.run.failures.plan import plan_of
from ddnn.run.inprocess import RUN, run_inprocess
from ddnn.run.launcher.launch import Options, Watcher, free_endpoints, launch
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.accounts import SCORES
from ddnn.wire.codec import Codec
from ddnn.wire.header import HEADER, VERSION
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import MAX_ROWS, Ask, Capture, Heartbeat, Kind, Message, Scores, kind_of
from ddnn.wire.routes import routes
from ddnn.wire.seals import Seal
from ddnn.wire.zeromq import ZmqTransport
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

SAMPLES = 400
SMOKE = 2_000
WINDOW = 4  # samples in flight: hostile messages fall between many turns
GOOD = 3_000  # messages that the run in one process sends at least; hostile ones lie between them
PATIENT_MS = 20_000  # deadlines so long that a busy machine loses nothing
THROWN_A_ROUND = 800  # by the attacker while the system answers SAMPLES: it must be done first
OVERSIZED = 20  # each closes a connection; at the end, since what is queued behind it is lost
OLD_RUN = 2**40  # what an outsider could have recorded is of another run

Mutate = Callable[[bytes, random.Random, int], bytes]
"""A good message, chance, and the key with which its checksum begins."""


def sealed(data: bytes, key: int) -> bytes:
    """With the checksum that its content wants: only what it says is wrong."""
    start = zlib.crc32(bytes(4), zlib.crc32(data[: HEADER.size - 4], key))
    checksum = zlib.crc32(data[HEADER.size :], start)
    return data[: HEADER.size - 4] + struct.pack("<I", checksum) + data[HEADER.size :]


def flip_a_bit(data: bytes, rng: random.Random, _key: int) -> bytes:
    flipped = bytearray(data)
    flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def change(place: int, value: Callable[[random.Random], int]) -> Mutate:
    """One byte of the header changed, the checksum made right again."""
    return lambda data, rng, key: sealed(
        data[:place] + bytes([value(rng)]) + data[place + 1 :], key
    )


def with_nan(data: bytes, _rng: random.Random, key: int) -> bytes:
    """NaN in place of the last number: refused where the message carries scores or maps."""
    return sealed(data[:-4] + struct.pack("<f", float("nan")), key)


MUTATIONS: dict[str, Mutate] = {
    "random bytes": lambda _data, rng, _key: rng.randbytes(rng.randrange(400)),
    "truncated": lambda data, rng, _key: data[: rng.randrange(len(data))],
    "lengthened": lambda data, rng, key: sealed(data + rng.randbytes(1 + rng.randrange(40)), key),
    "oversized": lambda data, _rng, _key: data + bytes(200_000),
    "bit flipped": flip_a_bit,
    "wrong version": change(0, lambda rng: rng.choice([0, VERSION - 1, VERSION + 1, 255])),
    "unknown kind": change(1, lambda rng: rng.randrange(max(Kind) + 1, 256)),
    "kind of another route": change(1, lambda rng: rng.choice([Kind.ACCOUNT, Kind.VERDICT])),
    "wrong shape": lambda data, rng, key: change(
        2, lambda r: (data[2] + r.randrange(1, 255)) % 256
    )(data, rng, key),
    "unknown sender": change(5, lambda rng: rng.randrange(1, 256)),
    "other session": change(6, lambda rng: rng.randrange(256)),
    "not a number": with_nan,
    "replayed": lambda data, _rng, _key: data,
}


class Fuzzer:
    """Makes hostile messages out of good ones, as many of each mutation."""

    def __init__(self, names: list[str], seed: int) -> None:
        self.thrown: Counter[str] = Counter()
        self.rng = random.Random(seed)
        self._names = names

    def hostile(self, good: bytes, key: int) -> bytes:
        """One that must be refused wherever `good`, or a later one, was taken."""
        name = self._names[self.thrown.total() % len(self._names)]
        self.thrown[name] += 1
        return MUTATIONS[name](good, self.rng, key)


class FuzzedNetwork(MemoryNetwork):
    """Behind each message come hostile ones; the last device is an insider (see the module)."""

    def __init__(self, bundle: Bundle, fuzzer: Fuzzer, *, limit: int) -> None:
        super().__init__()
        self._topology = bundle.topology
        self._codec = Codec(bundle.topology, bundle.session, bundle.tables)
        self._fuzzer = fuzzer
        self._each = -(-limit // GOOD)
        self._limit = limit
        self._insider = bundle.topology.devices[-1]
        self._sequence = 1000  # beyond what the insider said before
        self._boots: dict[str, int] = {}
        self._has_begun = False

    def put(self, sender: str, receiver: str, data: bytes) -> bool:
        """Every good message is known to be its sender's, as with CURVE."""
        self._has_begun |= data[1] == Kind.CAPTURE
        if data[1] == Kind.HEARTBEAT:
            self._boots[sender] = self._codec.announced_boot(data)
        if not self._has_begun or data[1] == Kind.HELLO:
            return super().put(sender, receiver, data)  # whoever says hello may say it again
        if sender == self._insider:
            return self._put_insider(receiver, data)
        taken = super().put(sender, receiver, data)
        self._queues[receiver][-1] = (data, sender)
        key = self._seal(Kind(data[1]), sender).key
        for _ in range(self._each):
            if self._fuzzer.thrown.total() < self._limit:
                self._queues[receiver].append((self._fuzzer.hostile(data, key), None))
        return taken

    def _put_insider(self, receiver: str, data: bytes) -> bool:
        """Its heartbeats are good, its scores are of samples nobody asked for, or others'."""
        kind = Kind(data[1])
        if kind not in (Kind.SCORES, Kind.FEATURES):
            message = self._codec.decode(self._codec.read_header(data), data, receiver=receiver)
            self._queues[receiver].append((self._encode(message, self._insider), self._insider))
        elif kind is Kind.SCORES:
            other = self._topology.devices[0]
            for start in range(0, SLOTS, MAX_ROWS):
                absurd = self._absurd(start)
                self._queues[receiver].append((self._encode(absurd, self._insider), self._insider))
                self._queues[receiver].append((self._encode(absurd, other), self._insider))
                self._fuzzer.thrown["future sample numbers"] += 1
                self._fuzzer.thrown["in another's name"] += 1
        return True

    def _absurd(self, start: int) -> Scores:
        samples_N = range(2**32 - 1 - start, 2**32 - 1 - start - MAX_ROWS, -1)
        everything = (1 << self._topology.views) - 1
        scores_NK = np.full((MAX_ROWS, len(self._topology.classes)), 99, np.float32)
        return Scores(samples_N, [everything] * MAX_ROWS, scores_NK)

    def _encode(self, message: Message, sender: str) -> bytes:
        self._sequence += 1
        seal = self._seal(kind_of(message), sender)
        return self._codec.encode(message, sender=sender, sequence=self._sequence, seal=seal)

    def _seal(self, kind: Kind, sender: str) -> Seal:
        """As the sender's own mailbox has it: the worst that somebody could know."""
        if not kind.is_of_a_run:
            return self._codec.lobby
        run = self._codec.seal(RUN)
        return run if kind is Kind.HEARTBEAT else run.of(self._boots.get(sender, RUN))


class Attacker:
    """Throws messages at the sockets of a launched system, from a thread of its own."""

    def __init__(self, bundle: Bundle, fuzzer: Fuzzer, limit: int) -> None:
        topology = bundle.topology
        self._codec = Codec(topology, bundle.session, bundle.tables)
        self._good = {
            name: recorded(topology, self._codec, name) for name in (COLLECTOR, *topology.nodes)
        }
        self._fuzzer = fuzzer
        self._limit = limit
        self._endpoints = {name: topology.endpoint(name) for name in self._good}
        self._own = free_endpoints(topology)[COLLECTOR]
        self._thread = threading.Thread(target=self._throw, daemon=True)
        self.is_done = threading.Event()

    def watch(self, answered: int) -> None:
        """Begins once the system answers, so that every node has heard every other."""
        if answered > WINDOW and not self._thread.is_alive() and not self.is_done.is_set():
            self._thread.start()

    def _throw(self) -> None:
        size = max(len(good) for found in self._good.values() for good in found) + 10**6
        sockets = ZmqTransport("x", endpoint=self._own, peers=self._endpoints, max_bytes=size)
        try:
            while self._fuzzer.thrown.total() < self._limit:
                for name, good in self._good.items():
                    data = self._fuzzer.hostile(self._fuzzer.rng.choice(good), 0)
                    while not sockets.send(name, data):
                        sockets.receive(0.001)
            for name in list(self._good) * OVERSIZED:
                sockets.send(name, bytes(self._codec.max_bytes + 10**5))
                sockets.receive(0.001)
        finally:
            sockets.close(linger_ms=2000)
            self.is_done.set()


def recorded(topology: Topology, codec: Codec, receiver: str) -> list[bytes]:
    """What somebody could have recorded on the way to `receiver` some time ago."""
    found: list[bytes] = []
    samples_N, everything = range(3), (1 << topology.views) - 1
    messages: dict[Kind, Message] = {
        Kind.CAPTURE: Capture(samples_N),
        Kind.ASK: Ask(samples_N),
        Kind.SCORES: Scores(
            samples_N, [everything] * 3, np.ones((3, len(topology.classes)), dtype=np.float32)
        ),
        Kind.HEARTBEAT: Heartbeat(),
    }
    for sender, to, kind in sorted(routes(topology)):
        if to == receiver and kind in messages:
            seal = codec.seal(OLD_RUN)
            found.append(codec.encode(messages[kind], sender=sender, sequence=0, seal=seal))
    return found


def patient(bundle: Bundle, folder: Path) -> Bundle:
    """The same, waiting so long that only what is refused can change a verdict."""
    document = bundle.topology.model_dump(mode="json")
    for number, tier in enumerate(document["tiers"]):
        tier["deadline_ms"] = PATIENT_MS + 2 * number
        if tier["exit"] is not None:
            tier["exit"]["deadline_ms"] = PATIENT_MS + 2 * number + 1
    document["collector"]["answer_ms"] = 2 * PATIENT_MS
    document["heartbeat"] = {"interval_ms": 100, "patience": 100}
    return place_bundle(bundle.folder, Topology.model_validate(document), folder / "patient")


def in_one_process(bundle: Bundle, messages: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Thrown by mutation, refused by reason. Raises SystemExit where a promise is broken."""
    views = random_views(bundle.topology, SAMPLES).views_NVCHW
    insider = bundle.topology.devices[-1]
    plan = plan_of(bundle.topology, kills=[f"{insider}@0"])
    wanted = run_inprocess(bundle, views, window=WINDOW, plan=plan)
    fuzzer = Fuzzer(list(MUTATIONS), seed)
    network = FuzzedNetwork(bundle, fuzzer, limit=messages)
    found = run_inprocess(bundle, views, window=WINDOW, network=network)
    for name in ("predicted_N", "exit_N", "present_NV", "entropy_N"):
        check(np.array_equal(getattr(wanted, name), getattr(found, name)), f"{name} changed")
    check(set(found.accounts) == {COLLECTOR, *bundle.topology.nodes}, "a node stopped")
    thrown = fuzzer.thrown
    counted = Counter[str]()
    for account in found.accounts.values():
        counted.update({name: n for name, n in account.events if not name.startswith(SCORES)})
    outside = thrown.total() - thrown["future sample numbers"]
    refused = counted.total() - counted["late"] - counted["busy-slot"] - counted["duplicate"]
    check(refused - counted["forgotten"] == outside, f"{outside} thrown, {refused} refused")
    return thrown, counted


def at_sockets(
    bundle: Bundle, messages: int, seed: int
) -> tuple[Counter[str], Counter[str], float]:
    """As above; and by how many MB a node grew at most."""
    bundle = bundle.with_endpoints(free_endpoints(bundle.topology))
    samples = random_views(bundle.topology, SAMPLES)
    names = [name for name in MUTATIONS if name != "oversized"]
    fuzzer = Fuzzer(names, seed)
    attacker = Attacker(bundle, fuzzer, messages)
    rounds = max(2, messages // THROWN_A_ROUND)
    outcome = launch(
        bundle,
        samples,
        Options(rounds=rounds, window=WINDOW),
        Watcher(progress=attacker.watch),
    )
    whole = run_inprocess(bundle, samples.views)
    for name in ("predicted_N", "exit_N"):
        wanted = np.tile(getattr(whole, name), rounds)
        check(np.array_equal(wanted, getattr(outcome.verdicts, name)), f"{name} changed")
    nodes = outcome.report["nodes"]
    check({node["state"] for node in nodes.values()} == {"running"}, "a node stopped")
    counted = Counter[str](outcome.report["collector"]["events"])
    for node in nodes.values():
        counted.update(node["events"])
    check(attacker.is_done.is_set(), "the run was over before all was thrown")
    check(counted.total() == fuzzer.thrown.total(), f"{counted.total()} refused")
    memory = {name: [mb for _, n, mb in outcome.memory if n == name] for name in nodes}
    return fuzzer.thrown, counted, max(values[-1] - values[0] for values in memory.values())


def check(holds: bool, what: str) -> None:
    """Ends the experiment where a promise is broken."""
    if not holds:
        sys.exit(f"fuzz: {what}")


def table(where: str, thrown: Counter[str], counted: Counter[str]) -> list[list[object]]:
    """Prints what was thrown and counted; returns it as rows."""
    print(f"\n{where}: {thrown.total()} hostile messages")
    rows: list[list[object]] = []
    for what, counts in (("thrown", thrown), ("counted", counted)):
        for name, count in sorted(counts.items()):
            if count:
                print(f"  {what:8} {name:24} {count:8}")
                rows.append([where, what, name, count])
    return rows


def main() -> None:
    """Both runs, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    add_places(parser, smoke=f"{SMOKE} messages")
    arguments = parser.parse_args()
    messages = SMOKE if arguments.smoke else arguments.messages
    bundle = load_bundle(arguments.run)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    rows = table("in one process", *in_one_process(bundle, messages, arguments.seed))
    grown_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 - before_mb
    with TemporaryDirectory() as folder:
        waiting = patient(bundle, Path(folder))
        thrown, counted, node_mb = at_sockets(waiting, messages, arguments.seed)
    rows += table("at sockets", thrown, counted)
    print(f"\nmemory: {grown_mb:.1f} MB more in one process, {node_mb:.1f} MB in a launched node")
    print("no node stopped, no verdict changed")
    write_measured(
        results_folder(arguments) / "fuzz.csv",
        ["where", "what", "name", "count"],
        rows,
        bundles=[bundle.sha256],
    )


if __name__ == "__main__":
    command(main)
