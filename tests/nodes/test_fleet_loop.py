"""One process for a node of several sites: what goes wrong at one of them ends its run alone."""

from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from builders import star_topology
from networks import Trained, Trainer

from ddnn.nodes.base import Identity, Neighbours, Node, Outgoing
from ddnn.nodes.fleet import Fleet, Tenant
from ddnn.nodes.ready import Packed
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import NO_RUN, Account, Heartbeat, Message, Roll, Stop
from ddnn.wire.transport import Mailbox

RUN = 5


class Counting:
    """A part that counts heartbeats, or breaks at the first."""

    def __init__(self, *, breaks: bool) -> None:
        self.heard = 0
        self._breaks = breaks

    def handle(self, _sender: str, message: Message, _now_s: float) -> None:
        if isinstance(message, Heartbeat):
            if self._breaks:
                raise ZeroDivisionError
            self.heard += 1

    def tick(self, _now_s: float) -> list[Outgoing]:
        return []

    def due_s(self) -> float | None:
        return None


class SiteByHand:
    """A cloud over a network of its own, and the collector that a test speaks as."""

    def __init__(self, trained: Trained, *, breaks: bool = False) -> None:
        bundle, self._network = trained.bundle, MemoryNetwork()
        codec = Codec(bundle.topology, bundle.session, bundle.tables)
        self.part = Counting(breaks=breaks)
        node = Node(
            "cloud",
            lambda _roll: [self.part],
            identity=Identity(boot=1),
            neighbours=Neighbours(peers=(COLLECTOR,), hears=(COLLECTOR,), watchers=frozenset()),
            heartbeat_s=60.0,
            patience_s=180.0,
            events=Counter(),
        )
        self.collector = Mailbox(COLLECTOR, codec, self._network.join(COLLECTOR), boot=RUN)
        self.collector.join(RUN)
        self.packed = Packed(
            node=node,
            mailbox=Mailbox("cloud", codec, self._network.join("cloud"), boot=1),
            descriptors=(),
            held_s=lambda: None,
            has_more=lambda: not self._network.is_quiet,
            finish=lambda: None,
        )

    @property
    def run(self) -> int:
        return self.packed.node.run


def fleet_of(sites: dict[str, SiteByHand], say: list[str] | None = None) -> Fleet:
    tenants = {name: tenant_of(site) for name, site in sites.items()}
    return Fleet(tenants, say=(say if say is not None else []).append)


def tenant_of(site: SiteByHand) -> Tenant:
    return Tenant(packed=site.packed, patience_s=1.0)


def serve(sites: dict[str, SiteByHand], say: list[str] | None = None) -> None:
    turn(fleet_of(sites, say))


def turn(fleet: Fleet, turns: int = 12) -> None:
    numbers = count()
    fleet.run(lambda: next(numbers) >= turns)


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    return Trainer(tmp_path)(star_topology(2), 8)


def test_an_error_at_one_site_ends_its_run_alone(trained: Trained):
    said = list[str]()
    sites = {"north": SiteByHand(trained), "south": SiteByHand(trained, breaks=True)}
    for site in sites.values():
        site.collector.send("cloud", Roll(RUN))
    serve(sites)
    for site in sites.values():
        site.collector.send("cloud", Heartbeat(boot=RUN))
    serve(sites, said)
    assert [sites["north"].run, sites["south"].run] == [RUN, NO_RUN]
    assert sites["north"].part.heard == 1
    assert said == ["south: ZeroDivisionError: ; its run ends here"]


def test_a_site_whose_run_is_over_gets_its_account_and_the_next_run(trained: Trained):
    site = SiteByHand(trained)
    site.collector.send("cloud", Roll(RUN))
    serve({"north": site})
    site.collector.receive(0)
    site.collector.send("cloud", Stop())
    serve({"north": site})
    assert any(isinstance(message, Account) for _, message in site.collector.receive(0))
    assert (site.run, site.packed.node.stopped) == (NO_RUN, False)
    site.collector.join(RUN + 1)
    site.collector.send("cloud", Roll(RUN + 1))
    serve({"north": site})
    assert site.run == RUN + 1


def test_a_site_that_comes_or_goes_between_two_turns_costs_the_others_nothing(trained: Trained):
    sites = {"north": SiteByHand(trained), "south": SiteByHand(trained)}
    north, south = sites.values()
    fleet = fleet_of({"north": north})
    for site in sites.values():
        site.collector.send("cloud", Roll(RUN))
    turn(fleet)
    assert [north.run, south.run] == [RUN, NO_RUN]
    fleet.add("south", tenant_of(south))
    turn(fleet)
    assert [north.run, south.run] == [RUN, RUN]
    south.collector.receive(0)
    fleet.remove("south")
    assert any(isinstance(message, Account) for _, message in south.collector.receive(0))
    for site in sites.values():
        site.collector.send("cloud", Heartbeat(boot=RUN))
    turn(fleet)
    assert [north.part.heard, south.part.heard] == [1, 0]


def test_all_sites_may_go_and_one_may_come_again(trained: Trained):
    site = SiteByHand(trained)
    fleet = fleet_of({"north": site})
    fleet.remove("north")
    turn(fleet, 2)
    fleet.add("north", tenant_of(site))
    site.collector.send("cloud", Roll(RUN))
    turn(fleet)
    assert site.run == RUN
