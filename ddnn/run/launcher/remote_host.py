"""One host's nodes, when the collector is on another: started, supervised, ended with it.

The nodes end when the collector tells them to, and this with them. A node that ends otherwise, or
is killed, is started again where its policy says so. Only its own launcher can make a node fail:
`ddnn fault` on this host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.data.checks import check_fits
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.plan import failure_by_hand
from ddnn.run.hosts import nodes_of_host
from ddnn.run.launcher.about import about
from ddnn.run.launcher.control import ControlServer
from ddnn.run.launcher.history import History
from ddnn.run.launcher.private_folder import Workplace, own_folder
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.seen import read_seen
from ddnn.run.launcher.start import Options, Watcher, start_nodes
from ddnn.topology import Topology

POLL_S = 0.1
"""Time between two looks at the processes."""
Start = Callable[[Processes, tuple[str, ...], Workplace], None]
"""Starts these nodes."""
EMPTY_S = 2.0
"""Without any process for so long, and none due to be started again, nothing is expected."""


def serve_host(
    bundle: Bundle,
    samples: MultiView | None,
    options: Options,
    watcher: Watcher | None = None,
    views: Path | None = None,
) -> dict[str, str]:
    """Runs the nodes of options.host until all were told to stop; returns how each one stood.

    samples: what the host's cameras see; None where it has no device. views: a folder of it, in
    place of samples (see `seen`).
    Raises LaunchError naming a node that does not start, ConfigError for a folder that lacks one.
    """
    history = History(watcher or Watcher())
    nodes = nodes_of_host(bundle.topology, options.host)
    seen = None if views is None else read_seen(views, bundle.topology, nodes)
    _check(bundle.topology, nodes, samples, options, has_views=seen is not None)

    def start(processes: Processes, nodes: tuple[str, ...], workplace: Workplace) -> None:
        start_nodes(
            processes,
            bundle,
            nodes,
            workplace=workplace,
            samples=samples,
            options=options,
            seen=seen,
        )

    with ExitStack() as stack:
        site = stack.enter_context(open_site(bundle, options, history, start))
        control = ControlServer(site.act, history.say, site.about)
        stack.callback(control.close)
        while not site.is_over:
            history.spare("orders by hand", control.poll)
            site.look()
            time.sleep(POLL_S)
        site.look()
        return site.states


@contextmanager
def open_site(bundle: Bundle, options: Options, history: History, start: Start) -> Iterator[Site]:
    """The nodes of options.host, which listen; those that run still are ended with the block.

    Raises LaunchError naming one that does not start, ConfigError for a host without any.
    """
    nodes = nodes_of_host(bundle.topology, options.host)
    if not nodes:
        raise ConfigError(f"--host {options.host}: has no nodes, want a host with some")
    with ExitStack() as stack:
        workplace = stack.enter_context(own_folder())
        processes = stack.enter_context(Processes(workplace))
        processes.say = history.say
        start(processes, nodes, workplace)
        for name in nodes:
            processes.wait_listening(name, options.ready_s)
            history.say(f"{name} listens at {bundle.topology.endpoint(name)}")
        yield Site(bundle, nodes, processes, history=history)


def _check(
    topology: Topology,
    nodes: tuple[str, ...],
    samples: MultiView | None,
    options: Options,
    *,
    has_views: bool,
) -> None:
    if topology.collector.host == options.host:
        raise ConfigError(f"--host {options.host}: has the collector, want `launch` with --join")
    for name in nodes:
        if name in topology.devices and samples is None and not has_views:
            raise ConfigError(f"{name}: a device needs views, want --data CARD")
    if options.plan is not None and options.plan.failures:
        raise ConfigError("--plan: failures are planned where the collector is")
    if samples is not None:
        check_fits(topology, samples)


class Site:
    """Acts for whoever runs `ddnn fault` here, and for the restart policies.

    bundle: what its nodes run.
    """

    def __init__(
        self,
        bundle: Bundle,
        nodes: tuple[str, ...],
        processes: Processes,
        *,
        history: History,
    ) -> None:
        self.bundle = bundle
        self._nodes = nodes
        self._processes = processes
        self._history = history
        self._operator = Operator(processes, bundle.topology, nodes=nodes)
        self._ended: set[str] = set()
        self._running_s = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Nothing runs, and nobody will start it again: neither a policy nor a person."""
        if self._processes.pids():
            self._running_s = time.monotonic()
            return False
        states = {self._processes.state(name) for name in self._nodes}
        told = any(self._processes.has_finished(name) for name in self._nodes)
        waits = self._operator.due_s() is not None
        given_up = not waits and time.monotonic() > self._running_s + EMPTY_S
        return told or (given_up and "killed" not in states)

    def about(self) -> dict[str, Any]:
        """See launcher.about."""
        states = {name: self._processes.state(name) for name in self._nodes}
        host = self.bundle.topology.host(self._nodes[0])
        return about(self.bundle, host, states, self._history.said)

    def act(self, request: dict[str, Any]) -> None:
        """A failure asked for on this host; samples are counted elsewhere."""
        failure = failure_by_hand(request, self.bundle.topology)
        self._operator.begin_by_hand(failure)
        self._history.say(f"{failure.where}: {failure.text}")

    @property
    def states(self) -> dict[str, str]:
        """How each node stands."""
        return {name: self._processes.state(name) for name in self._nodes}

    def look(self) -> None:
        """At all that is to be looked at now and then; nothing of it ends the nodes."""
        self._history.spare("orders", self._processes.look_at_orders)
        self._history.spare("supervision", self.supervise)

    def set_rules(self, rules: Mapping[str, ExitRule]) -> None:
        """By which threshold and temperature the exits here decide from now on."""
        plain = {name: rule.model_dump() for name, rule in rules.items()}
        for name in self._nodes:
            self._processes.set_rules(name, plain)

    def supervise(self) -> None:
        """Names nodes that ended, starts those again whose policy says so."""
        ended = set(self._nodes) - set(self._processes.pids())
        for name in sorted(ended - self._ended):
            told = self._processes.has_finished(name)
            how = "was told to stop" if told else f"stopped: {self._processes.last_words(name)}"
            self._history.say(f"{name} {how}")
        self._ended = ended
        tried = self._operator.due_restarts(_never, self._processes.has_finished)
        for name, why_not in tried.items():
            if why_not:
                self._history.note(f"{name} is not started again", why_not)
            else:
                self._ended.discard(name)
                self._history.say(f"{name} is started again")


def _never(_name: str, _started_s: float) -> bool:
    """That a process runs but its loop does not turn, only those who hear it can tell."""
    return False
