"""Emulated links are links that are used."""

import re

import pytest
from builders import star_topology

from ddnn.errors import ConfigError
from ddnn.run.links import check_links
from ddnn.share import names
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


def test_links_that_are_used_pass():
    check_links(star_topology(links=[{"from": "cam0", "to": "gateway"}]), source="x.yaml")
    for name in names("topologies"):
        check_links(read_topology(name), source=name)
