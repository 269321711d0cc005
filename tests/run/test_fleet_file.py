"""Fleet files and sites that cannot be used are named; the other sites are served."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import random_views, star_topology
from networks import Trainer, random_bundle, random_joint
from ports import free_endpoints
from waiting import wait_until

from ddnn.errors import ConfigError
from ddnn.nodes.engine import Engine
from ddnn.run import fleet_sites
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


@pytest.fixture
def own_signals() -> Iterator[None]:
    """A fleet sets handlers for its process's whole life."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("own_signals")
def test_what_one_site_raises_of_whatever_kind_costs_the_others_nothing(tmp_path, monkeypatch):
    """At the start and when the file is read again, each said in a line and with its place."""
    for seed, name in enumerate(("north", "south")):  # else they share their networks
        topology = star_topology(2, name=name)
        topology = topology.with_endpoints(free_endpoints(topology))
        samples = random_views(topology, 8)
        random_bundle(tmp_path / name, random_joint(topology, samples, seed), samples)
    (tmp_path / "fleet.yaml").write_text(
        "sites: {north: {bundle: north}, south: {bundle: south}}", encoding="utf-8"
    )

    def load(path: Path) -> Engine:
        if "south" in path.parts:
            raise ZeroDivisionError("of a kind that nobody foresaw")
        return Engine(path)

    monkeypatch.setattr(fleet_sites, "Engine", load)
    lines, failed = list[str](), "south: not served: ZeroDivisionError: of a kind that nobody"
    ignored = signal.getsignal(signal.SIGHUP)

    def ask_again_and_stop() -> None:
        wait_until(lambda: signal.getsignal(signal.SIGHUP) is not ignored)
        os.kill(os.getpid(), signal.SIGHUP)
        try:
            wait_until(lambda: "serves north" in lines)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    user = threading.Thread(target=ask_again_and_stop)
    user.start()
    serve_fleet(tmp_path / "fleet.yaml", "cloud", insecure=False, say=lines.append)
    user.join()
    assert [line.startswith(failed) for line in lines] == [False, True, False, True, False, False]
    assert lines[-1] == "serves north"
    assert all("in load\n" in lines[place] for place in (2, 4))
