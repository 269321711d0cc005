"""The topology file: tiers of sections, nodes with endpoints, deadlines. One file drives all.

A hierarchy is a list of tiers, the first `device`, the last `cloud`. Each node of a tier runs
that tier's section: its features go to the node's parent when asked, its scores to the node that
holds the tier's exit. A `gateway` has no section; it only holds an exit.

Axes: N samples, V views, K classes, C image channels, F filters, H, W.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import model_validator

from ddnn.blocks import TORCHVISION as TORCHVISION
from ddnn.blocks import Bits as Bits
from ddnn.blocks import Block as Block
from ddnn.blocks import Model as Model
from ddnn.blocks import Section as Section
from ddnn.blocks import Shape as Shape
from ddnn.deadlines import with_deadlines
from ddnn.errors import ConfigError
from ddnn.shipped import find
from ddnn.topology_check import check
from ddnn.topology_parts import AGGREGATORS as AGGREGATORS
from ddnn.topology_parts import CLOUD as CLOUD
from ddnn.topology_parts import COLLECTOR as COLLECTOR
from ddnn.topology_parts import DEVICE as DEVICE
from ddnn.topology_parts import GATEWAY as GATEWAY
from ddnn.topology_parts import INT8_STEPS as INT8_STEPS
from ddnn.topology_parts import MAX_NODES as MAX_NODES
from ddnn.topology_parts import SCORE_BYTES as SCORE_BYTES
from ddnn.topology_parts import Aggregator as Aggregator
from ddnn.topology_parts import ClassNames as ClassNames
from ddnn.topology_parts import Collector as Collector
from ddnn.topology_parts import Exit as Exit
from ddnn.topology_parts import FeatureCode as FeatureCode
from ddnn.topology_parts import Heartbeat as Heartbeat
from ddnn.topology_parts import Limits as Limits
from ddnn.topology_parts import Link as Link
from ddnn.topology_parts import Name as Name
from ddnn.topology_parts import Node as Node
from ddnn.topology_parts import OwnView as OwnView
from ddnn.topology_parts import Restart as Restart
from ddnn.topology_parts import ScoreType as ScoreType
from ddnn.topology_parts import Security as Security
from ddnn.topology_parts import ShownName as ShownName
from ddnn.topology_parts import Tier as Tier
from ddnn.topology_parts import View as View
from ddnn.topology_parts import ViewNames as ViewNames
from ddnn.topology_parts import ViewType as ViewType
from ddnn.topology_replicas import check_replicas, with_replicas
from ddnn.topology_structure import Structure
from ddnn.topology_structure import exit_name as exit_name


class Topology(Structure):
    """A checked topology file."""

    @model_validator(mode="before")
    @classmethod
    def _waits(cls, document: Any) -> Any:
        return with_replicas(with_deadlines(document))

    @model_validator(mode="after")
    def _fits_together(self) -> Topology:
        check_replicas(self)
        check(self)
        return self

    def with_endpoints(self, endpoints: dict[str, str]) -> Topology:
        """The same topology, listening elsewhere."""
        document = self.model_dump(mode="json")
        for name, endpoint in endpoints.items():
            place = document["collector"] if name == COLLECTOR else document["nodes"][name]
            place["endpoint"] = endpoint
        return Topology.model_validate(document)


def read_topology(path: str | Path) -> Topology:
    """The topology of a file, or of a name that ships with ddnn.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    from ddnn.extensions import known  # noqa: PLC0415  # a node reads no such file
    from ddnn.yamlfile import read_yaml  # noqa: PLC0415  # a node reads no YAML

    found = find("topologies", str(path))
    topology = read_yaml(found, Topology)
    if topology.has_modules:
        document = _with_whole_paths(topology.model_dump(mode="json"), found.absolute().parent)
        topology = Topology.model_validate(document)
    names = (*AGGREGATORS, *known("aggregators"))
    for key, name in topology.aggregators.items():
        if name not in names:
            raise ConfigError(f"{found}: {key}: got {name!r}, want any of {', '.join(names)}")
    return topology


def _with_whole_paths(part: Any, folder: Path) -> Any:
    """A part of a document whose blocks name files by whole paths, not beside the topology's."""
    if isinstance(part, list):
        return [_with_whole_paths(value, folder) for value in part]
    if not isinstance(part, dict):
        return part
    changed = {key: _with_whole_paths(value, folder) for key, value in part.items()}
    if isinstance(part.get("weights"), str) and not part["weights"].startswith(TORCHVISION):
        changed["weights"] = str(folder / part["weights"])
    if part.get("kind") == "onnx":
        changed["file"] = str(folder / part["file"])
    return changed
