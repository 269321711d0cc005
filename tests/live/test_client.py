"""`ddnn.push`, beside what it talks to."""

import numpy as np
import pytest
from ports import free_port
from test_arrivals import SHAPE
from test_push import PIXELS, png

import ddnn
from ddnn.errors import ConfigError, DataError, TransportError
from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.push import PushServer

PICTURES = {"colour": PIXELS, "grey": PIXELS[:, :, 0], "a file": png(PIXELS)}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_handed_over(picture):
    arrivals, port = Arrivals(SHAPE), free_port()
    server = PushServer("cam0", f"127.0.0.1:{port}", arrivals)
    server.start()
    ddnn.push(f"http://127.0.0.1:{port}", "cam0", picture)
    assert arrivals.count == 1
    with pytest.raises(DataError, match="want /push/cam0"):
        ddnn.push(f"http://127.0.0.1:{port}", "cam1", picture)
    server.close()


def test_a_picture_of_floats_is_refused():
    with pytest.raises(DataError, match="want uint8"):
        ddnn.push("http://127.0.0.1:1", "cam0", np.zeros((4, 4, 3)))


def test_nobody_there_is_told():
    with pytest.raises(TransportError, match="want the address of a device's source"):
        ddnn.push(f"http://127.0.0.1:{free_port()}", "cam0", PIXELS)


@pytest.mark.parametrize("url", ["127.0.0.1:8103", "http://host:abc", "ftp://host:1", "http://"])
@pytest.mark.parametrize(
    "call",
    [lambda url: ddnn.push(url, "cam0", PIXELS), lambda url: ddnn.ask(url, {}), ddnn.watch],
    ids=["push", "ask", "watch"],
)
def test_what_is_no_address_is_told_in_a_line(call, url):
    with pytest.raises(ConfigError) as caught:
        call(url)
    assert str(caught.value) == f"got {url!r}, want http://HOST:PORT"
