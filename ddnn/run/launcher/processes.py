"""Node processes: started, watched, made to fail, ended. Called in the parent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ddnn.errors import LaunchError
from ddnn.run.child.config import ChildConfig
from ddnn.run.failures.orders import Order, OrderPipe
from ddnn.run.launcher.births import KILL_S, Births, NodeProcess
from ddnn.run.launcher.limits import Applied, apply_limits, own_group, remove_group
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.memory import resident_bytes
from ddnn.topology import Limits

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TERM_S = 2.0
"""Time a node gets to end by itself before it is killed."""
POLL_S = 0.05
"""How long to wait for a confirmation before looking whether the node still runs."""
MAX_WORDS_BYTES = 4096
"""Of a node's log, to find its last line."""


def processor_s(pids: Iterable[int]) -> float:
    """Processor time of these processes' threads so far, where the system tells (Linux).

    To the nanosecond for a thread that waits: /proc/PID/stat counts in steps of 10 ms, more than
    an idle node takes in half a second.
    """
    nanoseconds = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # it has just ended
                nanoseconds += int(thread.read_text(encoding="utf-8").split()[0])
    return nanoseconds / 1e9


@dataclass(slots=True)
class _Child:
    process: NodeProcess
    config: ChildConfig
    log: Path
    limits: Limits
    applied: dict[str, Applied]
    orders: OrderPipe
    killed: bool = False


