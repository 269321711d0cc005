"""A trained topology on live sources, without an end. Needs no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from ddnn.api.online import HasFolder, folder_of
from ddnn.api.samples import samples_of
from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError, DdnnError, LaunchError
from ddnn.live.bundles import bundle_to_swap
from ddnn.live.feed import LIMIT
from ddnn.live.files import ServeFiles
from ddnn.live.output import item_of
from ddnn.live.service import Service
from ddnn.live.serving import Live
from ddnn.live.sinks import Sinks
from ddnn.live.sources.file import (
    RecordedSource,
    SourcesFile,
    read_sources,
)
from ddnn.run.hosts import nodes_of_host
from ddnn.run.launcher.start import READY_S, Options, Watcher


def live_of(bundle: Bundle, path: Path, host: str | None = None) -> Live:
    """What the devices of a host see, by their sources file.

    Raises ConfigError for a file, or a data set that it names, that does not fit.
    """
    topology = bundle.topology
    devices = devices_of(bundle, host)
    sources = read_sources(path, topology, devices)
    cards = _cards(bundle, sources, path)
    recorded = {
        name: cards[source.card, source.split].views.arrays[topology.view_number(name)]
        for name, source in sources.devices.items()
        if isinstance(source, RecordedSource)
    }
    is_whole = len(cards) == 1 and len(recorded) == len(topology.devices)
    only = next(iter(cards.values())) if is_whole else None
    return Live(
        path=path,
        sources=sources,
        recorded=recorded,
        labels=() if only is None else tuple(only.fused_labels_N.tolist()),
        end=None if only is None or _loops(sources) else len(only),
    )


def devices_of(bundle: Bundle, host: str | None) -> tuple[str, ...]:
    """Those that run on this host; None: all."""
    nodes = nodes_of_host(bundle.topology, host)
    return tuple(name for name in bundle.topology.devices if name in nodes)


def _cards(
    bundle: Bundle, sources: SourcesFile, path: Path
) -> dict[tuple[str | None, str], MultiView]:
    """By card and split, each read once. path: of the sources file, for a message."""
    found: dict[tuple[str | None, str], MultiView] = {}
    for name, source in sources.devices.items():
        if isinstance(source, RecordedSource) and (source.card, source.split) not in found:
            try:
                part = samples_of(bundle, source.card, source.split)
            except DdnnError as error:
                raise ConfigError(f"{path}: devices.{name}.card: {error}") from error
            found[source.card, source.split] = part
    return found


def _loops(sources: SourcesFile) -> bool:
    return any(s.loop for s in sources.devices.values() if isinstance(s, RecordedSource))


class LiveSystem:
    """What `ddnn.serve` gives: use as a context manager, in which the nodes run.

    Going through it gives the verdicts, each a dict (docs/live.md), as long as the system runs;
    whoever is slower than the system gets {"lost": COUNT} in place of those that it missed.
    """

    def __init__(
        self, begin: Callable[[ExitStack], Service], files: ServeFiles | None = None
    ) -> None:
        """begin: starts all of it in a stack. files: where its report goes."""
        self._begin, self._files = begin, files
        self._thread = threading.Thread(target=self._run, daemon=True, name="live")
        self._report: dict[str, Any] = {}
        self._error: BaseException | None = None

    def __enter__(self) -> LiveSystem:
        with ExitStack() as stack:
            self._service = self._begin(stack)
            self._opened = stack.pop_all()
        self._reader = self._service.feed.subscribe(LIMIT)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._service.stop()
        self._thread.join()
        self._opened.close()
        if self._error is not None and kind is None:
            raise LaunchError(f"the live system ended: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self._report = self._service.run()
        except BaseException as error:  # noqa: BLE001  # told where the system is left
            self._error = error
        finally:
            self._service.feed.close()

    def wait(self) -> dict[str, Any]:
        """Until it ends: its sources did, or `stop` was called. Returns the report, which is empty
        where something went wrong: leaving it tells what."""
        self._thread.join()
        return self._report

    def stop(self) -> None:
        """Samples that were asked for are still answered. Also from a signal's handler."""
        self._service.stop()

    def reload(self) -> None:
        """Takes the thresholds that the run's bundle has now. Also from a signal's handler."""
        self._service.reload()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while self._thread.is_alive():
            yield from self._waiting(1.0)
        yield from self._waiting(0.0)

    def _waiting(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        for event in self._reader.take(timeout_s):
            if (item := item_of(event)) is not None:
                yield item

    def sample(self) -> int:
        """Takes a sample now; returns its number. Raises ConfigError where too many wait."""
        return self._service.sample()

    def tell(self, sample: int, label: str | int) -> bool:
        """The true class of a sample that was answered, by name or number. Returns whether the
        verdict was right. Raises ConfigError for a sample that waits for no truth."""
        return self._service.tell(sample, label)

    @property
    def unwritten(self) -> list[str]:
        """Files that a disk did not take, and why."""
        return [] if self._files is None else self._files.unwritten

    @property
    def report(self) -> dict[str, Any]:
        """As `ddnn serve` writes it, once the system has been left."""
        return self._report


def serve(
    run: HasFolder | str | Path,
    sources: str | Path,
    sinks: Sinks | None = None,
    *,
    window: int | None = None,
    free_ports: bool = True,
    ready_s: float = READY_S,
    host: str | None = None,
    keys: Path | None = None,
    insecure: bool = False,
    ipc: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> LiveSystem:
    """Runs a run's topology on live sources, until it is left.

    sources: the sources file. sinks: where all goes that comes of it, beside the iterator. window:
    samples in flight at most. free_ports: listen at ports that the system chooses instead of the
    topology's. ready_s: seconds that all nodes get to start. host: the collector's, where others
    run nodes too; then at the topology's ports. keys: folder of key files. insecure: listen to
    other machines without them. ipc: over sockets of this machine alone. say: told what happens.
    Raises ConfigError for a sources file that does not fit, or a sink that cannot be; entering it,
    LaunchError naming a node that does not start.
    """
    folder = folder_of(run)
    bundle = bundle_to_swap(folder, host)
    opened = (sinks or Sinks()).checked(folder)
    options = Options(
        window=window,
        free_ports=free_ports and host is None and not ipc,
        ready_s=ready_s,
        host=host,
        keys=keys,
        insecure=insecure,
        ipc=ipc,
        show_views=opened.shows_views,
    )
    live = live_of(bundle, Path(sources), host)

    def begin(stack: ExitStack) -> Service:
        watcher = stack.enter_context(opened.beside(bundle, Watcher(say=say)))
        service = Service(bundle, live, options, watcher, sink=opened.files)
        opened.connect(service, stack, say)
        return service

    return LiveSystem(begin, opened.files)
