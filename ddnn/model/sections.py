"""A section: the blocks that one node runs, what it sends up, and its class scores.

Axes: N samples, C image channels, K classes, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ddnn.coding.coders import coder_of
from ddnn.coding.entropy import CONTEXTS
from ddnn.errors import ShapeError
from ddnn.model.aggregate import build_fusion
from ddnn.model.binary import activate
from ddnn.model.blocks import ConvBlock, Norm2d, build_block
from ddnn.model.exits import Head
from ddnn.model.scaling import Pixels, Readings, scaling_of
from ddnn.topology import DEVICE, Topology

RAW_BITS = 8
"""Of a pixel."""


class SectionOutput(NamedTuple):
    """What one node makes of its input."""

    features: Tensor | None  # (N, F, H, W), where the node has a parent
    scores: Tensor | None  # (N, K), where its tier has an exit
    seen: Tensor | None = None  # (N,) boolean, where a device says nothing of black views


class FeatureQuantizer(nn.Module):
    """Rounds features to the bits they travel with, when the blocks give finer ones.

    A batch norm first moves them into the quantizer's range; it starts with two standard
    deviations each side of the mean inside [0, 1] (k bits) or with the mean at 0 (1 bit).
    """

    def __init__(self, filters: int, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.norm = Norm2d(filters)
        if bits > 1:
            nn.init.constant_(self.norm.weight, 0.25)
            nn.init.constant_(self.norm.bias, 0.5)

    def forward(self, features_NFHW: Tensor) -> Tensor:
        return activate(self.norm(features_NFHW), self.bits)


class Section(nn.Module):
    """Blocks, then features for the parent and scores for the tier's exit."""

    def __init__(self, topology: Topology, name: str) -> None:
        super().__init__()
        node, section = topology.nodes[name], topology.section(name)
        tier = topology.tier(node.role)
        self.is_device = node.role == DEVICE
        self.skips_absent = topology.skips_absent
        shape = topology.input_shape(name)
        children = topology.children(name)
        self.fusion = (
            build_fusion(tier.aggregator, len(children), topology.feature_shape(children[0]))
            if children
            else None
        )
        self.blocks = nn.Sequential()
        output_bits = RAW_BITS
        for block in section.blocks:
            module = build_block(block, section, shape)
            self.blocks.append(module)
            shape, output_bits = block.output(shape), module.output_bits
        first = self.blocks[0] if self.is_device and len(self.blocks) else None
        if isinstance(first, ConvBlock) and first.conv.bits == 32 != section.activation_bits:
            first.conv.sums_pixels = True
        self.scaling: Pixels | Readings | None = None
        if self.is_device:
            view, bits = topology.view_of(name), section.activation_bits
            if section.blocks:
                bits = section.blocks[0].activation_bits or bits
            self.scaling = scaling_of(view, raw=first is None, rounds=bits != 32)
            self.view_type = view.type
        code = topology.feature_code(name)
        self._lossy = coder_of(topology, name) if code == "jpeg" else None
        if code == "entropy-coded":
            planes = topology.feature_shape(name).F * section.sent_bits
            even = torch.full((planes * CONTEXTS,), 128, dtype=torch.uint8)
            self.register_buffer("code_table_bytes", even)
        self.sends_features = node.parent is not None
        self.quantizer: FeatureQuantizer | None = None
        if self.sends_features and section.sent_bits not in (32, output_bits):
            self.quantizer = FeatureQuantizer(shape.F, section.sent_bits)
        self.head: Head | None = None
        if tier.exit is not None:
            self.head = Head(tier.exit, section, shape, len(topology.classes))

    def forward(self, x: Tensor) -> SectionOutput:
        """x: a device's views (N, C, H, W), or the fused maps (N, F, H, W)."""
        seen = None
        if self.scaling is not None:
            seen = x.flatten(1).any(dim=1) if self.skips_absent else None
            x = self.scaling(x)
        maps_NFHW = self.blocks(x)
        features = scores = None
        if self.sends_features:
            features = maps_NFHW if self.quantizer is None else self.quantizer(maps_NFHW)
        if self.head is not None:
            scores = self.head(maps_NFHW)
        return SectionOutput(features, scores, seen)

    def fuse(self, maps: Sequence[Tensor], present_NM: Tensor) -> Tensor:
        """What the children sent, each (N, F, H, W), as the section gets it."""
        if self.fusion is None:
            raise ShapeError("a device fuses nothing, want its views")
        fused: Tensor = self.fusion(maps, present_NM)
        return fused

    def arrived(self, features_NFHW: Tensor) -> Tensor:
        """What the parent gets of the features: less than was sent where they lose on the way."""
        if self._lossy is None:
            return features_NFHW
        codes = self._lossy.encode(features_NFHW.cpu().numpy())
        arrived = torch.from_numpy(self._lossy.decode(b"".join(codes), len(codes)))
        return arrived.to(features_NFHW.device)

    @property
    def code_table(self) -> bytes | None:
        """How likely the features' bits are (coding.entropy), where they are entropy-coded."""
        found = dict(self.named_buffers(recurse=False)).get("code_table_bytes")
        return None if found is None else bytes(found.tolist())

    @code_table.setter
    def code_table(self, table: bytes) -> None:
        self.get_buffer("code_table_bytes").copy_(torch.tensor(list(table)))
