"""What a network costs: bytes on the links (paper, equation 1) and weight memory.

All of it follows from the topology alone.
"""

from __future__ import annotations

import math

from ddnn import blocks as described
from ddnn.topology import DEVICE, Exit, Section, Shape, Topology

SCORE_BYTES = 4
NORM_BITS = 32


def equation_1(*, classes: int, local_share: float, filters: int, values: int) -> float:
    """Payload bytes per device and sample: 4|C| + (1 - l) f o / 8.

    local_share: l, the part of the samples that exits locally, 0 to 1.
    filters: f of the last device layer; values: o, bits per filter of its output.
    Source: paper, section III-E, equation 1.
    """
    return SCORE_BYTES * classes + (1 - local_share) * filters * values / 8


def device_payload(topology: Topology, local_share: float) -> float:
    """As equation 1 for the devices of a topology: payload bytes per device and sample.

    The mean over devices where they differ. A device that holds the exit itself sends no scores.
    """
    payloads = [
        _scores_sent(topology, name) + (1 - local_share) * topology.feature_bytes(name)
        for name in topology.devices
    ]
    return sum(payloads) / len(payloads)


def section_bits(topology: Topology, name: str) -> int:
    """Weight memory of a node's section and head, in bits, as the authors count it.

    Weights at their width, one 32-bit number a batch norm layer.
    """
    section, shape = topology.section(name), topology.input_shape(name)
    bits, shape = _blocks_bits(section, shape), section.output(shape)
    rule = topology.tier(topology.nodes[name].role).exit
    return bits + (_head_bits(rule, section, shape, len(topology.classes)) if rule else 0)


def _scores_sent(topology: Topology, device: str) -> int:
    rule = topology.tier(DEVICE).exit
    return topology.score_bytes(device) if rule is not None and rule.at != device else 0


def _blocks_bits(section: Section, shape: Shape) -> int:
    bits = 0
    for block in section.blocks:
        bits += _block_bits(block, section, shape)
        shape = block.output(shape)
    return bits


def _block_bits(block: described.Block, section: Section, shape: Shape) -> int:
    width = block.weight_bits or section.weight_bits
    match block:
        case described.ConvP() | described.Conv():
            return 9 * shape.F * block.filters * width + NORM_BITS
        case described.FC():
            return shape.values * block.units * width + NORM_BITS
        case described.Residual():
            weights = 9 * (shape.F + block.filters) * block.filters
            norms = 2 if (block.activation_bits or section.activation_bits) == 32 else 3
            if block.stride == 1 and block.filters == shape.F:
                return weights * width + norms * NORM_BITS
            return weights * width + shape.F * block.filters * 32 + (norms + 1) * NORM_BITS


def _head_bits(rule: Exit, section: Section, shape: Shape, classes: int) -> int:
    head = rule.head(section)
    out = head.output(shape)
    inputs = math.prod((out.F, out.H // rule.pool, out.W // rule.pool))
    return _blocks_bits(head, shape) + inputs * classes * head.weight_bits + NORM_BITS
