"""The way one would first write it: REQ/REP, pickled arrays, eager torch, one device after another.

Only a baseline: unpickling what comes from a network runs whatever was sent. Nothing outside the
benchmark imports this.
Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import torch
import zmq

from ddnn.data.views import Views
from ddnn.training.run import open_run


def samples_per_s(run: Path, views: Views) -> float:
    """Samples answered in a second by the local exit, one at a time, a process a device."""
    torch.set_num_threads(1)  # several processes that each spin on all cores would be worse still
    joint = open_run(run).joint.eval()
    devices = joint.topology.devices
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        sockets = []
        for name in devices:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "ddnn.bench.naive", str(run), name],
                stdout=subprocess.PIPE,
            )
            stack.callback(_end, child)
            assert child.stdout is not None
            port = int(child.stdout.readline())
            sockets.append(stack.enter_context(context.socket(zmq.REQ)))
            sockets[-1].setsockopt(zmq.LINGER, 0)
            sockets[-1].connect(f"tcp://127.0.0.1:{port}")
        begun_s = time.perf_counter()
        for sample in range(len(views)):
            scores = []
            for socket, view_NCHW in zip(sockets, views.arrays, strict=True):
                socket.send(pickle.dumps(view_NCHW[sample : sample + 1]))
                scores.append(pickle.loads(socket.recv()))
            with torch.no_grad():
                present = torch.ones(1, len(devices), dtype=torch.bool)
                joint.exits["local"]([torch.from_numpy(s) for s in scores], present)
        return len(views) / (time.perf_counter() - begun_s)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def serve(run: Path, name: str) -> None:
    """Called in the child: one device, for ever."""
    torch.set_num_threads(1)
    section = open_run(run).joint.eval().sections[name]
    context = zmq.Context()
    socket = context.socket(zmq.REP)
    sys.stdout.write(f"{socket.bind_to_random_port('tcp://127.0.0.1')}\n")
    sys.stdout.flush()
    while True:
        view_NCHW = torch.from_numpy(pickle.loads(socket.recv()))
        with torch.no_grad():
            scores_NK = section(view_NCHW).scores
        socket.send(pickle.dumps(scores_NK.numpy()))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
