"""A real RTSP server, stopped and gone on with."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from test_arrivals import SHAPE
from test_video import film
from waiting import is_free, wait_until

from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.file import VideoSource
from ddnn.live.sources.video import VideoReader

SERVER = """
import asyncio, sys
import aio_rtsp_toolkit.server as server
asyncio.run(server.serve(sys.argv[1], "127.0.0.1", int(sys.argv[2]), control_port=int(sys.argv[3])))
"""
NEEDED = importlib.util.find_spec("aio_rtsp_toolkit") is not None


@pytest.fixture
def camera(tmp_path) -> Iterator[tuple[str, int]]:
    """An address, and the server's process id."""
    film(tmp_path / "live.mp4", [40, 120, 200] * 40, codec="libx264", rate=10)
    port, control = free_port(), free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(port), str(control)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: not is_free("127.0.0.1", port))
    yield f"rtsp://127.0.0.1:{port}/live.mp4", server.pid
    server.kill()
    server.wait()


@pytest.mark.process
@pytest.mark.skipif(not NEEDED, reason="needs aio-rtsp-toolkit")
def test_a_server_that_stops_is_given_up_and_read_again_when_it_goes_on(camera):
    url, pid = camera
    said: list[str] = []
    arrivals = Arrivals(SHAPE, say=said.append)
    source = VideoSource(kind="video", url=url, open_s=20, read_s=0.5)
    VideoReader(url, source, Path(), arrivals).start()
    wait_until(lambda: arrivals.count > 5)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: said and said[-1] != "views again")
    assert said[-1].startswith(f"{url}: ")
    assert said[-1].endswith("tried again")
    assert arrivals.is_lost
    before = arrivals.count
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: arrivals.count > before + 5 and said[-1] == "views again")
