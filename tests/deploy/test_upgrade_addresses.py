"""An upgrade whose hosts could not reach each other is refused before anything is sent."""

import pytest
from builders import random_views, star
from networks import random_bundle, random_joint

from ddnn.deploy.record import Deployment, read_record, write_record
from ddnn.deploy.rollout import upgrade
from ddnn.errors import ConfigError
from ddnn.topology import Topology


def topology(cloud: str) -> Topology:
    """Cameras, gateway and collector on host site, the cloud on host far, at this address."""
    document = star(1, security={"curve": True})
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cloud" else "site"
        node["endpoint"] = node["endpoint"].replace("127.0.0.1", "10.0.0.8")
    port = document["nodes"]["cloud"]["endpoint"].rpartition(":")[2]
    document["nodes"]["cloud"]["endpoint"] = f"tcp://{cloud}:{port}"
    document["collector"] = {"endpoint": "tcp://10.0.0.8:20000", "host": "site"}
    return Topology.model_validate(document)


def test_an_upgrade_to_addresses_that_a_host_cannot_reach_is_refused(tmp_path):
    new = topology(cloud="127.0.0.1")
    samples = random_views(new, 20)
    bundle = random_bundle(tmp_path / "bundle", random_joint(new, samples), samples)
    known = Deployment(topology="star", collector="site", hosts={})
    version = known.next_version("ab" * 32, 1, ())
    folder = tmp_path / "two"
    folder.mkdir()
    write_record(folder, known.with_version(version))

    def make_pair():
        raise AssertionError("keys are made before the addresses are looked at")

    with pytest.raises(
        ConfigError, match=r"nodes\.cloud\.endpoint: got .*127\.0\.0\.1.* cannot reach"
    ):
        upgrade(folder, bundle, samples, make_pair=make_pair, say=print)
    assert read_record(folder).current == version.name
