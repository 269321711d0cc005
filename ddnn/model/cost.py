"""What a network costs: bytes on the links (paper, equation 1) and weight memory.

All of it follows from the topology alone.
"""

from __future__ import annotations

from ddnn.model.layers import block_layers, head_layers
from ddnn.topology import SCORE_BYTES, Topology


def equation_1(*, classes: int, local_share: float, filters: int, values: int) -> float:
    """Payload bytes per device and sample: 4|C| + (1 - l) f o / 8.

    local_share: l, the part of the samples that exits locally, 0 to 1.
    filters: f of the last device layer; values: o, bits per filter of its output.
    Source: paper, section III-E, equation 1.
    """
    return SCORE_BYTES["float32"] * classes + (1 - local_share) * filters * values / 8


def device_payload(topology: Topology, local_share: float) -> float:
    """As equation 1 for the devices of a topology: payload bytes per device and sample.

    The mean over devices where they differ. A device that holds the exit itself sends no scores.
    """
    payloads = [
        scores_sent(topology, name) + (1 - local_share) * topology.feature_bytes(name)
        for name in topology.devices
    ]
    return sum(payloads) / len(payloads)


def scores_sent(topology: Topology, name: str) -> int:
    """Payload of a sample's scores; none where the node holds its tier's exit itself."""
    rule = topology.tier(topology.nodes[name].role).exit
    return topology.score_bytes(name) if rule is not None and rule.at != name else 0


def section_bits(topology: Topology, name: str) -> int:
    """Weight memory of a node's section and head, in bits, as the authors count it.

    Weights at their width, one 32-bit number a batch norm layer.
    """
    layers = (*block_layers(topology, name), *head_layers(topology, name))
    return sum(layer.memory_bits for layer in layers)
