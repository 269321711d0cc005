"""What CURVE costs a message: bytes, time and processor, over real sockets on loopback.

    python experiments/runtime/curve.py [--messages 5000] [--repeats 3] [--smoke]

Sizes are those of the six-camera network: scores and features of one sample, features of 64.
Prints and writes CSV: the median over repeats of the one-way p50 and of the processor time of
both ends together; bytes by the ledger, which a test holds against the kernel's count.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from ddnn.run.launcher.launch import free_endpoints
from ddnn.topology import read_topology
from ddnn.wire.keys import KeyRing
from ddnn.wire.ledger import SEAL_BYTES, zmtp_bytes
from ddnn.wire.zeromq import ZmqTransport, make_key_pair
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

SIZES = {"scores": 33, "features": 149, "features of 64": 8528}
BURST = 100  # messages sent before the other end takes them: well below the queue's limit
COLUMNS = ("message", "bytes", "curve", "zmtp_bytes", "one_way_us", "processor_us", "connect_ms")


def pair(curve: bool) -> tuple[ZmqTransport, ZmqTransport]:
    """Two nodes that talk to each other."""
    names = ("cam0", "gateway")
    endpoints = free_endpoints(read_topology("six-cameras"))
    pairs = {name: make_key_pair() for name in names}
    public = {name: pairs[name].public for name in names}
    one, other = (
        ZmqTransport(
            name,
            endpoint=endpoints[name],
            peers={peer: endpoints[peer]},
            max_bytes=100_000,
            keys=KeyRing(pairs[name], public) if curve else None,
        )
        for name, peer in (names, names[::-1])
    )
    return one, other


def measure(size: int, curve: bool, messages: int) -> tuple[float, float, float]:
    """One-way p50 and processor time a message in microseconds, milliseconds to connect."""
    sender, receiver = pair(curve)
    data = bytes(size)
    try:
        begun_s = time.perf_counter()
        while not sender.send("gateway", data):
            sender.receive(0.001)
            receiver.receive(0.001)
        connect_ms = (time.perf_counter() - begun_s) * 1e3
        while not receiver.receive(1):
            pass
        return (
            one_way_us(sender, receiver, data, messages),
            processor_us(sender, receiver, data, messages),
            connect_ms,
        )
    finally:
        sender.close()
        receiver.close()


def one_way_us(sender: ZmqTransport, receiver: ZmqTransport, data: bytes, messages: int) -> float:
    """From before it is sent until it is there, one at a time."""
    times = []
    for _ in range(messages):
        begun_s = time.perf_counter()
        sender.send("gateway", data)
        while not receiver.receive(1):
            pass
        times.append(time.perf_counter() - begun_s)
    return median(times) * 1e6


def processor_us(sender: ZmqTransport, receiver: ZmqTransport, data: bytes, messages: int) -> float:
    """Processor time of this process, which is both ends, in bursts."""
    begun_s, received = time.process_time(), 0
    for _ in range(messages // BURST):
        sent = sum(sender.send("gateway", data) for _ in range(BURST))
        while sent > 0:
            found = len(receiver.receive(1))
            sent -= found
            received += found
    return (time.process_time() - begun_s) / received * 1e6


def main() -> None:
    """All sizes with and without, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    add_places(parser, smoke="200 messages, once")
    arguments = parser.parse_args()
    messages, repeats = (200, 1) if arguments.smoke else (arguments.messages, arguments.repeats)
    rows = []
    print(" ".join(f"{name:>14}" for name in COLUMNS))
    for name, size in SIZES.items():
        for curve in (False, True):
            found = [measure(size, curve, messages) for _ in range(repeats)]
            figures = [round(median(column), 1) for column in zip(*found, strict=True)]
            rows.append([name, size, curve, zmtp_bytes(size + curve * SEAL_BYTES), *figures])
            print(" ".join(f"{value!s:>14}" for value in rows[-1]))
    write_measured(results_folder(arguments) / "curve.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
