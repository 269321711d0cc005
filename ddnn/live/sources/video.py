"""Reads a camera or a film with PyAV, over and over: a stream that ends or hangs is opened again.

Traps: without time limits a stream whose server stopped holds its reader for ever; threads by frame
hold back pictures; what PyAV's errors say holds the address with its password.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ddnn.errors import ConfigError, DataError
from ddnn.live.sources.arrivals import LOST, Arrivals
from ddnn.live.sources.file import VideoSource, is_file
from ddnn.live.sources.picture import EXTRA
from ddnn.live.sources.secrets import shown

AT_ONCE = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "500000",
    "fpsprobesize": "0",
}
"""A picture is given as soon as it is there, and a stream is looked at for half a second."""
FIRST_S, LONGEST_S = 0.2, 10.0
"""Between two attempts to open: at first, and at most. Only a stream that went on for longer than
the latter is one that begins with the former again."""


class VideoReader(threading.Thread):
    """See the module. Pictures of a file come as fast as they were taken."""

    def __init__(self, url: str, source: VideoSource, folder: Path, arrivals: Arrivals) -> None:
        """url: with its password. folder: what a file's name is relative to.

        Raises ConfigError where PyAV is missing.
        """
        super().__init__(daemon=True, name="video")
        self._av = _pyav()
        self._is_file = is_file(url)
        self._url = str(folder / url) if self._is_file else url
        self._shown = shown(url)
        self._source = source
        self._arrivals = arrivals
        self._pause_s = FIRST_S
        self._is_open = False

    def run(self) -> None:
        """For ever, or to the end of a file that is not to begin again."""
        while True:
            try:
                self._read()
                if self._is_file and not self._source.loop:
                    return
                pause_s = 0.0 if self._is_file else self._lost("the stream ended")
            except Exception as error:  # noqa: BLE001  # whatever a stream holds, it is tried again
                pause_s = self._lost(self._why(error))
            time.sleep(pause_s)

    def _lost(self, why: str) -> float:
        """Returns how long to wait now."""
        self._arrivals.failed(LOST, f"{self._shown}: {why}, tried again")
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_S)
        return pause_s

    def _why(self, error: Exception) -> str:
        """In words; PyAV's own may hold the password."""
        if isinstance(error, DataError):
            return str(error)
        if getattr(error, "errno", None) == errno.EIO and (host := unknown_host(self._url)):
            return f"nobody knows a host named {host}"
        if not isinstance(error, self._av.error.ExitError):  # so PyAV says that time was up
            return getattr(error, "strerror", None) or type(error).__name__
        if self._is_open:
            return f"no picture for {self._source.read_s:g} s"
        return f"no answer for {self._source.open_s:g} s"

    def _read(self) -> None:
        """From opening to the end."""
        self._is_open = False
        with self._open() as container:
            self._is_open = True
            if not container.streams.video:
                raise DataError("has no pictures")
            video = container.streams.video[0]
            video.thread_type = "SLICE"
            began_s, first_s, frame = time.monotonic(), None, None
            for frame in container.decode(video):
                if self._is_file and frame.time is not None:
                    first_s = frame.time if first_s is None else first_s
                    _wait_until(began_s + frame.time - first_s)
                self._arrivals.put(frame.to_ndarray(format="rgb24"))
                if self._is_file or time.monotonic() > began_s + LONGEST_S:
                    self._pause_s = FIRST_S
            if self._is_file and frame is None:
                raise DataError("has no pictures")

    def _open(self) -> Any:
        source = self._source
        options = {} if self._is_file else dict(AT_ONCE)
        if self._url.startswith(("rtsp://", "rtsps://")):
            options["rtsp_transport"] = source.transport
        return self._av.open(
            self._url,
            format="v4l2" if self._url.startswith("/dev/video") else None,
            options=options,
            timeout=(source.open_s, source.read_s),
        )


def unknown_host(url: str) -> str:
    """The host of an address, if it has no name here: PyAV calls that an input/output error. Empty:
    it is none of that."""
    host = urlsplit(url).hostname
    if host is None:
        return ""
    try:
        socket.getaddrinfo(host, None)
    except (socket.gaierror, UnicodeError):
        return host
    return ""


def _pyav() -> Any:
    try:
        import av  # noqa: PLC0415  # of the extra
    except ImportError as error:
        raise ConfigError(f"a camera needs PyAV, which {EXTRA} installs") from error
    return av


def _wait_until(moment_s: float) -> None:
    left_s = moment_s - time.monotonic()
    if left_s > 0:
        time.sleep(left_s)
