"""The end of a run: what each node counted in all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from ddnn.nodes.collector import Collector
from ddnn.nodes.loop import settled_account
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Account
from ddnn.wire.transport import Mailbox

POLL_S = 0.1
"""How long one wait for a message may take."""
ACCOUNT_S = 3.0
"""Time stopping nodes get to hand over their accounts."""


def take_accounts(
    collector: Collector,
    mailbox: Mailbox,
    running: Collection[str],
    *,
    turn: Callable[[float], None],
    say: Callable[[str], None],
) -> None:
    """Until all that run, and were told to stop, have handed over theirs, or time is up: who did
    not is said. turn: takes in what arrives within so many seconds."""
    deadline_s = time.monotonic() + ACCOUNT_S
    before = dict(collector.accounts)
    has_kernel = mailbox.kernel() is not None

    def owing() -> set[str]:
        return set(running) - _handed_over(collector.accounts, before, has_kernel=has_kernel)

    while (missing := owing()) and time.monotonic() < deadline_s:
        turn(POLL_S)
    for name in sorted(missing):
        say(f"{name}: no account within {ACCOUNT_S:.0f} s, others' counts hold")
    collector.accounts[COLLECTOR] = settled_account(mailbox)


def _handed_over(
    now: Mapping[str, Account], before: Mapping[str, Account], *, has_kernel: bool
) -> set[str]:
    """Who has said what it counted in all. before: what they said while it went on, of which one
    more may be on its way: the last has the kernel's count, where there is one."""
    return {
        name
        for name, account in now.items()
        if account is not before.get(name) and (account.kernel is not None or not has_kernel)
    }