class Processes:
    """The node processes of one launch. Use as a context manager: none outlives it.

    say: told what nodes say to a person.
    """

    def __init__(self, workplace: Workplace) -> None:
        """workplace: where each node's standard error goes, NODE.log."""
        self._workplace = workplace
        self.say: Callable[[str], None] = lambda _line: None
        self._children: dict[str, _Child] = {}
        self._group = own_group()
        self._groups: set[Path] = set()
        self._births = Births(os.environ | THREADS | {"TMPDIR": str(workplace.path)})

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()

    def start(self, config: ChildConfig, limits: Limits | None = None) -> None:
        """Starts a node, or the nodes of a pack, within its limits.

        The child gets a process group of its own, so that Ctrl-C reaches the launcher alone,
        and ends when the pipe to its standard input closes.
        Raises LaunchError where the system starts no process.
        """
        self._workplace.mend()
        log = self._workplace.path / f"{config.node}.log"
        try:
            with log.open("ab") as stderr:
                process = self._births.give(config, stderr)
        except OSError as error:
            raise LaunchError(f"{config.node}: cannot be started, {error.strerror}") from error
        limits = limits or Limits()
        applied, group = apply_limits(process.pid, config.node, limits, self._group)
        self._groups |= {group} if group else set()
        orders = OrderPipe(process, self.say)
        child = _Child(process, config, log, limits, applied, orders)
        self._children |= dict.fromkeys((config.node, *config.others), child)

    def kill(self, node: str) -> None:
        """SIGKILL: the node is gone at once. Nothing for one that has ended."""
        child = self._child(node)
        if child.process.poll() is None:
            child.killed = True
            child.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(KILL_S)
        child.orders.close()

    def hang(self, node: str) -> None:
        """SIGSTOP: the process is there and does nothing."""
        self._signal(node, signal.SIGSTOP)

    def resume(self, node: str) -> None:
        """SIGCONT: it goes on where it stopped."""
        self._signal(node, signal.SIGCONT)

    def _signal(self, node: str, number: signal.Signals) -> None:
        process = self._child(node).process
        if process.poll() is None:
            process.send_signal(number)

    def wait_listening(self, node: str, timeout_s: float) -> None:
        """Waits until the node's process takes orders: then its sockets are open.

        Raises LaunchError with its last words if it ends, or does not in time.
        """
        child, deadline_s = self._child(node), time.monotonic() + timeout_s
        child.orders.tell({"slow": 1.0})
        while not child.orders.has_answered:
            if child.process.poll() is not None:
                raise LaunchError(f"{node} did not start: {self.last_words(node)}")
            if time.monotonic() > deadline_s:
                raise LaunchError(f"{node}: not ready after {timeout_s:g} s")
            self.look_at_orders(POLL_S)

    def tell(self, node: str, what: dict[str, Any], order: Order) -> None:
        """Tells the node's process to fail in some way (see `serve`), without waiting: `order`
        is confirmed once a look finds that it has taken hold."""
        self._child(node).orders.tell({"node": node, **what}, order)

    def set_rules(self, node: str, rules: dict[str, dict[str, float | None]]) -> None:
        """Tells the node by which threshold and temperature exits decide, now and whenever it is
        started again."""
        child = self._child(node)
        child.config = replace(child.config, rules=rules)
        child.orders.tell({"rules": rules})

    def look_at_orders(self, wait_s: float = 0.0) -> None:
        """Takes the nodes' confirmations; waits for one, at most wait_s."""
        asked = [c for c in self._children.values() if not c.orders.has_answered]
        if wait_s:
            watched = select.poll()  # select() knows no descriptor from 1024 on
            for child in asked:
                child.orders.watch(watched)
            watched.poll(1000 * wait_s)
        for child in self._children.values():
            child.orders.look()

    def confirms(self, node: str) -> bool:
        """Whether the node's process has confirmed all that it was told, or never will."""
        return self._child(node).orders.has_answered or not self.is_running(node)

    def restart(self, node: str) -> None:
        """Starts a node again. Raises LaunchError if it still runs."""
        child = self._child(node)
        if child.process.poll() is None:
            raise LaunchError(f"{node}: still runs, want it dead before it starts again")
        self.start(child.config, child.limits)

    @property
    def template(self) -> int | None:
        """Process id of the template that nodes are forked off, None where there is none."""
        return self._births.template

    def limits(self, node: str) -> dict[str, Applied]:
        """The node's limits, and whether they hold."""
        return self._child(node).applied

    def has_finished(self, node: str) -> bool:
        """Whether the node's process ended as one does that was told to."""
        return self._child(node).process.poll() == 0

    def is_running(self, node: str) -> bool:
        """Whether the node's process is there."""
        return self._child(node).process.poll() is None

    def state(self, node: str) -> str:
        """`running`, `killed` (by us) or `stopped` (by itself)."""
        child = self._child(node)
        if child.process.poll() is None:
            return "running"
        return "killed" if child.killed else "stopped"

    def stopped(self) -> list[str]:
        """Nodes that ended though nobody asked them to."""
        return [name for name in self._children if self.state(name) == "stopped"]

    def last_words(self, node: str) -> str:
        """How the process ended and the last line it wrote."""
        child = self._child(node)
        code = child.process.poll()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        said = b""
        with contextlib.suppress(OSError), child.log.open("rb") as log:
            log.seek(-min(MAX_WORDS_BYTES, log.seek(0, os.SEEK_END)), os.SEEK_END)
            said = log.read()
        text = said.decode("utf-8", "replace").replace(child.config.bundle, child.config.origin)
        lines = text.strip().splitlines()
        return f"{lines[-1]} ({how})" if lines else how

    def resident_mb(self, node: str) -> float | None:
        """Resident memory of the process in MB, where the system tells (Linux); of a pack, the
        node's share."""
        child = self._child(node)
        bytes_ = resident_bytes(child.process.pid)
        return None if bytes_ is None else bytes_ / 1e6 / (1 + len(child.config.others))

    def cpu_s(self) -> float:
        """Processor time that the running nodes have used so far, where the system tells."""
        return processor_s(set(self.pids().values()))

    def pids(self) -> dict[str, int]:
        """Process ids of the nodes that run."""
        return {n: c.process.pid for n, c in self._children.items() if c.process.poll() is None}

    def wait_all(self, timeout_s: float) -> None:
        """Waits until every process has ended, at most timeout_s."""
        deadline_s = time.monotonic() + timeout_s
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline_s - time.monotonic()))

    def end_all(self) -> None:
        """Ends every process: asked first (one that hangs goes on for it), killed after TERM_S."""
        self._births.close()
        for child in self._children.values():
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
                child.process.send_signal(signal.SIGCONT)
        self.wait_all(TERM_S)
        for child in self._children.values():
            if child.process.poll() is None:
                child.process.kill()
        self.wait_all(KILL_S)
        for child in self._children.values():
            child.orders.close()
        for group in self._groups:
            remove_group(group)

    def _child(self, node: str) -> _Child:
        if node not in self._children:
            known = ", ".join(self._children)
            raise LaunchError(f"{node}: no such node here (known: {known})")
        return self._children[node]
