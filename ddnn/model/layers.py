"""Every convolution and fully connected layer of a topology: multiplications, weights, widths.

Axes: F filters, H, W.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ddnn import blocks as described
from ddnn.errors import ConfigError
from ddnn.topology import Bits, Section, Shape, Topology

PIXEL_BITS: Bits = 8
NORM_BITS = 32
"""Memory of a batch norm as the authors count it: one number a layer."""


class LayerCost(NamedTuple):
    """One layer working on one sample.

    macs: multiply-accumulates. norms: batch norms that belong to it.
    """

    macs: int
    weights: int
    weight_bits: Bits
    input_values: int
    input_bits: Bits
    norms: int = 1

    @property
    def mac_bits(self) -> Bits:
        """Width of a multiplication: that of the wider factor."""
        return max(self.weight_bits, self.input_bits)

    @property
    def memory_bits(self) -> int:
        """Weights at their width, batch norms as above."""
        return self.weights * self.weight_bits + self.norms * NORM_BITS


class _Passed(NamedTuple):
    """What a section's blocks cost, and what leaves them."""

    layers: list[LayerCost]
    shape: Shape
    bits: Bits


def block_layers(topology: Topology, name: str) -> list[LayerCost]:
    """Of a node's section, without the exit."""
    return _section(topology, name).layers


def head_layers(topology: Topology, name: str) -> list[LayerCost]:
    """Of a node's part in its tier's exit; none where the tier has no exit."""
    rule = topology.tier(topology.nodes[name].role).exit
    if rule is None:
        return []
    _, shape, bits = _section(topology, name)
    head = rule.head(topology.section(name))
    layers, out, bits = _blocks(head, shape, bits)
    inputs = rule.pooled(out).values
    weights = inputs * len(topology.classes)
    bits = 32 if rule.window != (1, 1) else bits
    return [*layers, LayerCost(weights, weights, head.weight_bits, inputs, bits)]


def _section(topology: Topology, name: str) -> _Passed:
    children = topology.children(name)
    bits: Bits = max((topology.section(child).sent_bits for child in children), default=PIXEL_BITS)
    if not children and topology.view_of(name).type != "uint8":
        bits = 32
    return _blocks(topology.section(name), topology.input_shape(name), bits)


def _blocks(section: Section, shape: Shape, bits: Bits) -> _Passed:
    """shape, bits: of what enters."""
    layers = []
    for block in section.blocks:
        layers += _layers(block, section, shape, bits)
        shape = block.output(shape)
        residual = isinstance(block, described.Residual)
        bits = 32 if residual else block.activation_bits or section.activation_bits
    return _Passed(layers, shape, bits)


def _layers(block: described.Block, section: Section, shape: Shape, bits: Bits) -> list[LayerCost]:
    """shape, bits: of what enters."""
    width = block.weight_bits or section.weight_bits
    match block:
        case described.ConvP() | described.Conv():
            return [_convolution(shape, block.convolved(shape), width, bits, block.kernel)]
        case described.FC():
            weights = shape.values * block.units
            return [LayerCost(weights, weights, width, shape.values, bits)]
        case described.Module():
            found = block.measured
            if found is None:
                raise ConfigError(f"{block.factory}: what it costs is not known before training")
            return [LayerCost(found.macs, found.weights, 32, shape.values, bits, norms=0)]
        case described.Onnx():
            raise ConfigError(f"{block.file}: how much it multiplies is not known")
        case described.Residual():
            out = block.output(shape)
            inner = block.activation_bits or section.activation_bits
            norms = 1 if inner == 32 else 2
            layers = [
                _convolution(shape, out, width, inner, block.kernel)._replace(norms=norms),
                _convolution(out, out, width, inner, block.kernel),
            ]
            if out != shape:
                layers.append(_convolution(shape, out, 32, bits, (1, 1)))
            return layers


def _convolution(
    shape: Shape, out: Shape, width: Bits, bits: Bits, kernel: tuple[int, int]
) -> LayerCost:
    weights = math.prod(kernel) * shape.F * out.F
    return LayerCost(weights * out.H * out.W, weights, width, shape.values, bits)
