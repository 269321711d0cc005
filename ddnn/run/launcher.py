"""Launches a bundle's topology as processes on this machine and runs samples through it.

Called in the parent; `child` is what it starts. `Launch.run` reads as a table of contents.
Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.errors import DataError, LaunchError
from ddnn.nodes.build import patience_s
from ddnn.nodes.collector import Collector
from ddnn.nodes.loop import send_all
from ddnn.run.child import ChildConfig
from ddnn.run.control import ControlServer
from ddnn.run.failures import Failure, check_node
from ddnn.run.outcome import NodeState, Outcome, build_report, collect_verdicts
from ddnn.run.processes import Processes
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.codec import Codec
from ddnn.wire.messages import Heartbeat, Stop
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport

READY_S = 60.0
"""Time all nodes get to start and to reach each other."""
POLL_S = 0.05
"""How long the launcher waits for a message before it looks at processes and operators."""
ACCOUNT_S = 3.0
"""Time stopping nodes get to hand over their accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What the launch tells while it runs: samples answered so far, and lines for a person."""

    progress: Callable[[int], None] = lambda _answered: None
    say: Callable[[str], None] = lambda _line: None


def launch(
    bundle: Bundle,
    samples: MultiView,
    *,
    failures: Sequence[Failure] = (),
    window: int | None = None,
    free_ports: bool = False,
    watcher: Watcher | None = None,
) -> Outcome:
    """Runs every sample through real processes, ends them, and reports.

    free_ports: listen on ports the system chooses instead of the topology's.
    Raises DataError for views that do not fit, TransportError for a port in use, LaunchError
    naming a node that does not start.
    """
    _check_views(bundle.topology, samples)
    with ExitStack() as stack:
        if free_ports:
            bundle = bundle.with_endpoints(free_endpoints(bundle.topology))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ddnn-launch-")))
        processes = stack.enter_context(Processes(folder))
        mailbox = stack.enter_context(_collector_mailbox(bundle))
        run = Launch(bundle, samples, processes, mailbox, watcher or Watcher())
        return run.run(folder, failures, window)


class Launch:
    """One run of a topology's processes."""

    def __init__(
        self,
        bundle: Bundle,
        samples: MultiView,
        processes: Processes,
        mailbox: Mailbox,
        watcher: Watcher,
    ) -> None:
        self._bundle = bundle
        self._topology = bundle.topology
        self._samples = samples
        self._processes = processes
        self._mailbox = mailbox
        self._watcher = watcher
        self._history: list[dict[str, Any]] = []
        self._stopped: set[str] = set()

    def run(self, folder: Path, failures: Sequence[Failure], window: int | None) -> Outcome:
        """Start, wait, run, stop, report."""
        self._collector = Collector(
            self._topology,
            samples=len(self._samples),
            prior_class=self._bundle.manifest.prior_class,
            patience_s=patience_s(self._topology),
            window=window,
            halts=[failure.sample for failure in failures],
        )
        begun_s = time.monotonic()
        self._start_all(folder)
        self._wait_ready()
        ready_s = time.monotonic() - begun_s
        self._watcher.say(f"{len(self._topology.nodes)} nodes ready in {ready_s:.1f} s")
        duration_s = self._run_samples(failures)
        states = self._stop_all()
        report = build_report(
            self._collector,
            self._bundle,
            self._samples.fused_labels_N,
            states=states,
            failures=self._failure_entries(),
            duration_s=duration_s,
            ready_s=ready_s,
        )
        labels_N = self._samples.fused_labels_N
        verdicts = collect_verdicts(self._collector, self._topology, labels_N)
        return Outcome(report=report, verdicts=verdicts)

    def _start_all(self, folder: Path) -> None:
        topology = self._topology
        endpoints = {name: topology.endpoint(name) for name in (COLLECTOR, *topology.nodes)}
        for name in topology.nodes:
            views = None
            if name in topology.devices:
                views = folder / f"{name}.npy"
                np.save(views, self._samples.views_NVCHW[:, topology.devices.index(name)])
            self._processes.start(
                ChildConfig(
                    bundle=str(self._bundle.folder),
                    node=name,
                    views=str(views) if views else None,
                    endpoints=endpoints,
                )
            )

    def _wait_ready(self) -> None:
        """Until all running nodes reach everyone they send to, and are reached by us."""
        deadline_s = time.monotonic() + READY_S
        running = set(self._processes.pids()) - self._stopped
        unreached = set(running)
        self._collector.ready.clear()
        while unreached or not running <= self._collector.ready:
            unreached = {n for n in unreached if not self._mailbox.send(n, Heartbeat(ready=True))}
            self._turn(POLL_S)
            for name in self._processes.stopped():
                if name not in self._stopped:
                    words = self._processes.last_words(name)
                    raise LaunchError(f"{name} did not start: {words}")
            if time.monotonic() > deadline_s:
                missing = ", ".join(sorted(running - self._collector.ready | unreached))
                raise LaunchError(f"not ready after {READY_S:.0f} s: {missing}")

    def _run_samples(self, failures: Sequence[Failure]) -> float:
        """Seconds from the first capture to the last answer, halts left out."""
        collector, control = self._collector, ControlServer(self._act)
        begun_s, halted_s = time.monotonic(), 0.0
        try:
            while not collector.is_done:
                send_all(self._mailbox, collector.tick(time.monotonic()))
                self._turn(POLL_S)
                control.poll()
                self._note_stopped()
                if collector.halted_at is not None:
                    halt_s = time.monotonic()
                    self._do_due(failures, collector.halted_at)
                    halted_s += time.monotonic() - halt_s
                self._watcher.progress(collector.answered)
        finally:
            control.close()
        return time.monotonic() - begun_s - halted_s

    def _turn(self, timeout_s: float) -> None:
        due_s = self._collector.due_s(time.monotonic())
        if due_s is not None:
            timeout_s = min(timeout_s, max(0.0, due_s - time.monotonic()))
        for sender, message in self._mailbox.receive(timeout_s):
            self._collector.handle(sender, message, time.monotonic())

    def _do_due(self, failures: Sequence[Failure], sample: int) -> None:
        for failure in failures:
            if failure.sample == sample:
                self._act(failure.node, failure.kind)
        if any(f.kind == "recover" for f in failures if f.sample == sample):
            self._wait_ready()
        self._collector.release()

    def _act(self, node: str, kind: str) -> int:
        """Makes a node fail now; returns the next sample."""
        check_node(node, self._topology)
        actions: dict[str, Callable[[str], None]] = {
            "kill": self._processes.kill,
            "recover": self._processes.restart,
        }
        if kind not in actions:
            raise LaunchError(f"kind {kind!r}, want one of {', '.join(actions)}")
        actions[kind](node)
        self._stopped.discard(node)
        return self._note(node, kind)

    def _note(self, node: str, kind: str) -> int:
        sample = self._collector.asked
        self._history.append({"node": node, "kind": kind, "sample": sample})
        self._watcher.say(f"{node}: {kind} before sample {sample}")
        return sample

    def _note_stopped(self) -> None:
        """A node that ended by itself is a failure like any other, and is named."""
        for name in self._processes.stopped():
            if name not in self._stopped:
                self._stopped.add(name)
                self._watcher.say(f"{name} stopped: {self._processes.last_words(name)}")
                self._note(name, "stopped")

    def _stop_all(self) -> dict[str, NodeState]:
        """Takes the accounts and ends the processes."""
        states = {
            name: NodeState(
                state=self._processes.state(name), resident_mb=self._processes.resident_mb(name)
            )
            for name in self._topology.nodes
        }
        running = set(self._processes.pids())
        for name in running:
            self._mailbox.send(name, Stop())
        deadline_s = time.monotonic() + ACCOUNT_S
        while running - set(self._collector.accounts) and time.monotonic() < deadline_s:
            self._turn(POLL_S)
        self._collector.accounts[COLLECTOR] = self._mailbox.ledger.account()
        self._processes.end_all()
        return states

    def _failure_entries(self) -> list[dict[str, Any]]:
        """What was done to nodes and, from the heartbeats, when it was noticed."""
        noticed = [
            {"node": gone.node, "kind": "noticed-back" if gone.back else "noticed-gone",
             "sample": gone.sample}
            for gone in self._collector.gone
        ]  # fmt: skip
        return sorted(self._history + noticed, key=lambda entry: int(entry["sample"]))


