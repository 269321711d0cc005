"""Fleet files that cannot be used are refused by name, before any socket is opened."""

from pathlib import Path

import pytest
from builders import star_topology
from networks import Trainer

from ddnn.errors import ConfigError
from ddnn.run.fleet import serve_fleet
from ddnn.run.fleet_sites import FleetFile
from ddnn.yamlfile import check_values


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ({"bundle": "b", "weight": 0}, "weight"),
        ({"bundle": "b", "samples_per_s": -1}, "samples_per_s"),
        ({"bundel": "b"}, "bundel: unknown key, did you mean 'bundle'"),
        (
            {"bundle": "b", "color": 1},
            r"color: unknown key \(known: bundle, keys, samples_per_s, w",
        ),
    ],
)
def test_a_wrong_value_is_named(site, said):
    with pytest.raises(ConfigError, match=said):
        check_values({"sites": {"north": site}}, FleetFile)


@pytest.mark.parametrize(
    ("name", "node", "said"),
    [
        ("east", "cloud", "is of topology 'star', want one with `name: east`"),
        ("star", "clod", "no node named 'clod'"),
        ("star", "cam0", "cam0 is a device"),
    ],
)
def test_a_site_that_cannot_be_served_is_named(
    name: str, node: str, said: str, tmp_path: Path, train: Trainer
):
    bundle, lines = train(star_topology(2), 8).bundle, list[str]()
    path = tmp_path / "fleet.yaml"
    path.write_text(f"sites: {{{name}: {{bundle: {bundle.folder}}}}}")
    with pytest.raises(ConfigError, match="none can be served"):
        serve_fleet(path, node, insecure=False, say=lines.append)
    assert len(lines) == 1
    assert said in lines[0]


def test_keys_are_wanted_where_the_fleet_file_has_them(tmp_path: Path, train: Trainer):
    topology, lines = star_topology(2, security={"curve": True}), list[str]()
    path = tmp_path / "fleet.yaml"
    path.write_text(f"sites: {{star: {{bundle: {train(topology, 8).bundle.folder}}}}}")
    with pytest.raises(ConfigError, match="none can be served"):
        serve_fleet(path, "cloud", insecure=False, say=lines.append)
    assert len(lines) == 1
    assert "sites.star.keys: got none, and its topology has security.curve" in lines[0]
