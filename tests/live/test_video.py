"""Cameras and films, read with PyAV."""

import socket
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from test_arrivals import SHAPE
from waiting import wait_until

from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.file import VideoSource
from ddnn.live.sources.video import VideoReader, unknown_host


def film(path: Path, greys: list[int], rate: int = 50, codec: str = "mjpeg") -> Path:
    """Pictures of one grey each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
        stream.options = {"tune": "zerolatency", "g": "10"} if codec == "libx264" else {}
        for grey in greys:
            frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), grey, np.uint8), "rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode())
    return path


def reader(url: str, arrivals: Arrivals, **settings: object) -> VideoReader:
    source = VideoSource(kind="video", url=url, **settings)
    return VideoReader(url, source, Path(), arrivals)


def test_a_film_is_read_once_or_over_and_over(tmp_path):
    path = film(tmp_path / "a.avi", [40, 120, 200])
    arrivals = Arrivals(SHAPE)
    once = reader(str(path), arrivals, loop=False)
    once.start()
    once.join(30)
    greys = [int(arrival.view_CHW[0, 0, 0]) for arrival in arrivals._ring]
    np.testing.assert_allclose(greys, [40, 120, 200], atol=6)
    endless = Arrivals(SHAPE)
    reader(str(path), endless).start()
    wait_until(lambda: endless.count > 7)
    assert endless.take_events() == {}


def test_a_file_that_is_no_film_is_told_and_tried_again(tmp_path):
    (tmp_path / "a.avi").write_text("none")
    said: list[str] = []
    reader(str(tmp_path / "a.avi"), Arrivals(SHAPE, say=said.append)).start()
    wait_until(lambda: said)
    assert "tried again" in said[0]
    film(tmp_path / "b.avi", [40, 90])
    (tmp_path / "b.avi").rename(tmp_path / "a.avi")
    wait_until(lambda: said[1:])
    assert said[1] == "views again"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("rtsp://user:secret@127.0.0.1:9/x", ""),
        ("http://localhost/x", ""),
        ("film.mp4", ""),
        (f"rtsp://user:secret@{'x' * 64}/x", "x" * 64),  # longer than a name can be
    ],
)
def test_a_host_that_has_no_name_here_is_named(url, host):
    """PyAV says that there was an input/output error."""
    assert unknown_host(url) == host


def test_a_file_without_pictures_is_told_and_tried_again(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "NONE"))
        sound.writeframes(bytes(16000))
    said: list[str] = []
    reader(str(path), Arrivals(SHAPE, say=said.append)).start()
    wait_until(lambda: said)
    assert said[0] == f"{path}: has no pictures, tried again"


@pytest.mark.parametrize("answers", [b"", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n"], ids=["mute", "half"])
def test_a_camera_that_hangs_is_given_up_in_time_and_its_password_is_not_told(answers):
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken: list[socket.socket] = []

        def let_in() -> None:
            connection, _ = server.accept()
            connection.sendall(answers)
            taken.append(connection)

        threading.Thread(target=let_in, daemon=True).start()
        arrivals = Arrivals(SHAPE, say=said.append)
        source = VideoSource(kind="video", url=f"rtsp://127.0.0.1:{port}/1", open_s=0.2, read_s=0.2)
        VideoReader(f"rtsp://me:hunter2@127.0.0.1:{port}/1", source, Path(), arrivals).start()
        wait_until(lambda: said)
    assert "hunter2" not in said[0]
    assert said[0].startswith(f"rtsp://127.0.0.1:{port}/1: ")
    for connection in taken:
        connection.close()


def test_a_camera_that_sends_jpegs_over_http_is_read():
    jpeg = BytesIO()
    Image.fromarray(np.full((24, 32, 3), 120, np.uint8)).save(jpeg, "JPEG")
    part = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (
        len(jpeg.getvalue()),
        jpeg.getvalue(),
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for _ in range(30):
                self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    arrivals = Arrivals(SHAPE)
    reader(f"http://127.0.0.1:{server.server_address[1]}/live.mjpg", arrivals).start()
    wait_until(lambda: arrivals.count > 10)
    assert abs(int(arrivals._ring[-1].view_CHW[0, 0, 0]) - 120) < 6
    server.shutdown()
    server.server_close()


def test_a_camera_that_stops_again_and_again_is_tried_less_and_less_often():
    pauses = []
    arrivals = Arrivals(SHAPE)
    one = reader("http://127.0.0.1:9/live", arrivals)
    for _ in range(3):
        arrivals.put(np.zeros((4, 4, 3), np.uint8))  # pictures in between
        pauses.append(one._lost("ended"))
    assert pauses == [0.2, 0.4, 0.8]


def test_a_server_that_says_nothing_is_told_by_its_time_limit():
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/live"
        reader(url, Arrivals(SHAPE, say=said.append), open_s=0.2).start()
        wait_until(lambda: said)
    assert said[0] == f"{url}: no answer for 0.2 s, tried again"
