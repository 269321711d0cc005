"""A live system from its start to its end: samples by clock and event, orders from outside.

The one loop that turns it. Nothing beside the samples ends it: only whoever runs it does, or a
source that was to end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError, DdnnError, LaunchError
from ddnn.live.bundles import bundle_to_swap, check_alike, check_reached, new_rules
from ddnn.live.feed import Feed
from ddnn.live.files import ServeFiles
from ddnn.live.orders import Orders
from ddnn.live.pace import Pace
from ddnn.live.serving import Live, NoFiles, Serving
from ddnn.live.sources.file import PushSource
from ddnn.live.systemd import ALIVE, notify
from ddnn.live.truth import Truth
from ddnn.run.hosts import check_host
from ddnn.run.launcher.control import ControlServer
from ddnn.run.launcher.launch import free_endpoints
from ddnn.run.launcher.one_launch import POLL_S
from ddnn.run.launcher.private_folder import own_folder
from ddnn.run.launcher.processes import TERM_S, Processes
from ddnn.run.launcher.sink import Sink
from ddnn.run.launcher.start import Options, Watcher, collector_mailbox, own_sockets

ACCURACY_S = 1.0
"""Time between two accuracies that are told."""
SWAP_S = 120.0
"""How long somebody waits for another bundle's nodes."""
ALIVE_S = 5.0
"""Time between two signs of life to systemd."""


