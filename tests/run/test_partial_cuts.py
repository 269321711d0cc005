"""Any one direction of any one link fails: every verdict stays that of the nodes that it names.

Time passes on the links from the devices to the gateway, so that silence can be noticed.
"""

from __future__ import annotations

import random
from functools import cache

import pytest
from builders import MEASURED
from hierarchies import HIERARCHIES
from networks import Trained

from ddnn.nodes.engine import Engine
from ddnn.nodes.masked import MaskedModel
from ddnn.nodes.recorder import Recorder
from ddnn.run.failures.plan import FailurePlan, parse_failure
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.routes import routes

SAMPLES, WINDOW = 24, 2
LATENCY_MS = 5
FASTER = 4
CUT = {"at": {"seconds": 0.01}}
KINDS = {
    "partition": {"kind": "partition"},
    "late": {"kind": "delay", "delay_ms": 40, "jitter_ms": 20},
}


def lively(topology: Topology) -> Topology:
    """The same with shorter deadlines, quick hearts and a gateway that is some way off."""
    document = topology.model_dump(mode="json")
    for tier in document["tiers"]:
        for waits in filter(None, (tier, tier["exit"])):
            waits["deadline_ms"] /= FASTER
    document["collector"]["answer_ms"] /= FASTER
    document["heartbeat"] = {"interval_ms": 10, "patience": 3}
    document["links"] = [
        {"from": name, "to": "gateway", "latency_ms": LATENCY_MS} for name in topology.devices
    ]
    return Topology.model_validate(document)


SHIPPED = {name: read_topology(name) for name in MEASURED}
WITH_FALLBACKS = {name: topology for name, topology in SHIPPED.items() if topology.bypassable}
LIVELY = {name: lively(topology) for name, topology in (HIERARCHIES | WITH_FALLBACKS).items()}
STORMY = KINDS | {"loss": {"kind": "drop", "share": 0.5}}


def links(topology: Topology) -> list[tuple[str, str]]:
    """Every ordered pair of which the first speaks to the second; a plan cuts no collector's."""
    talking = {route[:2] for route in routes(topology)}
    return sorted(link for link in talking if link[0] != COLLECTOR)


@pytest.fixture(scope="module")
def model_of(train):
    """By topology: what was trained for it, and its masked model."""
    known: dict[str, tuple[Trained, MaskedModel]] = {}

    def find(name: str) -> tuple[Trained, MaskedModel]:
        if name not in known:
            trained = train(LIVELY[name], SAMPLES)
            known[name] = trained, MaskedModel(trained.bundle, trained.samples.views)
        return known[name]

    return find


load_once = cache(Engine)


def run(trained: Trained, *failures: dict, network: MemoryNetwork | None = None) -> Recorder:
    topology = trained.bundle.topology
    entries = tuple(map(parse_failure, failures))
    plan = FailurePlan(topology=topology.name, failures=entries)
    views = trained.samples.views
    return run_inprocess(
        trained.bundle, views, plan=plan, window=WINDOW, network=network, load_engine=load_once
    )


MIXED = "one edge", "two edges, some ways past", "fog, ways past both"
CASES = [(name, "partition") for name in LIVELY] + [(name, "late") for name in MIXED]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_verdict_is_the_networks_with_what_it_says_took_part(model_of, name, kind):
    trained, model = model_of(name)
    for link in links(trained.bundle.topology):
        found = run(trained, CUT | {"link": link} | KINDS[kind])
        assert (found.predicted_N >= 0).all(), link
        assert model.unequal(found.kept) == [], link


class DeafTo(MemoryNetwork):
    """Carries everything but, after a while, what the collector says to one node."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node, self._left = node, 8

    def put(self, sender: str, receiver: str, data: bytes) -> bool:
        """See MemoryNetwork. What is lost counts as taken."""
        if (sender, receiver) == (COLLECTOR, self._node):
            self._left -= 1
            if self._left < 0:
                return True
        return super().put(sender, receiver, data)


@pytest.mark.parametrize("name", MIXED)
def test_who_no_longer_hears_the_collector_makes_no_verdict_unequal(model_of, name):
    trained, model = model_of(name)
    for node in trained.bundle.topology.nodes:
        found = run(trained, network=DeafTo(node))
        assert (found.predicted_N >= 0).all(), node
        assert model.unequal(found.kept) == [], node
        if node in trained.bundle.topology.devices:
            assert not found.present_NV[-1, trained.bundle.topology.devices.index(node)]


def silent_parents(topology: Topology) -> list[tuple[str, str]]:
    """Links on which a node tells a child, that has a way past it, that it lives."""
    nodes = topology.nodes.items()
    return [(node.parent, name) for name, node in nodes if node.parent and node.fallback]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_child_that_lost_its_parents_heartbeats_speaks_for_nobody_else(model_of, name, kind):
    """Its parent lives and answers: at most its own views are missing, nothing goes past."""
    trained, _ = model_of(name)
    topology = trained.bundle.topology
    for link in silent_parents(topology):
        found = run(trained, CUT | {"link": link} | KINDS[kind])
        lost = topology.views_below(link[1])
        for answer in found.kept:
            assert {view for view in range(topology.views) if not answer.views >> view & 1} <= lost
            assert answer.views < 1 << topology.views or len(topology.children(link[0])) == 1


def test_where_all_children_lost_a_parent_that_lives_they_speak_for_all_it_would_have(model_of):
    trained, model = model_of("one edge")
    topology = trained.bundle.topology
    cuts = [CUT | {"link": ("edge0", name), "kind": "partition"} for name in topology.devices]
    found = run(trained, *cuts)
    past = [answer for answer in found.kept if answer.views >> topology.bypass_bit("edge0") & 1]
    assert past
    assert all(answer.views == 0b1111 and answer.degraded for answer in past)
    assert model.unequal(found.kept) == []


def storm(topology: Topology, seed: int) -> list[dict]:
    """Cuts of random links, and now and then a node, for a while each, several at a time."""
    rng = random.Random(seed)
    entries = []
    for _ in range(10):
        begin, span = rng.uniform(0, 0.2), rng.uniform(0.02, 0.15)
        kind = rng.choice(["partition", "partition", "late", "loss", "kill", "hang"])
        where = {"node": rng.choice(list(topology.nodes))}
        if kind in STORMY:
            where = {"link": rng.choice(links(topology))}
        entry = STORMY.get(kind, {"kind": kind})
        entries.append({"at": {"seconds": begin}, "for": {"seconds": span}} | where | entry)
    return entries


@pytest.mark.parametrize("seed", range(30))
def test_random_cuts_lose_no_sample_and_make_no_verdict_unequal(model_of, seed):
    name = list(LIVELY)[seed % len(LIVELY)]
    trained, model = model_of(name)
    found = run(trained, *storm(trained.bundle.topology, seed))
    assert (found.predicted_N >= 0).all()
    assert model.unequal(found.kept) == []
