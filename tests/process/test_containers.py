"""The services of docker-compose.yaml as containers under runc, each at an address of its own, over
CURVE; needs root."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from builders import patient, star_topology
from containers import Container, can_run
from networks import Trained, Trainer
from spaces import NEEDED, Net, built
from waiting import wait_until

from ddnn.bundle.compose import compose_folder
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import Topology
from ddnn.wire.zeromq import make_key_pair

pytestmark = [
    pytest.mark.study,
    *NEEDED,
    pytest.mark.skipif(not can_run(), reason="needs runc"),
]
SERVICES = ("collector", "cam0", "cam1", "gateway", "cloud")
ADDRESSES = {name: f"10.79.0.{number}" for number, name in enumerate(SERVICES, 1)}
SAMPLES = 40


def star_with_limits() -> Topology:
    document = patient(star_topology(2, security={"curve": True})).model_dump(mode="json")
    document["nodes"]["cloud"]["restart"] = "always"
    document["nodes"]["cam0"]["limits"] = {"memory_mb": 512}
    return Topology.model_validate(document)


class Composed:
    """All services of a compose folder, none of them started."""

    def __init__(self, net: Net, folder: Path) -> None:
        self.trained: Trained = Trainer(folder / "trained")(star_with_limits(), SAMPLES)
        self.out, hosts = folder / "out", folder / "hosts"
        compose_folder(self.trained.bundle.folder, self.trained.samples, self.out, make_key_pair)
        hosts.write_text("".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
        document = yaml.safe_load((self.out / "docker-compose.yaml").read_text())
        self.containers = {
            name: Container(name, service, self.out, netspace=net.name(name), hosts=hosts)
            for name, service in document["services"].items()
        }
        self.nodes = [self.containers[name] for name in SERVICES[1:]]

    def said(self) -> str:
        return "\n".join(f"{each.name}: {each.log.read_text()}" for each in self.nodes)


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    for net in built(ADDRESSES):
        found = Composed(net, tmp_path)
        yield found
        for container in found.containers.values():
            container.remove()


def test_containers_answer_every_sample_also_after_one_was_killed(composed):
    for node in composed.nodes:
        node.start()
    cloud, cam0 = composed.containers["cloud"], composed.containers["cam0"]
    wait_until(lambda: all(node.is_healthy() for node in composed.nodes))
    cloud.kill()
    wait_until(lambda: cloud.starts == 2)
    wait_until(cloud.is_healthy)

    assert cam0.execute("-c", "import os; print(os.getuid())").stdout == "65532\n"
    for folder in ("/", "/ddnn", "/site/ddnn"):
        assert "Read-only" in cam0.execute("-c", f"open('{folder}/new', 'w')").stderr
    assert "No module named 'torch'" in cam0.execute("-c", "import torch").stderr

    collector = composed.containers["collector"]
    collector.start()
    assert collector.wait(90) == 0, collector.log.read_text() + composed.said()
    for node in composed.nodes:
        assert node.wait(60) == 0, composed.said()  # told to stop: not started again
    with (composed.out / "collector/report/verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = run_inprocess(composed.trained.bundle, composed.trained.samples.views)
    names = composed.trained.bundle.topology.classes
    assert [row["predicted"] for row in rows] == [names[k] for k in wanted.predicted_N]
    assert {row["exit"] for row in rows} == {"local", "cloud"}
    assert {row["degraded"] for row in rows} == {"0"}
