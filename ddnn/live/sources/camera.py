"""A device's camera: starts whatever reads it, and gives the node its parts.

A reader has a thread of its own in the device's process: one that hangs costs nobody else anything.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ddnn.errors import ConfigError
from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.file import (
    FolderSource,
    PushSource,
    RecordedSource,
    SourcesFile,
    VideoSource,
    folder_of,
    secrets_of,
)
from ddnn.live.sources.folder import FolderReader
from ddnn.live.sources.matching import MatchedSource, TriggerPart
from ddnn.live.sources.push import PushServer, WaitingPush
from ddnn.live.sources.secrets import filled_in
from ddnn.live.sources.video import VideoReader
from ddnn.nodes.base import Part
from ddnn.topology import Topology
from ddnn.yamlfile import read_yaml

KEPT_S = 1.0
"""Views are kept for so long beside the time that a sample may look back."""


class Reader(Protocol):
    """What puts pictures into arrivals."""

    def start(self) -> None:
        """Begins, and goes on by itself whatever happens."""


class Wake:
    """A pipe by which another thread wakes the node's loop. descriptor: to be waited for."""

    def __init__(self) -> None:
        self._is_closed = False
        self._lock = threading.RLock()  # a signal's handler may wake whoever wakes
        self.descriptor, self._to = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._to, False)

    def close(self) -> None:
        """Nobody is woken any more."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                os.close(self.descriptor)
                os.close(self._to)

    def __call__(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            with suppress(BlockingIOError):  # full: it will wake anyway
                os.write(self._to, b"\0")


class Camera:
    """What a device sees through. wake: see Wake."""

    def __init__(
        self,
        path: Path,
        device: str,
        topology: Topology,
        say: Callable[[str], None],
        *,
        takes_over: bool = False,
    ) -> None:
        """path: the sources file. say: told what goes wrong with it, and when it works again.
        takes_over: another process may hold an address at which this is to listen, for a while.

        Raises ConfigError where the file is not what it was, or a library is missing.
        """
        self._file = read_yaml(path, SourcesFile)
        source = self._file.devices.get(device)
        if source is None or isinstance(source, RecordedSource):
            raise ConfigError(f"{path}: devices.{device}: want a camera, folder or push")
        self.wake = Wake()
        self._view = topology.devices.index(device)
        self._shape = topology.view_of(device).shape
        self._skips_absent = topology.skips_absent
        self._once = isinstance(source, PushSource) and source.once
        self._triggers = device in self._file.sample.events_of
        self._arrivals = Arrivals(
            self._shape,
            crop=source.crop,
            latency_s=source.latency_ms / 1000,
            frozen_after=source.frozen_after,
            kept_s=(self._file.match_ms + self._file.delay_ms) / 1000 + KEPT_S,
            wake=self.wake,
            say=lambda line: say(f"{device}: {line}"),
        )
        self._reader = _reader(path, self._file, device, self._arrivals, takes_over=takes_over)

    def start(self) -> None:
        """Pictures come from now on."""
        self._reader.start()

    def source(self, events: Counter[str]) -> MatchedSource:
        """The device's input, anew for each run."""
        return MatchedSource(
            self._arrivals,
            self._shape,
            events,
            view=self._view,
            within_s=self._file.match_ms / 1000,
            delay_s=self._file.delay_ms / 1000,
            skip_absent=self._skips_absent,
            once=self._once,
        )

    def parts(self) -> list[Part]:
        """What else the node does, in each run."""
        return [TriggerPart(self._arrivals)] if self._triggers else []


def _reader(
    path: Path, file: SourcesFile, device: str, arrivals: Arrivals, *, takes_over: bool
) -> Reader:
    source = file.devices[device]
    if isinstance(source, VideoSource):
        url = filled_in(source.url, secrets_of(path, file))
        return VideoReader(url, source, path.parent, arrivals)
    if isinstance(source, FolderSource):
        return FolderReader(folder_of(path, source), source.every_ms / 1000, arrivals)
    assert isinstance(source, PushSource)  # recorded is no camera
    if takes_over:
        return WaitingPush(device, source.listen, arrivals)
    return PushServer(device, source.listen, arrivals)
