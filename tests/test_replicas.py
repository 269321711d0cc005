"""Nodes with replicas: the topology that has them, and the whole network run with them."""

import numpy as np
import pytest
from builders import star, star_topology
from networks import Trainer
from pydantic import ValidationError

from ddnn.bundle.load import Bundle
from ddnn.bundle.place import place_bundle
from ddnn.errors import ConfigError
from ddnn.nodes.recorder import Recorder
from ddnn.run.failures.plan import plan_of
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import link_counts
from ddnn.simulation.profile import Profile
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import Laboratory
from ddnn.simulation.study import run_seed
from ddnn.topology import Topology, read_topology
from ddnn.wire.messages import Kind
from ddnn.wire.routes import routes, watchers


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


def replicated(**replicas) -> Topology:
    """A star whose nodes have so many replicas, far from each other's ports."""
    document = star()
    for place, (name, number) in enumerate(replicas.items()):
        document["nodes"][name]["endpoint"] = f"tcp://127.0.0.1:{21000 + 100 * place}"
        document["nodes"][name]["replicas"] = number
    return Topology.model_validate(document)


def test_a_number_of_replicas_adds_nodes_at_the_ports_that_follow():
    topology = replicated(cloud=3)
    assert topology.replicas("cloud") == ("cloud", "cloud-2", "cloud-3")
    assert topology.endpoint("cloud-3") == "tcp://127.0.0.1:21002"
    assert topology.members("cloud") == ("cloud",)
    assert topology.section_nodes == star_topology().section_nodes
    assert topology.children("cloud-2") == topology.children("cloud")


def test_replicas_can_be_given_endpoints_or_a_place_of_their_own():
    document = star()
    document["nodes"]["cloud"]["replicas"] = ["tcp://127.0.0.1:21100"]
    document["nodes"]["gateway-2"] = {
        "replica_of": "gateway",
        "endpoint": "tcp://127.0.0.1:21200",
        "host": "north",
    }
    topology = Topology.model_validate(document)
    assert topology.endpoint("cloud-2") == "tcp://127.0.0.1:21100"
    assert topology.nodes["gateway-2"].host == "north"
    assert topology.nodes["gateway"].replicas == 2


def test_a_topology_with_replicas_is_read_back_as_it_was():
    topology = replicated(cloud=2, gateway=2)
    again = Topology.model_validate(topology.model_dump(mode="json"))
    assert again.digest == topology.digest


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"cam0": {"replicas": 2}}, "nodes.cam0.replicas: got 2 of a device"),
        ({"cloud": {"replicas": 0}}, "greater than or equal to 1"),
        ({"cloud": {"replicas": ["nowhere"]}}, "nodes.cloud-2.endpoint"),
        ({"gateway": {"replicas": 2}}, "nodes.gateway-2.endpoint: tcp://127.0.0.1:20005 is"),
        ({"x": {"replica_of": "y", "endpoint": "tcp://127.0.0.1:9"}}, "no other node named 'y'"),
        (
            {"x": {"replica_of": "cam0", "endpoint": "tcp://127.0.0.1:9"}},
            "nodes.cam0.replicas: got 2 of a device",
        ),
        (
            {"x": {"replica_of": "cloud", "parent": "gateway", "endpoint": "tcp://127.0.0.1:9"}},
            "nodes.x.parent: differs from cloud's",
        ),
    ],
)
def test_what_cannot_be_replicated_is_refused_by_name(nodes, message):
    document = star()
    for name, keys in nodes.items():
        document["nodes"][name] = document["nodes"].get(name, {}) | keys
    with pytest.raises((ConfigError, ValidationError)) as refused:
        Topology.model_validate(document)
    assert message in str(refused.value)


def test_whoever_chooses_among_replicas_hears_their_heartbeats():
    topology = replicated(cloud=2)
    assert ("cam0", "cloud-2", Kind.FEATURES) in routes(topology)
    assert ("cloud-2", "cam0", Kind.HEARTBEAT) in routes(topology)
    assert {"cam0", "gateway"} <= watchers(topology, "cloud-2")
    assert ("cloud", "cam0", Kind.HEARTBEAT) not in routes(star_topology())


def rows(collector: Recorder, receiver: str, kind: Kind) -> int:
    counts = link_counts(collector.accounts)
    return sum(c.rows for c in counts if c.link[1] == receiver and c.kind is kind)


def answered(collector: Recorder) -> np.ndarray:
    columns = collector.predicted_N, collector.exit_N, collector.present_NV
    return np.column_stack(columns).astype(int)


def test_replicas_share_the_samples_and_answer_as_one_node_does(train, tmp_path):
    trained = train(star_topology(), 90)
    views = trained.samples.views_NVCHW
    alone = run_inprocess(trained.bundle, views)
    shared = place_bundle(trained.bundle.folder, replicated(cloud=3, gateway=2), tmp_path / "b")
    collector = run_inprocess(shared, views)
    assert (answered(collector) == answered(alone)).all()
    assert not collector.degraded_N.any()
    for names, kind in [
        (("cloud", "cloud-2", "cloud-3"), Kind.FEATURES),
        (("gateway", "gateway-2"), Kind.SCORES),
    ]:
        shares = [rows(collector, name, kind) for name in names]
        assert sum(shares) == rows(alone, names[0], kind)
        assert min(shares) > 0


def test_the_samples_of_a_dead_replica_go_to_the_others(train, tmp_path):
    trained = train(star_topology(), 90)
    shared = place_bundle(trained.bundle.folder, replicated(cloud=2, gateway=2), tmp_path / "b")
    plan = plan_of(shared.topology, kills=["cloud-2@20", "gateway@40"])
    collector = run_inprocess(shared, trained.samples.views_NVCHW, plan=plan, window=8)
    alone = run_inprocess(trained.bundle, trained.samples.views_NVCHW)
    calm = ~collector.degraded_N
    assert (answered(collector) == answered(alone))[calm].all()
    assert calm[48:].all()
    assert 0 < (~calm).sum() <= 16


@pytest.mark.parametrize("seed", range(3))
def test_replicas_keep_the_promises_in_storms(seed, train, tmp_path):
    trained = train(star_topology(), 60)
    shared = place_bundle(trained.bundle.folder, replicated(cloud=2, gateway=3), tmp_path / "b")
    assert broken_in_a_storm(shared, trained.samples.views_NVCHW, seed) is None


@pytest.mark.parametrize("name", ["edge-fallback", "f-edges-cloud"])
def test_edges_with_replicas_keep_the_promises_in_storms(name, train, tmp_path):
    trained = train(read_topology(name), 60)
    document = trained.bundle.topology.model_dump(mode="json")
    for place, node in enumerate(document["nodes"].values()):
        if node["role"] not in ("device", "gateway"):
            start = f"tcp://127.0.0.1:{22000 + 10 * place}"
            node.update(endpoint=start, replicas=2)
    topology = Topology.model_validate(document)
    shared = place_bundle(trained.bundle.folder, topology, tmp_path / "b")
    assert broken_in_a_storm(shared, trained.samples.views_NVCHW, seed=1) is None


def broken_in_a_storm(bundle: Bundle, views_NVCHW: np.ndarray, seed: int) -> object:
    laboratory = Laboratory(bundle, views_NVCHW, Profile())
    name = bundle.topology.name
    schedule = Schedule(topology=name, seed=seed, samples=600, window=16, shifted_clocks=True)
    return run_seed(laboratory, schedule, storm_per_s=10).broken
