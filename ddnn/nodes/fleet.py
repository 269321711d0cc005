"""Turns one node of many sites in one process: a cloud that they share. One thread looks at all.

A site is a topology of its own, with its own collector and runs. So its node here has all of its
own too: sockets, mailbox, windows, counts, and a place among those who take turns. Nothing that one
site sends is ever seen by another's node; all that they share is the process and its time.

A node that was told to stop goes on waiting for its site's next run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ddnn.nodes.awake import Awake
from ddnn.nodes.base import merge_events
from ddnn.nodes.loop import SETTLE_S, send_account_so_far, step
from ddnn.nodes.ready import Packed, Ready
from ddnn.nodes.turns import Turns
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import NO_RUN, LinkCount

AGAIN_S = 0.01
"""Time between two looks whether the kernel has counted what a mailbox did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A site's node. weight: of its turns, see Turns. patience_s: with which it gives up others."""

    packed: Packed
    weight: float = 1.0
    patience_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStanding:
    """How a site's node stands. used_s: processor time of its turns since it was opened. links,
    events: what it sent and received, and counted beside that, in the run in which it takes part or
    took part last; information is left out."""

    is_running: bool
    used_s: float
    links: list[LinkCount]
    events: Mapping[str, int]


class Fleet:
    """See the module."""

    def __init__(
        self,
        tenants: Mapping[str, Tenant],
        *,
        say: Callable[[str], None],
        spent_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """tenants: by site. say: told what happens, by site. spent_s: processor time of this
        thread."""
        self._members: dict[str, Packed] = {}
        self._sites: dict[Packed, str] = {}
        self._turns = Turns({})
        self._awake = Awake.with_patience(min((t.patience_s for t in tenants.values()), default=1))
        self._ready = Ready((), self._awake)
        self._waiting: dict[str, None] = {}
        self._say = say
        self._spent_s = spent_s
        self._ending_s: dict[str, float] = {}  # when a site whose run is over gets its account
        self._used_s: dict[str, float] = {}
        self.looked_s = time.monotonic()  # when it last came to its next turn
        for site, tenant in tenants.items():
            self.add(site, tenant)

    def add(self, site: str, tenant: Tenant) -> None:
        """It takes turns from now on. Between two turns only, as the other changes."""
        self._members[site] = tenant.packed
        self._sites[tenant.packed] = site
        self._used_s[site] = 0.0
        self._turns.put(site, tenant.weight)
        self._awake.hurry(tenant.patience_s)
        self._ready.add(tenant.packed)

    def set_weight(self, site: str, weight: float) -> None:
        """Its share from now on."""
        self._turns.put(site, weight)

    def remove(self, site: str) -> None:
        """It gets its account and no turn any more; its sockets are its owner's to close."""
        member = self._members.pop(site)
        send_account_so_far(member.node, member.mailbox)
        del self._sites[member]
        self._turns.drop(site)
        self._ready.remove(member)
        self._waiting.pop(site, None)
        self._ending_s.pop(site, None)
        del self._used_s[site]

    def standing(self) -> dict[str, SiteStanding]:
        """Of each site. Any thread may ask."""
        return {site: self._stands(site, member) for site, member in list(self._members.items())}

    def _stands(self, site: str, member: Packed) -> SiteStanding:
        return SiteStanding(
            is_running=member.node.run != NO_RUN,
            used_s=self._used_s.get(site, 0.0),
            links=member.mailbox.ledger.counts(),
            events=Counter(dict(member.mailbox.ledger.events)) + Counter(dict(member.node.events)),
        )

    def run(
        self, should_stop: Callable[[], bool], between: Callable[[], None] = lambda: None
    ) -> None:
        """Turns until should_stop says so; then every site gets its account. between: called
        between two turns, may change the sites."""
        waiting = self._waiting
        while not should_stop():
            self.looked_s = time.monotonic()
            between()
            ready = self._ready.wait(at_once=bool(waiting))
            waiting |= dict.fromkeys(self._sites[member] for member in ready)
            if waiting:
                site = self._turns.choose(waiting)
                del waiting[site]
                self._turn(site)
        for member in self._members.values():
            send_account_so_far(member.node, member.mailbox)

    def _turn(self, site: str) -> None:
        """What it took is charged to the site, and what went wrong ends its run alone."""
        member, begun_s = self._members[site], self._spent_s()
        run = member.node.run
        try:
            step(member.node, member.mailbox, member.mailbox.receive(0), self._awake.now_s)
            if member.node.stopped:
                self._end(site)
        except Exception as error:  # noqa: BLE001  # a node's outermost level: others go on
            self._say(f"{site}: {type(error).__name__}: {error}; its run ends here")
            member.node.leave()
        self._ready.turned(member)
        if site in self._ending_s:
            member.due_s = min(member.due_s, self._awake.now_s + AGAIN_S)
        if member.node.run not in (run, NO_RUN):
            self._say(f"{site}: takes part in a run")
        used_s = self._spent_s() - begun_s
        self._used_s[site] += used_s
        self._turns.charge(site, used_s)

    def _end(self, site: str) -> None:
        """Its account goes out as soon as kernel and mailbox agree; nobody waits for that."""
        member, now_s = self._members[site], self._awake.now_s
        due_s = self._ending_s.setdefault(site, now_s + SETTLE_S)
        kernel = member.mailbox.kernel()
        if kernel is not None and not kernel.agrees and now_s < due_s:
            return
        del self._ending_s[site]
        account = member.mailbox.ledger.account(kernel, run=member.mailbox.run)
        member.mailbox.send(COLLECTOR, merge_events(account, member.node.events))
        member.node.leave()
        self._say(f"{site}: its run is over")
