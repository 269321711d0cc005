"""One process that serves a node of many sites: see ddnn.nodes.fleet.

A fleet file names the sites. Each is a topology of its own (its `name` is the site's), most over
the same trained network, and has a bundle of its own, so that a site is added, moved or given
another network without a word to the others:

    sites:
      north: {bundle: bundles/north, weight: 2}
      south: {bundle: bundles/south, samples_per_s: 200, keys: keys/south}

SIGHUP reads the file again: sites come and go, and the others are served meanwhile.
"""

from __future__ import annotations

import gc
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ddnn.errors import ConfigError, DdnnError
from ddnn.nodes.fleet import Fleet, SiteStanding, Tenant
from ddnn.run.child.serve import asked_to_stop
from ddnn.run.fleet_sites import FleetFile, Site, Sites
from ddnn.run.sockets import LAST_WORDS_MS
from ddnn.wire.zeromq import Shared
from ddnn.yamlfile import read_yaml

DRAIN_S = 0.05
"""Between two looks, at the end, whether a change that goes on is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the process stands. digests: of the bundles, by site. missing: of the file, and not
    served. looked_s: when the loop last came to its next turn, by the monotonic clock."""

    node: str
    sites: Mapping[str, SiteStanding]
    digests: Mapping[str, str]
    missing: tuple[str, ...]
    looked_s: float


def serve_fleet(
    path: Path,
    node: str,
    *,
    insecure: bool,
    say: Callable[[str], None],
    shows: Callable[[Callable[[], Standing]], None] = lambda _look: None,
) -> None:
    """Runs `node` of every site in the fleet file until SIGTERM or SIGINT. say: told what happens.
    shows: is given what tells any thread how it stands, once sites are served.

    A site that cannot be opened is named, and the others are served.
    Raises ConfigError for a file that is wrong, and for one of which no site can be opened.
    """
    wanted = read_yaml(path, FleetFile).sites
    stop = asked_to_stop()
    with ExitStack() as opened:
        shared = Shared()
        opened.callback(shared.close, linger_ms=LAST_WORDS_MS)
        sites = opened.enter_context(Sites(path, node, insecure=insecure, shared=shared, say=say))
        tenants = dict(_begin_all(sites, wanted, say))
        if not tenants:
            raise ConfigError(f"{path}: sites: none can be served, want at least one")
        fleet = Fleet(tenants, say=say)
        gc.freeze()
        changes = opened.enter_context(_Changes(path, sites, fleet, say))
        changes.wanted = tuple(wanted)
        shows(lambda: _standing(node, changes.wanted, sites, fleet))
        with _asked_again(changes.ask):
            fleet.run(stop.is_set, changes.look)


def _standing(node: str, wanted: Sequence[str], sites: Sites, fleet: Fleet) -> Standing:
    served, digests = fleet.standing(), sites.digests
    return Standing(
        node=node,
        sites=served,
        digests=digests,
        missing=tuple(name for name in wanted if name not in served),
        looked_s=fleet.looked_s,
    )


def _begin_all(
    sites: Sites, wanted: Mapping[str, Site], say: Callable[[str], None]
) -> Iterator[tuple[str, Tenant]]:
    """Those that can be served; of the others it is said why not."""
    for name, site in wanted.items():
        try:
            yield name, sites.begin(sites.load(name, site))
        except Exception as error:  # noqa: BLE001  # one site's costs the others nothing
            _tell(say, f"{name}: not served", error)


def _tell(say: Callable[[str], None], what: str, error: Exception) -> None:
    """In one line; of what is a defect of ours, where it arose too."""
    if isinstance(error, DdnnError):
        say(f"{what}: {error}")
        return
    say(f"{what}: {type(error).__name__}: {error}")
    if not isinstance(error, OSError):
        say("".join(traceback.format_exception(error)).rstrip())


@contextmanager
def _asked_again(ask: Callable[[], None]) -> Iterator[None]:
    """In the block SIGHUP calls `ask`, unless it is ignored (nohup)."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        yield
        return

    def again(_number: int, _frame: FrameType | None) -> None:
        ask()

    before = signal.signal(signal.SIGHUP, again)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class _Changes:
    """Makes the sites those of the file again. What takes time, opening and closing, is done in a
    thread of its own; the sites' turns are changed between two of them. wanted: the file's."""

    def __init__(self, path: Path, sites: Sites, fleet: Fleet, say: Callable[[str], None]) -> None:
        self._path, self._sites, self._fleet, self._say = path, sites, fleet, say
        self.wanted: tuple[str, ...] = ()
        self._asked = False
        self._thread: threading.Thread | None = None
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def ask(self) -> None:
        """Fit for a signal's handler."""
        self._asked = True

    def look(self) -> None:
        """In the loop's thread, between two turns."""
        while not self._orders.empty():
            self._orders.get()()
        if self._asked and not self._goes_on:
            self._asked = False
            self._thread = threading.Thread(target=self._change, daemon=True)
            self._thread.start()

    @property
    def _goes_on(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> _Changes:
        return self

    def __exit__(self, *_: object) -> None:
        """A change that goes on is made first: its sockets are closed with the others."""
        self._asked = False
        while self._thread is not None and self._goes_on:
            self.look()
            self._thread.join(DRAIN_S)

    def _in_loop(self, do: Callable[..., None], *arguments: Any) -> None:
        """Waits until it is done there."""
        done: Future[None] = Future()

        def act() -> None:
            try:
                do(*arguments)
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)
                if not isinstance(error, Exception):  # an interrupt is the loop's own
                    raise

        self._orders.put(act)
        done.result()

    def _change(self) -> None:
        try:
            wanted = read_yaml(self._path, FleetFile).sites
        except DdnnError as error:
            self._say(f"goes on as it was: {error}")
            return
        self.wanted = tuple(wanted)
        for name in [name for name in self._sites.served if name not in wanted]:
            self._take_away(name)
            self._say(f"{name}: not served any more")
        for name, site in wanted.items():
            self._change_site(name, site)
        gc.freeze()
        self._say(f"serves {', '.join(self._sites.served) or 'no site'}")

    def _change_site(self, name: str, site: Site) -> None:
        """One that was opened already, and is as it was, is not touched."""
        try:
            loaded = self._sites.load(name, site)
            if name in self._sites.served:
                if self._sites.is_as_opened(loaded):
                    self._in_loop(self._fleet.set_weight, name, site.weight)
                    return
                self._sites.check_address(loaded)
                self._take_away(name)
            self._in_loop(self._fleet.add, name, self._sites.begin(loaded))
        except Exception as error:  # noqa: BLE001  # one site's costs the others nothing
            stays = "goes on as it was" if name in self._sites.served else "not served"
            _tell(self._say, f"{name}: {stays}", error)

    def _take_away(self, name: str) -> None:
        self._in_loop(self._fleet.remove, name)
        self._sites.close(name)