def free_endpoints(topology: Topology) -> dict[str, str]:
    """Loopback addresses with ports that the system has just found free."""
    names = (COLLECTOR, *topology.nodes)
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        ports = [sock.getsockname()[1] for sock in sockets]
    return {name: f"tcp://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}


@contextmanager
def _collector_mailbox(bundle: Bundle) -> Iterator[Mailbox]:
    topology = bundle.topology
    codec = Codec(topology, bundle.session)
    transport = ZmqTransport(
        COLLECTOR,
        endpoint=topology.endpoint(COLLECTOR),
        peers={name: topology.endpoint(name) for name in topology.nodes},
        max_bytes=codec.max_bytes,
    )
    try:
        yield Mailbox(COLLECTOR, codec, transport)
    finally:
        transport.close()


def _check_views(topology: Topology, samples: MultiView) -> None:
    wanted = (topology.views, *topology.view.shape)
    if samples.views_NVCHW.shape[1:] != wanted:
        raise DataError(
            f"views of {samples.views_NVCHW.shape[1:]} (V, C, H, W), topology {topology.name} "
            f"wants {wanted}"
        )
    if samples.classes != topology.classes:
        raise DataError(
            f"classes {list(samples.classes)}, topology {topology.name} has "
            f"{list(topology.classes)}"
        )
    if not len(samples):
        raise DataError("no samples to run, want at least one")
