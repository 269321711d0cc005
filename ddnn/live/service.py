"""A live system from its start to its end: samples by clock and event, orders from outside.

The one loop that turns it. Nothing beside the samples ends it: only whoever runs it does, or a
source that was to end.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import BundleError, ConfigError, DdnnError
from ddnn.live.feed import Feed
from ddnn.live.pace import Pace
from ddnn.live.serving import Live, NoFiles, Serving
from ddnn.live.sources.camera import Wake
from ddnn.live.truth import Truth
from ddnn.run.hosts import check_host
from ddnn.run.launcher.control import ControlServer
from ddnn.run.launcher.launch import free_endpoints
from ddnn.run.launcher.one_launch import POLL_S, Sink
from ddnn.run.launcher.private_folder import own_folder
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.start import Options, Watcher, collector_mailbox, own_sockets

ACCURACY_S = 1.0
"""Time between two accuracies that are told."""
ANSWER_S = 10.0
"""How long somebody outside waits for the loop."""


def new_rules(bundle: Bundle) -> dict[str, ExitRule]:
    """How the exits of the bundle in the same folder decide now.

    Raises BundleError where it is no longer of the same models.
    """
    now = load_bundle(bundle.folder, ())
    if now.manifest.sha256 != bundle.manifest.sha256:
        raise BundleError(f"{bundle.folder}: other models than those that run, want --swap")
    return now.manifest.exits


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
        self._accuracy_s = 0.0
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = Wake()
        self._stops = False
        self._system: Serving
        self._stack = ExitStack()

    def __enter__(self) -> Service:
        try:
            self._system = self._started(self._bundle, self._options, self._stack)
            control = ControlServer(self._act_now, self._watcher.say)
            self._stack.callback(control.close)
            self._control = control
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.feed.close()

    def _started(self, bundle: Bundle, options: Options, stack: ExitStack) -> Serving:
        """With nodes that are ready. Raises DdnnError where they do not get so."""
        check_host(bundle.topology, options.host)
        if options.free_ports:
            bundle = bundle.with_endpoints(free_endpoints(bundle.topology))
        workplace = stack.enter_context(own_folder())
        sockets = own_sockets(bundle.topology, workplace.path, options)
        processes = stack.enter_context(Processes(workplace))
        wake = self._wake.descriptor
        mailbox = stack.enter_context(collector_mailbox(bundle, options, sockets, wake))
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
        )
        try:
            system.begin(workplace)
        except BaseException:
            system.abandon()
            raise
        return system

    def run(self) -> dict[str, Any]:
        """Until `stop`, or until the sources have come to their end. Returns the report."""
        system, pace = self._system, Pace(self._live.sources.sample, time.monotonic())
        why = ""
        try:
            while not self._stops and not self._is_over:
                self._turn(system, pace)
            while not system.collector.is_idle:  # who was asked for is answered
                system.turn(POLL_S)
        except BaseException as error:
            why = str(error) or type(error).__name__
            raise
        finally:
            report = system.finish(why)
            report["missed"] = pace.missed
        return report

    @property
    def _is_over(self) -> bool:
        end = self._live.end
        return end is not None and self._system.collector.asked >= self._first + end

    def _turn(self, system: Serving, pace: Pace) -> None:
        collector, now_s = system.collector, time.monotonic()
        wait_s = min(POLL_S, max(0.0, pace.due_s() - now_s))
        system.turn(wait_s if collector.room else POLL_S)
        if collector.triggered:
            collector.triggered = 0
            pace.event()
        room = collector.room
        if self._live.end is not None:
            room = min(room, self._first + self._live.end - collector.wanted)
        if samples := pace.take(time.monotonic(), room):
            collector.want(samples)
            system.ask()
        self._take_orders()
        system.spare("orders by hand", self._control.poll)
        self._tell_accuracy()

    def _take_orders(self) -> None:
        while not self._orders.empty():
            self._orders.get()()

    def _tell_accuracy(self) -> None:
        if self._truth.known != self._told and time.monotonic() >= self._accuracy_s:
            self._told, self._accuracy_s = self._truth.known, time.monotonic() + ACCURACY_S
            self.feed.publish(self._truth.event())

    def _do(self, what: Callable[[], Any]) -> Any:
        """In the loop's thread. Raises what it raises, ConfigError where the loop does not turn."""
        answer: Future[Any] = Future()

        def act() -> None:
            try:
                answer.set_result(what())
            except DdnnError as error:
                answer.set_exception(error)

        self._orders.put(act)
        self._wake()
        try:
            return answer.result(ANSWER_S)
        except TimeoutError as error:
            raise ConfigError("the system does not turn just now, try again") from error

    def sample(self) -> int:
        """Asks for one now; returns its number. Raises ConfigError where too many wait."""
        return int(self._do(self._sample))

    def _sample(self) -> int:
        if not self._system.collector.room:
            raise ConfigError("too many samples are unanswered, want fewer")
        number = self._system.collector.want(1)
        self._system.ask()
        return number

    def tell(self, sample: int, named: str | int) -> bool:
        """The true class of a sample. Returns whether the verdict was right. Raises ConfigError."""
        return bool(self._do(lambda: self._truth.tell(sample, named)))

    def act(self, failure: dict[str, Any]) -> int:
        """Makes a node or link fail, as `ddnn fault` does; returns from which sample on."""
        return int(self._do(lambda: self._system.act(failure)))

    @property
    def pids(self) -> dict[str, int]:
        """Of the node processes that run here."""
        return self._system.pids

    def _act_now(self, asked: dict[str, Any]) -> int:
        return self._system.act(asked)

    def reload(self) -> None:
        """Takes the thresholds that the run's bundle has now. Also from a signal's handler."""
        self._orders.put(self._reload)
        self._wake()

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
        self._do(lambda: self._set_rules(rules))

    def _set_rules(self, rules: Mapping[str, ExitRule]) -> None:
        sample = self._system.set_rules(rules)
        told = ", ".join(f"{name} {rule.threshold}" for name, rule in rules.items())
        self._watcher.say(f"thresholds from sample {sample} on: {told}")

    def stop(self) -> None:
        """Samples that were asked for are still answered. Also from a signal's handler."""
        self._stops = True
        self._wake()
