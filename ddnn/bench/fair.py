"""The fair floor: the same processes, messages and sections, written plainly.

As many processes as the topology has nodes, one PULL and some PUSH sockets each, ONNX Runtime with
one thread. Left out is what a run needs beside the way of a sample: heartbeats, deadlines, checks,
counting, late or lost messages. A message has the bytes of ours, but only its sample is filled in.

Axes: N samples, V views, K classes, C image channels, H, W.
"""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import zmq

from ddnn.bench.launched import Usage, family, usage
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.topology import COLLECTOR
from ddnn.wire.header import HEADER
from ddnn.wire.payloads import Payloads

_SAMPLE = struct.Struct("<I")
_ANSWER = struct.Struct("<HffB")
RECORDED = 64
"""Views that each device has."""


class Floor(NamedTuple):
    """times_s: of each sample. used: of all processes, for all of them."""

    times_s: list[float]
    used: Usage


def round_trips(bundle: Bundle, count: int) -> Floor:
    """`count` samples, one at a time, each answered by the exit nearest to the devices."""
    topology = bundle.topology
    devices = topology.devices
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        inbox = stack.enter_context(context.socket(zmq.PULL))
        ports = {COLLECTOR: inbox.bind_to_random_port("tcp://127.0.0.1")}
        children = {name: stack.enter_context(_child(bundle, name)) for name in topology.nodes}
        for name, child in children.items():
            ports[name] = int(_line(child))
        for child in children.values():
            assert child.stdin is not None
            child.stdin.write(json.dumps(ports).encode() + b"\n")
            child.stdin.flush()
            _line(child)
        outboxes = []
        for name in devices:
            outboxes.append(stack.enter_context(context.socket(zmq.PUSH)))
            outboxes[-1].setsockopt(zmq.LINGER, 0)
            outboxes[-1].connect(f"tcp://127.0.0.1:{ports[name]}")
        header = bytes(HEADER.size)

        def once(sample: int) -> None:
            for outbox in outboxes:
                outbox.send(header + _SAMPLE.pack(sample))
            inbox.recv()

        for sample in range(max(20, count // 10)):  # warm up
            once(sample)
        pids = family()
        before, times = usage(pids), []
        for sample in range(count):
            begun_s = time.perf_counter()
            once(sample)
            times.append(time.perf_counter() - begun_s)
        return Floor(times, usage(pids).since(before))


@contextmanager
def _child(bundle: Bundle, name: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "ddnn.bench.fair", str(bundle.folder), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _line(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None
    return child.stdout.readline()


def _session(path: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return ort.InferenceSession(
        str(path),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["ConvMulFusion"],
    )


class _Sockets:
    """One inbox and a way to one other process, as the child's standard input says."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self.inbox = self._context.socket(zmq.PULL)
        self.say(self.inbox.bind_to_random_port("tcp://127.0.0.1"))
        self._ports = json.loads(sys.stdin.readline())

    def to(self, name: str) -> zmq.Socket[bytes]:
        """Connected."""
        outbox = self._context.socket(zmq.PUSH)
        outbox.connect(f"tcp://127.0.0.1:{self._ports[name]}")
        return outbox

    def say(self, what: object) -> None:
        """A line on standard output."""
        sys.stdout.write(f"{what}\n")
        sys.stdout.flush()


def serve(folder: Path, name: str) -> None:
    """Called in the child: one node, until it is killed. Above the exit nobody is asked."""
    bundle = load_bundle(folder)
    topology = bundle.topology
    first = topology.tiers[0].exit
    assert first is not None
    sockets = _Sockets()
    if name in topology.devices and name != first.at:
        _serve_device(bundle, name, sockets, first.at)
    elif name == first.at:
        _serve_exit(bundle, name, sockets)
    sockets.say("ready")
    sockets.inbox.recv()


def _device(bundle: Bundle, name: str) -> Any:
    """A function that gives the scores of a sample, packed."""
    topology = bundle.topology
    session = _session(bundle.section_path(name))
    place = [value.name for value in session.get_outputs()].index("scores")
    rng = np.random.default_rng(0)
    shape = (RECORDED, *session.get_inputs()[0].shape[1:])
    views_NCHW = rng.integers(0, 256, shape, dtype=np.uint8)
    pack = Payloads(topology, bundle.tables).pack_scores

    def scores(sample: int) -> bytes:
        row = sample % RECORDED
        outputs = session.run(None, {"views": views_NCHW[row : row + 1]})
        return pack(name, outputs[place])

    return scores


def _serve_device(bundle: Bundle, name: str, sockets: _Sockets, exit_at: str) -> None:
    scores, outbox = _device(bundle, name), sockets.to(exit_at)
    head = bytes(HEADER.size)
    mask = (1 << bundle.topology.devices.index(name)).to_bytes(mask_bytes(bundle), "little")
    sockets.say("ready")
    while True:
        (sample,) = _SAMPLE.unpack_from(sockets.inbox.recv(), HEADER.size)
        outbox.send(head + _SAMPLE.pack(sample) + mask + scores(sample))


def mask_bytes(bundle: Bundle) -> int:
    """One bit a part of a sample."""
    return math.ceil(bundle.topology.part_bits / 8)


def _serve_exit(bundle: Bundle, name: str, sockets: _Sockets) -> None:
    """A device that holds the exit hears the captures too, and puts its own scores in place."""
    topology = bundle.topology
    devices = topology.devices
    session = _session(bundle.exit_path(next(iter(topology.exits))))
    own = _device(bundle, name) if name in devices else None
    unpack = Payloads(topology, bundle.tables).unpack_scores
    outbox, mask = sockets.to(COLLECTOR), mask_bytes(bundle)
    scores_NVK = np.zeros((1, len(devices), len(topology.classes)), np.float32)
    present_NV = np.ones((1, len(devices)), np.float32)
    start = HEADER.size + _SAMPLE.size + mask
    everyone, arrived = (1 << len(devices)) - 1, 0
    place = {1 << view: view for view in range(len(devices))}
    sockets.say("ready")
    while True:
        data = sockets.inbox.recv()
        (sample,) = _SAMPLE.unpack_from(data, HEADER.size)
        if len(data) < start:
            assert own is not None
            bit, packed = 1 << devices.index(name), own(sample)
        else:
            bit = int.from_bytes(data[start - mask : start], "little")
            packed = data[start:]
        scores_NVK[0, place[bit]] = unpack(devices[place[bit]], memoryview(packed))[0]
        arrived |= bit
        if arrived == everyone:
            arrived = 0
            logits_K = session.run(None, {"scores": scores_NVK, "present": present_NV})[0][0]
            answer = _ANSWER.pack(*_decide(logits_K), 1)
            head = bytes(HEADER.size) + _SAMPLE.pack(sample)
            outbox.send(head + everyone.to_bytes(mask, "little") + answer)


def _decide(logits_K: Any) -> tuple[int, float, float]:
    """Class, normalized entropy and the class's probability."""
    exp_K = np.exp(logits_K - logits_K.max())
    p_K = exp_K / exp_K.sum()
    entropy = -float((p_K * np.log(np.maximum(p_K, 1e-30))).sum()) / math.log(len(p_K))
    return int(p_K.argmax()), entropy, float(p_K.max())


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
