"""Emulated links are links that are used."""

import re

import pytest
import yaml
from builders import MEASURED, star, star_topology

from ddnn.cli.options import topology_of
from ddnn.errors import ConfigError
from ddnn.run.links import check_links
from ddnn.topology import Topology, read_topology
from ddnn.wire.faulty import emulated_faults

WRONG = {
    "never": (("cam0", "cam1"), "x.yaml: links.0.to: cam0 sends nothing to 'cam1', want one of "),
    "other way": (("cloud", "cam0"), "x.yaml: links.0.to: cloud sends nothing to 'cam0', want "),
    "collector": (("collector", "cam0"), "x.yaml: links.0.from: collector's links are not emul"),
}


@pytest.mark.parametrize(("link", "said"), WRONG.values(), ids=WRONG)
def test_a_link_on_which_nothing_travels_is_refused(link, said):
    topology = star_topology(links=[dict(zip(("from", "to"), link, strict=True))])
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}"):
        check_links(topology, source="x.yaml")


def test_links_that_are_used_pass(tmp_path):
    used = star_topology(links=[{"from": "cam0", "to": "gateway"}])
    path = tmp_path / "used.yaml"
    path.write_text(yaml.safe_dump(used.model_dump(mode="json")))
    assert topology_of(str(path)).links == used.links


@pytest.mark.parametrize("name", MEASURED)
def test_shipped_links_are_used(name):
    assert topology_of(name) == read_topology(name)


def test_a_link_holds_for_all_replicas_but_those_that_another_names():
    document = star(2)
    document["nodes"]["cloud"] |= {"replicas": 3, "endpoint": "tcp://127.0.0.1:21000"}
    document["nodes"]["gateway"] |= {"replicas": 2, "endpoint": "tcp://127.0.0.1:21010"}
    document["links"] = [
        {"from": "cam0", "to": "cloud", "latency_ms": 1},
        {"from": "cam0", "to": "cloud-3", "latency_ms": 2},
        {"from": "gateway", "to": "cam0", "latency_ms": 3},
        {"from": "gateway-2", "to": "cam0", "latency_ms": 4},
        {"from": "cloud", "to": "collector", "latency_ms": 5},
    ]
    topology = Topology.model_validate(document)

    def delays_ms(name: str) -> dict[str, float]:
        return {to: 1000 * fault.delay_s for to, fault in emulated_faults(name, topology)}

    assert delays_ms("cam0") == {"cloud": 1, "cloud-2": 1, "cloud-3": 2}
    assert delays_ms("cam1") == {}
    assert (delays_ms("gateway"), delays_ms("gateway-2")) == ({"cam0": 3}, {"cam0": 4})
    assert delays_ms("cloud-2") == {"collector": 5}
    check_links(topology, source="x.yaml")
