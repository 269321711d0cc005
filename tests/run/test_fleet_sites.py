"""A fleet keeps what it needs of a site while it serves it, and nothing after that."""

import gc
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from shutil import rmtree

import pytest
from builders import random_views, star_topology
from networks import random_bundle, random_joint
from ports import free_endpoints

from ddnn.bundle.place import place_bundle
from ddnn.errors import TransportError
from ddnn.nodes.engine import Engine
from ddnn.nodes.fleet import Fleet
from ddnn.run.fleet_sites import Site, Sites
from ddnn.wire.zeromq import Shared


class FleetByHand:
    """Serves the clouds of sites whose bundles are in `folder`, by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, list[str]()
        self._shared = Shared()
        self.sites = Sites(
            folder / "fleet.yaml",
            "cloud",
            insecure=False,
            shared=self._shared,
            say=self.said.append,
        )
        self._fleet = Fleet({}, say=self.said.append)

    def write(self, name: str, seed: int = 0) -> Site:
        """A bundle for the site; another network for another seed."""
        topology = star_topology(2, name=name)
        topology = topology.with_endpoints(free_endpoints(topology))
        samples, folder = random_views(topology, 8), self.folder / name
        rmtree(folder, ignore_errors=True)
        random_bundle(folder, random_joint(topology, samples, seed), samples)
        return Site(bundle=name)

    def open(self, name: str, site: Site) -> None:
        self._fleet.add(name, self.sites.begin(self.sites.load(name, site)))
        turns = count()
        self._fleet.run(lambda: next(turns) > 2)

    def close(self, name: str) -> None:
        self._fleet.remove(name)
        self.sites.close(name)

    def end(self) -> None:
        for name in self.sites.served:
            self.close(name)
        self._shared.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetByHand]:
    found = FleetByHand(tmp_path)
    yield found
    found.end()


def engines() -> int:
    """All that are loaded in this process; what only waits for the collector of cycles counts too,
    since a fleet's process takes what it has opened out of its reach (gc.freeze)."""
    return sum(issubclass(type(thing), Engine) for thing in gc.get_objects())


@pytest.fixture
def before() -> Iterator[int]:
    gc.collect()
    gc.disable()
    yield engines()
    gc.enable()


def test_engines_of_a_site_that_is_gone_are_let_go(fleet: FleetByHand, before: int):
    fleet.open("north", fleet.write("north", 0))
    one = engines() - before
    fleet.open("south", fleet.write("south", 1))
    assert engines() - before > one > 0
    fleet.close("south")
    assert engines() - before == one
    fleet.close("north")
    assert engines() == before


def test_sites_of_one_network_share_its_engines_until_the_last_is_gone(
    fleet: FleetByHand, before: int
):
    for name in ("north", "south"):
        fleet.open(name, fleet.write(name))
    shared = engines() - before
    fleet.close("north")
    assert engines() - before == shared > 0
    fleet.close("south")
    assert engines() == before


def test_a_site_with_a_new_bundle_keeps_no_engine_of_the_one_before(
    fleet: FleetByHand, before: int
):
    fleet.open("north", fleet.write("north"))
    one = engines() - before
    for seed in (1, 2, 3):
        site = fleet.write("north", seed)
        fleet.close("north")
        fleet.open("north", site)
        assert engines() - before == one > 0


def test_what_was_loaded_to_compare_it_is_what_is_opened(fleet: FleetByHand):
    """The bundle's manifest is read once: it may be gone by the time the site is opened."""
    loaded = fleet.sites.load("north", fleet.write("north"))
    (fleet.folder / "north" / "manifest.json").unlink()
    fleet.sites.begin(loaded)
    assert fleet.sites.served == ("north",)
    assert fleet.sites.is_as_opened(loaded)
    fleet.sites.close("north")


def test_two_sites_at_one_address_are_told_apart_by_name(fleet: FleetByHand):
    fleet.open("north", fleet.write("north"))
    manifest = (fleet.folder / "north" / "manifest.json").read_text(encoding="utf-8")
    taken = json.loads(manifest)["topology"]["nodes"]["cloud"]["endpoint"]
    south = star_topology(2, name="south")
    south = south.with_endpoints(free_endpoints(south) | {"cloud": taken})
    place_bundle(fleet.folder / "north", south, fleet.folder / "south")
    with pytest.raises(TransportError, match=f"^cloud is at {taken}, as site north's is; want a"):
        fleet.open("south", Site(bundle="south"))
    assert fleet.sites.served == ("north",)


def test_a_site_that_is_closed_can_be_opened_at_the_same_address_at_once(fleet: FleetByHand):
    site = fleet.write("north")
    for _ in range(30):
        fleet.open("north", site)
        fleet.close("north")
    assert len(fleet.said) == 30
