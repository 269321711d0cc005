"""Views that a program hands over by HTTP."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from posting import post
from test_arrivals import SHAPE, noise
from waiting import wait_until

from ddnn.errors import TransportError
from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.localhttp import HELD_BYTES, MAX_THREADS
from ddnn.live.sources.picture import to_view
from ddnn.live.sources.push import RAW, PushServer

PIXELS = noise(12, 10)


@pytest.fixture
def serving() -> Iterator[tuple[PushServer, Arrivals]]:
    """Who takes views of cam0, and where they arrive."""
    arrivals = Arrivals(SHAPE)
    server = PushServer("cam0", "127.0.0.1:0", arrivals)
    server.start()
    yield server, arrivals
    server.close()


@pytest.fixture
def pushed(serving: tuple[PushServer, Arrivals]) -> tuple[int, Arrivals]:
    """Its port."""
    return serving[0].port, serving[1]


def png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


BODIES = {
    "pixels": (PIXELS.tobytes(), {"Content_Type": RAW, "X_Shape": "12,10,3"}),
    "a file": (png(PIXELS), {"Content_Type": "image/png"}),
}


@pytest.mark.parametrize(("body", "headers"), BODIES.values(), ids=BODIES)
def test_what_is_pushed_is_the_next_view(pushed, body, headers):
    port, arrivals = pushed
    assert post(port, "/push/cam0", body, **headers) == (204, "")
    found = arrivals.nearest(arrivals._clock(), 60)
    np.testing.assert_array_equal(found, to_view(PIXELS, SHAPE, None))


REFUSED = {
    "another device": ("/push/cam1", b"", {"Content_Type": RAW}, 404, "want /push/cam0"),
    "another kind": ("/push/cam0", b"a", {"Content_Type": "text/plain"}, 400, "Content-Type"),
    "no shape": ("/push/cam0", b"abc", {"Content_Type": RAW}, 400, "HEIGHT,WIDTH,CHANNELS"),
    "another size": (
        "/push/cam0", b"abc", {"Content_Type": RAW, "X_Shape": "2,2,3"}, 400, "3 bytes",
    ),
    "two channels": (
        "/push/cam0", bytes(8), {"Content_Type": RAW, "X_Shape": "2,2,2"}, 400, "only grey and",
    ),
    "five channels": (
        "/push/cam0", bytes(20), {"Content_Type": RAW, "X_Shape": "2,2,5"}, 400, "only grey and",
    ),
    "no image": ("/push/cam0", b"abc", {"Content_Type": "image/png"}, 400, "unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_view_is_refused_in_one_line(pushed, wrong):
    port, arrivals = pushed
    path, body, headers, code, why = wrong
    status, line = post(port, path, body, **headers)
    assert status == code
    assert why in line
    assert arrivals.count == 0


def test_a_sender_that_hangs_costs_others_nothing(pushed):
    port, arrivals = pushed
    with socket.create_connection(("127.0.0.1", port)) as hanging:
        hanging.sendall(b"POST /push/cam0 HTTP/1.1\r\nContent-Length: 360\r\n\r\n")
        assert post(port, "/push/cam0", *BODIES["a file"][:1], Content_Type="image/png")[0] == 204
    assert arrivals.count == 1


def test_an_address_in_use_is_told(pushed):
    port, _ = pushed
    with pytest.raises(TransportError, match=f"cam1: cannot listen at 127.0.0.1:{port}"):
        PushServer("cam1", f"127.0.0.1:{port}", Arrivals(SHAPE))


def test_what_is_no_request_is_told_in_one_line(pushed):
    port, _ = pushed
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("DELETE", "/push/cam0")
    answer = connection.getresponse()
    assert answer.status == 501
    assert answer.read().decode().splitlines() == ["Unsupported method ('DELETE')"]
    connection.close()


def test_who_drips_a_request_is_cut_off(serving):
    server, _ = serving
    with socket.create_connection(("127.0.0.1", server.port), 10) as dripping:
        dripping.sendall(b"POST /push/cam0 HTTP/1.1\r\nContent-Length: 360\r\n\r\nab")
        dripping.setblocking(False)

        def is_cut_once_its_time_is_up() -> bool:
            """It has as much again once its thread has begun."""
            for sock in list(server._asking):
                server._asking[sock] = 0.0
            try:
                return dripping.recv(1) == b""
            except BlockingIOError:
                return False

        wait_until(is_cut_once_its_time_is_up)


def test_a_crowd_that_says_half_a_request_keeps_nobody_out(serving):
    server, arrivals = serving
    body, headers = BODIES["pixels"]
    with ExitStack() as stack:
        for _ in range(MAX_THREADS):
            half = socket.create_connection(("127.0.0.1", server.port), 10)
            stack.enter_context(half).sendall(b"POST /push/cam0 HTTP/1.1\r\n")
        assert post(server.port, "/push/cam0", body, **headers)[0] == 204
    assert arrivals.count == 1


def test_a_crowd_of_senders_makes_it_hold_so_much_at_most(serving):
    server, arrivals = serving
    body, headers = BODIES["pixels"]
    with server.holding(HELD_BYTES - len(body) + 1):
        status, said = post(server.port, "/push/cam0", body, **headers)
        assert (status, said) == (400, "too much is being sent at once, try again")
    assert post(server.port, "/push/cam0", body, **headers)[0] == 204
    assert arrivals.count == 1


def test_what_is_decoded_counts_too(serving):
    """A flat picture is small as a file."""
    server, arrivals = serving
    body = png(np.zeros((1000, 1000, 3), np.uint8))
    assert len(body) < 10_000
    with server.holding(HELD_BYTES - 2_000_000):
        status, said = post(server.port, "/push/cam0", body, Content_Type="image/png")
        assert (status, said) == (400, "too much is being sent at once, try again")
    assert post(server.port, "/push/cam0", body, Content_Type="image/png") == (204, "")
    assert arrivals.count == 1
