"""Turns a node: the one place where a node meets its mailbox and the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from ddnn.nodes.awake import Awake
from ddnn.nodes.base import Node, Outgoing, merge_events
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import NO_RUN, Account
from ddnn.wire.transport import Mailbox, Received

SETTLE_S = 0.1
"""How long an account waits for an instant at which no byte is between socket and node."""


def run_node(
    node: Node,
    mailbox: Mailbox,
    should_stop: Callable[[], bool],
    *,
    patience_s: float,
    account_s: float = math.inf,
) -> None:
    """Turns until the collector says stop, or should_stop does.

    patience_s: silence after which the node gives up others. account_s: time between two accounts
    of what was counted so far.
    """
    account_due_s = account_s
    awake = Awake.with_patience(patience_s)
    while not node.stopped and not should_stop():
        wait_s = max(0.0, node.due_s() - awake.now_s)
        received = mailbox.receive(wait_s)
        awake.look(wait_s)
        step(node, mailbox, received, awake.now_s)
        if awake.now_s >= account_due_s:
            account_due_s = awake.now_s + account_s
            send_account_so_far(node, mailbox)


def step(node: Node, mailbox: Mailbox, received: Iterable[Received], now_s: float) -> bool:
    """One turn: messages in, work, messages out. Returns whether anything happened."""
    busy = False
    for sender, message in received:
        node.handle(sender, message, now_s)
        busy = True
        if node.run != mailbox.run:
            mailbox.join(node.run)
            break  # what else had come was for the run before
    outgoing = node.tick(now_s)
    for peer, message in outgoing:
        node.sent(peer, taken=mailbox.send(peer, message))
    return busy or bool(outgoing)


def send_all(mailbox: Mailbox, outgoing: Iterable[Outgoing]) -> None:
    """Sends what can be sent."""
    for peer, message in outgoing:
        mailbox.send(peer, message)


def send_account(node: Node, mailbox: Mailbox) -> None:
    """Everything the node counted, to the collector."""
    mailbox.send(COLLECTOR, merge_events(settled_account(mailbox), node.events))


def send_account_so_far(node: Node, mailbox: Mailbox) -> None:
    """As `send_account` of a run that goes on; the kernel's count is for its end."""
    if mailbox.run != NO_RUN:
        account = mailbox.ledger.account(run=mailbox.run)
        mailbox.send(COLLECTOR, merge_events(account, node.events))


def settled_account(mailbox: Mailbox) -> Account:
    """What the mailbox counted, with the kernel's count where there is one."""
    deadline_s = time.monotonic() + SETTLE_S
    kernel = mailbox.kernel()
    while kernel is not None and not kernel.agrees and time.monotonic() < deadline_s:
        mailbox.receive(0.001)
        kernel = mailbox.kernel()
    return mailbox.ledger.account(kernel, run=mailbox.run)
