"""The fair floor and one measured launch, on a small network."""

import json
import subprocess
import sys

import pytest
from builders import star_topology
from networks import Trainer

from ddnn.bench import fair, launched
from ddnn.topology import Topology


def deviceless_gateway() -> Topology:
    """A star whose exit is held by its first device."""
    star = star_topology().model_dump(mode="json")
    star["tiers"][0]["exit"]["at"] = "cam0"
    del star["nodes"]["gateway"]
    return Topology.model_validate(star)


@pytest.mark.process
@pytest.mark.parametrize(
    "topology", [star_topology(), deviceless_gateway()], ids=["gateway", "device"]
)
def test_the_fair_floor_answers_each_sample(train: Trainer, topology: Topology):
    found = fair.round_trips(train(topology, 8).bundle, 5)
    assert len(found.times_s) == 5
    assert found.used.switches > 0


@pytest.mark.process
def test_a_launch_is_measured_by_a_script_of_its_own(train: Trainer):
    bundle = train(star_topology(), 8).bundle
    config = {
        "bundle": str(bundle.folder),
        "exit": "cloud",
        "samples": 20,
        "rounds": 2,
        "window": 1,
        "idle_s": 0.2,
        "rate_hz": 1000,
    }
    done = subprocess.run(
        [sys.executable, "-P", launched.__file__, json.dumps(config)],
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert set(found["latency_us"]) == {"p50", "p95", "p99"}
    assert found["processor_us"] > 0
    assert found["switches"] > 0
    assert found["idle_core_share"] > 0
