"""Waits until nodes are there, reach each other, and run the same bundle; names who is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ddnn.errors import LaunchError
from ddnn.topology import Topology
from ddnn.wire.messages import Heartbeat
from ddnn.wire.transport import Mailbox

SAY_S = 5.0
"""Time after which those who are still missing are named, and again when they change."""


def wait_ready(
    mailbox: Mailbox,
    topology: Topology,
    lost: Mapping[str, int],
    *,
    heard: Mapping[str, int],
    turn: Callable[[], None],
    timeout_s: float,
    say: Callable[[str], None],
) -> None:
    """Returns when every node in `lost` is reached by us and reaches all it sends to.

    lost: how many of those it sends to are known to be gone. heard: how many it does not reach,
    by its latest heartbeat; `turn` takes messages in, and raises where waiting makes no sense.
    Raises LaunchError naming who is missing after timeout_s, or who runs another bundle.
    """
    begun_s = time.monotonic()
    unreached, unready, said = set(lost), set(lost), ""
    while unreached or unready:
        unreached = {name for name in unreached if not mailbox.send(name, Heartbeat())}
        unready = {name for name in lost if name not in heard or heard[name] > lost[name]}
        turn()
        for name in sorted(set(mailbox.foreign) & unready):
            raise LaunchError(
                f"{name} runs another bundle (session {mailbox.foreign[name]:04x}), want "
                f"{mailbox.session:04x}: the same bundle, or parts of it, on every host"
            )
        missing = _named(sorted(unready | unreached), topology)
        waited_s = time.monotonic() - begun_s
        if waited_s > timeout_s:
            raise LaunchError(
                f"not ready after {timeout_s:g} s: {missing} (ddnn launch --ready-timeout S waits "
                "longer)"
            )
        if missing and waited_s > SAY_S and missing != said:
            said = missing
            say(f"waiting for {missing}")


def _named(names: list[str], topology: Topology) -> str:
    if len(topology.hosts) == 1:
        return ", ".join(names)
    return ", ".join(f"{name} (host {topology.host(name)})" for name in names)
