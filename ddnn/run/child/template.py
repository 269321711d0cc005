"""A process that has imported what nodes need, and gives birth to them. Called in the template:
`python -m ddnn.run.child template DESCRIPTOR`.

Importing takes a node most of its start. So the launcher starts one process that does it once and
then forks: a node shares the template's pages until it writes to them, and is in all else a process
of its own, a child of the launcher.

The launcher asks over the socket DESCRIPTOR: 8 bytes with the length of a ChildConfig in JSON, with
them the descriptors of the node's standard input, output and error; then the JSON. Answered by 8
bytes: the node's process id, or minus the error number where the system forks none. All numbers are
little-endian. The end of the socket ends the template, and no node.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path

from ddnn.run.child.config import ChildConfig

TITLE_BYTES = 1024
"""Room on the template's command line for what a list of processes says of a node."""
NUMBER_BYTES = 8
STANDARD = 3
"""Input, output, error."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """On Linux the system kills this process when its parent ends, also while it is stopped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def next_node(descriptor: int) -> ChildConfig:
    """Returns in each node's process, and never in the template.

    A thread would not be there after a fork, but the locks that it holds would: a template that
    has more than one ends, and the launcher starts nodes without it.
    """
    launcher = os.getppid()
    die_with_parent()
    import ddnn.run.child.serve  # noqa: F401, PLC0415  # what the template is for
    from ddnn.nodes.engine import begin_runtime  # noqa: PLC0415

    begin_runtime()
    if len(os.listdir("/proc/self/task")) > 1:
        os._exit(1)
    gc.collect()
    gc.freeze()  # no collection writes to pages that nodes share
    with socket.socket(fileno=descriptor) as asked:
        while True:
            config, files = _take(asked)
            answer = _fork(launcher)
            if answer is None:
                break  # in the node
            asked.sendall(answer.to_bytes(NUMBER_BYTES, "little", signed=True))
            for file in files:
                os.close(file)
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.setpgid(0, 0)
    _set_title(config)
    return config


def _take(asked: socket.socket) -> tuple[ChildConfig, list[int]]:
    """The next request; ends the template where none will come."""
    with contextlib.suppress(OSError):
        head, files, _, _ = socket.recv_fds(asked, NUMBER_BYTES, STANDARD)
        size = int.from_bytes(head, "little")
        if len(head) == NUMBER_BYTES and len(files) == STANDARD:
            text = b""
            while len(text) < size and (part := asked.recv(size - len(text))):
                text += part
            if len(text) == size:
                return ChildConfig(**json.loads(text)), files
    os._exit(0)


def _fork(launcher: int) -> int | None:
    """The process id of a new child of the launcher, or minus an error number; None in it.

    Forked twice: the launcher, which has asked for it, inherits the child of a process that ended.
    The child goes on once that is so.
    """
    born_at, born = os.pipe()
    may_go, go = os.pipe()
    try:
        middle = os.fork()
    except OSError as error:
        for end in (born_at, born, may_go, go):
            os.close(end)
        return -(error.errno or 1)
    if middle == 0:
        _bear(born)
        os.close(born_at)
        os.close(born)
        os.close(go)
        os.read(may_go, 1)  # ends when the template closes its end
        os.close(may_go)
        if os.getppid() != launcher:
            os._exit(1)
        return None
    os.close(born)
    os.close(may_go)
    number = os.read(born_at, NUMBER_BYTES)
    os.close(born_at)
    os.waitpid(middle, 0)
    os.close(go)
    return int.from_bytes(number, "little", signed=True)


def _bear(born: int) -> None:
    """Returns in a new child; the process that was called tells of it and ends."""
    try:
        number = os.fork()
    except OSError as error:
        number = -(error.errno or 1)
    if number == 0:
        return
    os.write(born, number.to_bytes(NUMBER_BYTES, "little", signed=True))
    os._exit(0)


def _set_title(config: ChildConfig) -> None:
    """What `ps` shows, in the place of the template's own command line."""
    described = json.dumps({"node": config.node, "bundle": config.origin or config.bundle})
    title = "\0".join((sys.executable, "-P", "-m", "ddnn.run.child", described))
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()
        begin, end = int(fields[45]), int(fields[46])  # arg_start, arg_end: proc(5)
        if begin:
            size = end - begin
            ctypes.memmove(begin, title.encode()[: size - 1].ljust(size, b"\0"), size)
