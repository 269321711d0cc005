"""Emulated links are links that are used."""

import re

import pytest
import yaml
from builders import MEASURED, star_topology

from ddnn.cli.options import topology_of
from ddnn.errors import ConfigError
from ddnn.run.links import check_links
from ddnn.topology import read_topology

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
