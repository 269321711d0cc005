"""Waits until nodes take part in the run and reach each other; names who is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set

from ddnn.errors import LaunchError
from ddnn.nodes.collector import Collector
from ddnn.topology import Topology
from ddnn.wire.routes import neighbours
from ddnn.wire.transport import Mailbox

SAY_S = 5.0
"""Time after which those who are still missing are named, and again when they change."""


def wait_ready(
    collector: Collector,
    mailbox: Mailbox,
    topology: Topology,
    lost: Mapping[str, int],
    *,
    turn: Callable[[], None],
    timeout_s: float,
    say: Callable[[str], None],
) -> None:
    """Returns when every node in `lost` takes part, reaches all it sends to and hears the others.

    lost: how many of its neighbours are known to be gone. `turn` takes messages in, and raises
    where waiting makes no sense.
    Raises LaunchError naming who is missing after timeout_s, or who has another bundle or other
    samples.
    """
    begun_s, said = time.monotonic(), ""
    while waiting := unready(collector.unreached, lost):
        turn()
        _check_same(collector, mailbox, waiting, topology)
        missing = _named(sorted(missed(collector.unreached, lost)), topology)
        waited_s = time.monotonic() - begun_s
        if missing and waited_s > timeout_s:
            raise LaunchError(
                f"not ready after {timeout_s:g} s: {missing} (ddnn launch --ready-timeout S waits "
                "longer)"
            )
        if missing and waited_s > SAY_S and missing != said:
            said = missing
            say(f"waiting for {missing}")


def losses(topology: Topology, wanted: Set[str], gone: Set[str]) -> dict[str, int]:
    """For each wanted node, how many of its neighbours are gone."""
    return {name: len(neighbours(topology, name) & gone) for name in wanted}


def unready(unreached: Mapping[str, int], lost: Mapping[str, int]) -> set[str]:
    """Who has not said yet that it lacks no more neighbours than are lost."""
    return {n for n, gone in lost.items() if n not in unreached or unreached[n] > gone}


def missed(unreached: Mapping[str, int], lost: Mapping[str, int]) -> set[str]:
    """Whom to look for: who has said nothing, which is why others lack neighbours; where there is
    nobody, who lacks some."""
    waiting = unready(unreached, lost)
    return waiting - unreached.keys() or waiting


def _check_same(
    collector: Collector, mailbox: Mailbox, waiting: Set[str], topology: Topology
) -> None:
    """Raises LaunchError for a node that will not take part, however long we wait."""
    for name in sorted(waiting & mailbox.foreign.keys()):
        raise LaunchError(
            f"{name} runs another bundle (session {mailbox.foreign[name]:06x}), want "
            f"{mailbox.session:06x}: the same bundle, or parts of it, on every host"
        )
    for name in sorted(waiting & collector.other_data.keys()):
        raise LaunchError(
            f"{_named([name], topology)} sees other samples (digest "
            f"{collector.other_data[name]:016x}), want {collector.data:016x}: the same --data and "
            "--split on every host"
        )


def _named(names: list[str], topology: Topology) -> str:
    if len(topology.hosts) == 1:
        return ", ".join(names)
    return ", ".join(f"{name} (host {topology.host(name)})" for name in names)
