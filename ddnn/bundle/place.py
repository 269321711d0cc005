"""Puts a trained network at other addresses: the same sections under another topology file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import MANIFEST
from ddnn.bundle.split import copy_files, new_folder
from ddnn.errors import ConfigError
from ddnn.topology import Topology

ORDER = "nodes: order"
MAX_SHOWN = 60
"""Letters of a value in a message."""
_TOPOLOGY = ("name", "collector", "links", "heartbeat", "security")
_NODE = ("endpoint", "host", "restart", "limits", "replicas", "pack")
_TIER = ("deadline_ms",)
_EXIT = ("deadline_ms", "threshold")  # the bundle's own thresholds stay: they were calibrated


def place_bundle(folder: Path, topology: Topology, out: Path) -> Bundle:
    """Writes the bundle to `out` with `topology` in place of its own; its thresholds stay.

    The new bundle is of a session of its own. Raises ConfigError where the topology differs in
    more than places, links, deadlines and the like; BundleError for a damaged bundle or a place
    that cannot be written or is in use.
    """
    bundle = load_bundle(folder)
    topology = _measured_as(bundle.topology, topology)
    _check_same_network(bundle.topology, topology)
    manifest = bundle.manifest.model_copy(update={"topology": topology})
    with new_folder(out) as new:
        copy_files(bundle, manifest.sha256, new)
        (new / MANIFEST).write_bytes(manifest.to_bytes())
    return load_bundle(out)


def _measured_as(own: Topology, other: Topology) -> Topology:
    """The other topology, whose modules give what they were found to give in training."""
    if not other.has_modules:
        return other
    document, trained = other.model_dump(mode="json"), own.model_dump(mode="json")
    for tier, known in zip(document["tiers"], trained["tiers"], strict=False):
        _take_over(tier, known, "section")
        if tier["exit"] and known["exit"]:
            _take_over(tier["exit"], known["exit"], "blocks")
    for name in set(other.section_nodes) & set(own.section_nodes):
        if _bare(other.section(name).model_dump()) == _bare(own.section(name).model_dump()):
            document["nodes"][name]["section"] = trained["nodes"][name]["section"]
    return Topology.model_validate(document)


def _take_over(part: dict[str, Any], known: dict[str, Any], key: str) -> None:
    if _bare(part[key]) == _bare(known[key]):
        part[key] = known[key]


def _bare(part: Any) -> Any:
    """A part of a document without what training adds to modules, and began with."""
    if isinstance(part, dict):
        added = ("measured", "weights", "file")
        return {key: _bare(value) for key, value in part.items() if key not in added}
    return [_bare(value) for value in part] if isinstance(part, list | tuple) else part


def _check_same_network(own: Topology, other: Topology) -> None:
    wanted, found = _network(own), _network(other)
    keys = dict.fromkeys((*wanted, *found))
    for key in sorted(keys, key=lambda key: key.startswith(ORDER)):  # a new node changes both
        if wanted.get(key) != found.get(key):
            raise ConfigError(
                f"{key} of the new topology: got {_short(found.get(key))}, the network was trained "
                f"for {_short(wanted.get(key))}; want one that differs in places, links and times"
            )


def _short(value: Any) -> str:
    """Of what may be a whole section."""
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _network(topology: Topology) -> dict[str, Any]:
    """What was trained, by key path: everything but where and how fast it runs."""
    document = topology.model_dump(mode="json")
    found = {key: value for key, value in document.items() if key not in (*_TOPOLOGY, "nodes")}
    del found["tiers"]
    for number, tier in enumerate(document["tiers"]):
        for key, value in tier.items():
            if key == "exit" and value is not None:
                value = {k: v for k, v in value.items() if k not in _EXIT}  # noqa: PLW2901
            if key not in _TIER:
                found[f"tiers.{number}.{key}"] = value
    for name, node in document["nodes"].items():
        if node["replica_of"] is not None:
            continue
        found[f"nodes.{name}"] = {k: v for k, v in node.items() if k not in _NODE}
    for name in topology.section_nodes:  # a section's inputs are numbered, not named
        found[f"{ORDER} of {name}'s children"] = list(topology.children(name))
    for tier in topology.tiers:
        found[f"{ORDER} of tier {tier.name}"] = list(topology.members(tier.name))
    return found
