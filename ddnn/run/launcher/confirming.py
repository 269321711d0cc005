"""A halt of a run: until what nodes were told has taken hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ddnn.run.failures.operator import Operator
from ddnn.run.failures.orders import NO_ORDER
from ddnn.run.launcher.processes import Processes

LOOK_S = 0.01
CONFIRM_S = 10.0
"""How long a halt waits for nodes to confirm what they were told; one that hangs never does."""


def wait_confirmed(
    nodes: Collection[str],
    operator: Operator,
    processes: Processes,
    *,
    turn: Callable[[float], None],
    say: Callable[[str], None],
) -> None:
    """Until what these nodes were told has taken hold, where they can take orders. turn: takes in
    what arrives within so many seconds."""
    deadline_s = time.monotonic() + CONFIRM_S
    while waiting := {name for name in nodes if _owes(name, operator, processes)}:
        if time.monotonic() > deadline_s:
            say(f"going on: {', '.join(sorted(waiting))} {NO_ORDER} within {CONFIRM_S:.0f} s")
            return
        processes.look_at_orders(LOOK_S)
        turn(0)


def _owes(node: str, operator: Operator, processes: Processes) -> bool:
    """Whether it has yet to confirm something, and can."""
    return operator.takes_orders(node) and not processes.confirms(node)
