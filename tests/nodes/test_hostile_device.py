"""One device of several, known and let in, that sends what nobody asked for. N samples, V views."""

import numpy as np
import pytest
from builders import star
from networks import Trainer
from speaker import Speaker

from ddnn.nodes.gather import SLOTS
from ddnn.run.failures.plan import plan_of, presence
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import link_counts
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.codec import Codec
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import MAX_ROWS, Features, Heartbeat, Kind, Scores

SAMPLES = 80
LIAR = "cam2"


def with_edge() -> Topology:
    """Three devices, an edge, a cloud; every tier has an exit."""
    document = star(3)
    section = document["tiers"][1]["section"]
    edge = {"name": "edge", "section": section, "exit": {"at": "edge0", "threshold": 0.8}}
    document["tiers"].insert(1, edge)
    endpoint = "tcp://127.0.0.1:20100"
    document["nodes"]["edge0"] = {"role": "edge", "parent": "cloud", "endpoint": endpoint}
    for view in range(3):
        document["nodes"][f"cam{view}"]["parent"] = "edge0"
    return Topology.model_validate(document)


class LiarsNetwork(MemoryNetwork):
    """In place of what the liar says comes a flood of well-formed messages of absurd samples."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self._codec = codec
        self._speaker = Speaker(codec, LIAR)
        self._rng = np.random.default_rng(0)

    def put(self, sender: str, receiver: str, data: bytes) -> bool:
        if sender == LIAR and data[1] in (Kind.SCORES, Kind.FEATURES):
            for start in range(0, SLOTS, MAX_ROWS):
                super().put(sender, receiver, self._absurd(Kind(data[1]), start))
            return True
        if sender == LIAR and data[1] != Kind.HELLO:
            data = self._numbered(data, receiver)
        return super().put(sender, receiver, data)

    def _absurd(self, kind: Kind, start: int) -> bytes:
        rounds = self._rng.integers(0, 9, MAX_ROWS).tolist()
        samples_N = [2**32 - 1 - start - n - SLOTS * back for n, back in enumerate(rounds)]
        views_N = [1 << 2] * MAX_ROWS
        if kind is Kind.SCORES:
            message = Scores(samples_N, views_N, np.full((MAX_ROWS, 3), 9, np.float32))
        else:
            shape = (MAX_ROWS, *with_edge().feature_shape(LIAR))
            message = Features(samples_N, views_N, np.ones(shape, np.float32))
        return self._speaker.says(message)

    def _numbered(self, data: bytes, receiver: str) -> bytes:
        """Its heartbeats and account go on, in order with the rest."""
        header = self._codec.read_header(data)
        message = self._codec.decode(header, data, receiver=receiver)
        if isinstance(message, Heartbeat):
            self._speaker.boot = message.boot
        return self._speaker.says(message)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Trainer(tmp_path_factory.mktemp("bundles"))(with_edge(), SAMPLES)


@pytest.mark.parametrize("window", [1, 64])
def test_what_a_liar_makes_up_costs_the_others_nothing_but_its_own_view(trained, window):
    """Verdicts are those of a run in which it is dead, on their way to every exit."""
    _, bundle, samples = trained
    plan = plan_of(bundle.topology, kills=[f"{LIAR}@0"])
    wanted = run_inprocess(bundle, samples.views, plan=plan, window=window)
    network = LiarsNetwork(Codec(bundle.topology, bundle.session))
    found = run_inprocess(bundle, samples.views, window=window, network=network)
    np.testing.assert_array_equal(found.present_NV, presence(plan, bundle.topology, SAMPLES))
    assert not found.degraded_N.any()
    for name in ("predicted_N", "exit_N", "entropy_N"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert set(np.unique(found.exit_N)) == {0, 1, 2}
    told = [c.rows for c in link_counts(found.accounts) if c.kind is Kind.VERDICT]
    assert sum(told) > 3 * SAMPLES  # more than one an exit: provisional answers to what it made up
    assert found.accounts[COLLECTOR].events == ()