class Service:
    """Use as a context manager: in it the nodes run. Other threads may call `sample`, `tell`,
    `act` and `stop`."""

    def __init__(
        self,
        bundle: Bundle,
        live: Live,
        options: Options,
        watcher: Watcher,
        *,
        sink: Sink | None = None,
        first: int = 0,
    ) -> None:
        """watcher: its feed is given one, where it has none. first: the first sample's number."""
        self.feed = watcher.feed or Feed()
        self._watcher = Watcher(
            progress=watcher.progress, say=watcher.say, feed=self.feed, account_s=watcher.account_s
        )
        self._bundle = bundle
        self._live = live
        self._options = options
        self._sink = sink or NoFiles()
        self._first = first
        self._truth = Truth(bundle.topology.classes)
        self._told = -1
        self._accuracy_s = self._alive_s = 0.0
        self._orders = Orders()
        self._stops = False
        self._is_swapping = False
        self._system: Serving
        self._stack = ExitStack()  # of the system

    def __enter__(self) -> Service:
        try:
            self._system = self._started(self._bundle, self._options, self._stack)
            self._pace = Pace(self._live.sources.sample, time.monotonic())
            self._control = ControlServer(self._act_by_hand, self._watcher.say, self._about)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._stack.close()
        self._orders.close()
        self.feed.close()

    def _started(
        self,
        bundle: Bundle,
        options: Options,
        stack: ExitStack,
        beside: Callable[[], None] | None = None,
    ) -> Serving:
        """With nodes that are ready. beside: turns the system that still runs.

        Raises DdnnError where they do not get so.
        """
        check_host(bundle.topology, options.host)
        if options.free_ports:
            bundle = bundle.with_endpoints(free_endpoints(bundle.topology, stack))
        workplace = stack.enter_context(own_folder())
        sockets = own_sockets(bundle.topology, workplace.path, options)
        processes = stack.enter_context(Processes(workplace))
        mailbox = stack.enter_context(
            collector_mailbox(bundle, options, sockets, self._orders.wake.descriptor, self.feed)
        )
        system = Serving(
            bundle,
            self._live,
            options,
            sink=self._sink,
            processes=processes,
            mailbox=mailbox,
            watcher=self._watcher,
            truth=self._truth,
            first=self._first,
            beside=beside,
            takes_over=beside is not None,
        )
        try:
            system.begin(workplace)
        except BaseException:
            system.abandon()
            raise
        return system

    def run(self) -> dict[str, Any]:
        """Until `stop`, or until the sources have come to their end. Returns the report."""
        why = ""
        try:
            while not self._stops and not self._is_over:
                self._turn()
            self._system.drain(self._tell_systemd)
        except BaseException as error:
            why = str(error) or type(error).__name__
            raise
        finally:
            report = self._system.finish(why)
        return report

    @property
    def _is_over(self) -> bool:
        end = self._live.end
        return end is not None and self._system.collector.asked >= self._first + end

    def _turn(self) -> None:
        system, pace = self._system, self._pace
        collector, now_s = system.collector, time.monotonic()
        wait_s = min(POLL_S, max(0.0, pace.due_s() - now_s))
        system.turn(wait_s if collector.room else POLL_S)
        if collector.triggered:
            collector.triggered = 0
            pace.event()
        room = collector.room
        if self._live.end is not None:
            room = min(room, self._first + self._live.end - collector.wanted)
        system.missed = pace.missed
        if samples := pace.take(time.monotonic(), room):
            collector.want(samples)
            system.ask()
        self._orders.take(system.spare)
        system.spare("orders by hand", self._control.poll)
        self._tell_accuracy()
        self._tell_systemd()

    def _about(self) -> dict[str, Any]:
        """Of the system that runs now: a swap puts another in its place."""
        return self._system.about()

    def _tell_systemd(self) -> None:
        if time.monotonic() >= self._alive_s:
            self._alive_s = time.monotonic() + ALIVE_S
            notify(ALIVE)

    def _tell_accuracy(self) -> None:
        if self._truth.known != self._told and time.monotonic() >= self._accuracy_s:
            self._told, self._accuracy_s = self._truth.known, time.monotonic() + ACCURACY_S
            self.feed.publish(self._truth.event())

    def sample(self) -> int:
        """Asks for one now; returns its number. Raises ConfigError where too many wait."""
        return int(self._orders.do(self._sample))

    def _sample(self) -> int:
        if not self._system.collector.room:
            raise ConfigError("too many samples are unanswered, want fewer")
        number = self._system.collector.want(1)
        self._system.ask()
        return number

    def tell(self, sample: int, named: str | int) -> bool:
        """The true class of a sample. Returns whether the verdict was right. Raises ConfigError."""
        return bool(self._orders.do(lambda: self._truth.tell(sample, named)))

    def act(self, failure: dict[str, Any]) -> int:
        """Makes a node or link fail, as `ddnn fault` does; returns from which sample on."""
        return int(self._orders.do(lambda: self._system.act(failure)))

    def push_address(self, device: str) -> str:
        """Where a device of `kind: push` takes views, HOST:PORT. Raises ConfigError for another."""
        source = self._live.sources.devices.get(device)
        if not isinstance(source, PushSource):
            raise ConfigError(f"{device}: no device of kind push here")
        return source.listen

    @property
    def answered(self) -> int:
        """Samples that the system that runs now has answered."""
        return self._system.collector.answered

    @property
    def pids(self) -> dict[str, int]:
        """Of the node processes that run here."""
        return self._system.pids

    def _act_by_hand(self, asked: dict[str, Any]) -> int:
        """What `ddnn fault` and `ddnn serve --swap` ask."""
        return self._swap(Path(asked["swap"])) if "swap" in asked else self._system.act(asked)

    def swap(self, run: Path) -> int:
        """Goes on with the bundle of another run, without a gap. Returns the first sample that it
        answers. Raises DdnnError where it cannot; then the old one goes on."""
        return int(self._orders.do(lambda: self._swap(run), SWAP_S))

    def _swap(self, run: Path) -> int:
        if self._is_swapping:
            raise LaunchError("another bundle is taking over just now, want that first")
        host = self._options.host
        bundle = bundle_to_swap(run, host)
        check_alike(self._bundle.topology, bundle.topology, host)
        self._watcher.say(f"{run}: its nodes start beside those that run")
        stack, self._is_swapping = ExitStack(), True
        options = replace(self._options, free_ports=host is None and not self._options.ipc)
        try:
            self._meanwhile(lambda: check_reached(bundle.topology, host))
            system = self._started(bundle, options, stack, self._turn_meanwhile)
        except BaseException as error:
            stack.close()
            self._watcher.say(f"{run}: goes on without it: {error}")
            raise
        finally:
            self._is_swapping = False
        old, old_stack = self._system, self._stack
        first = old.collector.close()
        system.collector.start_at(first)
        self._system, self._stack, self._bundle = system, stack, bundle
        self._watcher.say(f"{run}: answers from sample {first} on")
        self._orders.put(lambda: self._leave(old, old_stack, first))
        return first

    def _meanwhile(self, what: Callable[[], None]) -> None:
        """Does it in another thread, since it may wait for others; raises what it raises."""
        with ThreadPoolExecutor(1) as beside:
            done = beside.submit(what)
            while not done.done():
                self._turn()
        done.result()

    def _turn_meanwhile(self) -> None:
        """As `_turn`, while others start. Raises LaunchError where nobody wants them any more."""
        self._turn()
        if self._stops:
            raise LaunchError("the system is being stopped")

    def _leave(self, old: Serving, stack: ExitStack, first: int) -> None:
        """The old system answers what it was asked for, and ends; the new one goes on meanwhile."""
        self._is_swapping = True
        try:
            sink = self._sink.until(first) if isinstance(self._sink, ServeFiles) else NoFiles()
            old.make_room(sink, self._turn)
            old.drain()
            old.finish()
            deadline_s = time.monotonic() + TERM_S
            while old.is_left() and time.monotonic() < deadline_s:
                self._turn()
        finally:
            self._is_swapping = False
            stack.close()

    def reload(self) -> None:
        """Takes the thresholds that the run's bundle has now. Also from a signal's handler."""
        self._orders.put(self._reload)

    def _reload(self) -> None:
        say = self._watcher.say
        try:
            rules = new_rules(self._bundle)
        except DdnnError as error:
            say(f"thresholds stay as they are: {error}")
            return
        self._set_rules(rules)

    def set_rules(self, rules: Mapping[str, ExitRule]) -> None:
        """Exits decide by these from now on."""
        self._orders.do(lambda: self._set_rules(rules))

    def _set_rules(self, rules: Mapping[str, ExitRule]) -> None:
        sample = self._system.set_rules(rules)
        told = ", ".join(f"{name} {rule.threshold}" for name, rule in rules.items())
        self._watcher.say(f"thresholds from sample {sample} on: {told}")

    def stop(self) -> None:
        """Samples that were asked for are still answered. Also from a signal's handler."""
        self._stops = True
        self._orders.wake()
