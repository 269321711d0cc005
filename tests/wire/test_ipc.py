"""Sockets within one machine."""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from builders import star_topology
from waiting import wait_until

from ddnn.errors import TransportError
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.ipc import MOST_BYTES, endpoint_of
from ddnn.wire.messages import Heartbeat
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport

CODEC = Codec(star_topology(), 1)


@pytest.fixture
def folder() -> Iterator[Path]:
    """pytest's own is too long for a socket's path."""
    with tempfile.TemporaryDirectory(dir="/tmp") as found:
        yield Path(found)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def transport(stack: ExitStack, path: Path, to: Path | None = None) -> ZmqTransport:
    made = ZmqTransport(
        "cam0",
        endpoint=endpoint_of(path),
        peers={} if to is None else {"cam0": endpoint_of(to)},
        max_bytes=CODEC.max_bytes,
    )
    stack.callback(made.close)
    return made


def leave_socket(path: Path) -> None:
    """As a process does that was killed."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_messages_pass_and_nobody_claims_to_have_counted_their_bytes(folder, stack):
    cam0 = Mailbox("cam0", CODEC, inbox := transport(stack, folder / "cam0"), traffic=inbox.traffic)
    outbox = transport(stack, folder / "collector", to=folder / "cam0")
    collector = Mailbox(COLLECTOR, CODEC, outbox, traffic=outbox.traffic)
    wait_until(lambda: (collector.send("cam0", Heartbeat()), cam0.receive(0.01))[1])
    assert cam0.kernel() is None
    assert collector.kernel() is None


def test_what_is_left_of_a_socket_of_ours_is_removed(folder, stack):
    leave_socket(folder / "cam0")
    transport(stack, folder / "cam0")
    assert stat.S_ISSOCK((folder / "cam0").stat().st_mode)


def test_a_socket_that_somebody_listens_at_stays_theirs(folder, stack):
    first = transport(stack, folder / "cam0")
    with pytest.raises(TransportError, match=r"cam0: in use, .*; wanted by cam0"):
        transport(stack, folder / "cam0")
    second = transport(stack, folder / "cam1", to=folder / "cam0")
    wait_until(lambda: (second.send("cam0", b"x"), first.receive(0.01))[1])


def test_a_socket_whose_file_was_removed_is_made_anew(folder, stack):
    cam0 = transport(stack, folder / "cam0")
    (folder / "cam0").unlink()
    wait_until(lambda: (cam0.receive(0.01), (folder / "cam0").exists())[1])
    late, came = transport(stack, folder / "cam1", to=folder / "cam0"), []
    wait_until(lambda: (late.send("cam0", b"x"), came.extend(cam0.receive(0.01)), came)[2])
    assert came[0][0] == b"x"


@pytest.mark.parametrize(
    "make", [Path.touch, Path.mkdir, os.mkfifo], ids=lambda make: make.__name__
)
def test_what_is_no_socket_stays_where_it_is(folder, stack, make):
    make(folder / "cam0")
    with pytest.raises(TransportError, match="is there and no socket of ours"):
        transport(stack, folder / "cam0")
    assert (folder / "cam0").exists()


@pytest.mark.parametrize("name", ["a/b", "x" * (MOST_BYTES - 5)], ids=["no folder", "too long"])
def test_a_path_that_no_socket_can_have_is_told_in_one_line(folder, stack, name):
    with pytest.raises(TransportError, match=r"^(?!.*\n).*(too long|want at most|No such file)"):
        transport(stack, folder / name)
