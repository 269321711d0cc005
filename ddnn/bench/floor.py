"""What the machine can do at best: round trips and six-way scatter and gather, nothing computed.

With plain TCP sockets, and with bare pyzmq mailboxes as ddnn uses them. Echo peers are processes
of their own, so that every message wakes a sleeping process, as a real one does.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import zmq

REQUEST = bytes(20)  # a Capture of one sample: header 16, sample 4
REPLY = bytes(33)  # Scores of one sample: header 16, sample 4, presence 1, three float32
WIDTH = 6


def tcp_round_trips(count: int) -> list[float]:
    """Seconds of each ping-pong with one peer over TCP."""
    with ExitStack() as stack:
        peer = stack.enter_context(_tcp_peer())
        return _timed(count, lambda: _tcp_exchange([peer]))


def tcp_scatter_gather(count: int) -> list[float]:
    """Seconds of each scatter to WIDTH peers and gather of their replies, over TCP."""
    with ExitStack() as stack:
        peers = [stack.enter_context(_tcp_peer()) for _ in range(WIDTH)]
        return _timed(count, lambda: _tcp_exchange(peers))


def zmq_scatter_gather(count: int) -> list[float]:
    """The same over one bound PULL and a PUSH to each peer: the floor under ddnn."""
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        inbox = stack.enter_context(context.socket(zmq.PULL))
        port = inbox.bind_to_random_port("tcp://127.0.0.1")
        outboxes = []
        for _ in range(WIDTH):
            child = stack.enter_context(_child("zmq_peer", port))
            assert child.stdout is not None
            outbox = stack.enter_context(context.socket(zmq.PUSH))
            outbox.setsockopt(zmq.LINGER, 0)
            outbox.connect(f"tcp://127.0.0.1:{int(child.stdout.readline())}")
            outboxes.append(outbox)

        def exchange() -> None:
            for outbox in outboxes:
                outbox.send(REQUEST)
            for _ in outboxes:
                inbox.recv()

        return _timed(count, exchange)


def _timed(count: int, once: Callable[[], None]) -> list[float]:
    for _ in range(max(20, count // 10)):  # warm up
        once()
    times = []
    for _ in range(count):
        begun_s = time.perf_counter()
        once()
        times.append(time.perf_counter() - begun_s)
    return times


def _tcp_exchange(peers: list[socket.socket]) -> None:
    for peer in peers:
        peer.sendall(REQUEST)
    for peer in peers:
        _read(peer, len(REPLY))


def _read(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


@contextmanager
def _tcp_peer() -> Iterator[socket.socket]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(_child("tcp_peer", server.getsockname()[1]))
        connection = stack.enter_context(server.accept()[0])
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


@contextmanager
def _child(role: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "ddnn.bench.floor", role, str(port)], stdout=subprocess.PIPE
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def tcp_peer(port: int) -> None:
    """Called in the child: answers until the other end goes."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(len(REQUEST)):
            connection.sendall(REPLY)


def zmq_peer(port: int) -> None:
    """Called in the child: says where it listens, answers until it is killed."""
    context = zmq.Context()
    inbox, outbox = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    own = inbox.bind_to_random_port("tcp://127.0.0.1")
    outbox.connect(f"tcp://127.0.0.1:{port}")
    sys.stdout.write(f"{own}\n")
    sys.stdout.flush()
    while True:
        inbox.recv()
        outbox.send(REPLY)


if __name__ == "__main__":
    {"tcp_peer": tcp_peer, "zmq_peer": zmq_peer}[sys.argv[1]](int(sys.argv[2]))
