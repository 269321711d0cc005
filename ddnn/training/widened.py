"""What the preset `accurate` makes of a topology: devices that take more memory and send more."""

from __future__ import annotations

from typing import Any

from ddnn.errors import ConfigError
from ddnn.topology import DEVICE, Section, Topology

TIMES = 4
"""As many filters in each block of the devices."""
MAX_FILTERS = 1024


def widened(topology: Topology) -> Topology:
    """The same with TIMES as many filters on the devices, whose weights and values have 32 bits;
    what they send keeps its bits a value.

    Raises ConfigError where no device has blocks with filters.
    """
    document = topology.model_dump(mode="json")
    devices = [node for node in document["nodes"].values() if node["role"] == DEVICE]
    sections = [document["tiers"][0]["section"]]
    sections += [node["section"] for node in devices if node["section"] is not None]
    if not sum(_widen(section) for section in sections):
        raise ConfigError(
            f"preset accurate: {topology.name} has no device with blocks of filters, want some; "
            "other blocks are made wider by hand"
        )
    return Topology.model_validate(document)


def _widen(section: dict[str, Any]) -> int:
    """Changes a section; gives how many blocks have filters."""
    section["feature_bits"] = Section.model_validate(section).sent_bits
    wide = [block for block in section["blocks"] if "filters" in block]
    for block in wide:
        block["filters"] = min(TIMES * block["filters"], MAX_FILTERS)
        block["weight_bits"] = block["activation_bits"] = None
    if wide:
        section["weight_bits"] = section["activation_bits"] = 32
    return len(wide)
