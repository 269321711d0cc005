"""Devices of equal make in one pass: a grouped convolution, then one pool, norm and activation.

Each device keeps its own weights and statistics, and what is computed is what each would compute
by itself, up to the order of sums. In channels-last memory the maps of all devices stand side by
side, so that pool and norm take many filters at a time in place of a handful. Weights of the same
name lie in one tensor, so that an update handles one for all devices in place of one for each.

Axes: N samples, V devices, C image channels, K classes, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddnn import blocks as described
from ddnn.model.binary import FEW_BITS, activate, grid_weight, quantize_weight, whole_steps
from ddnn.model.blocks import EPSILON, MOMENTUM, ConvBlock, Convolution, ConvPBlock, Norm1d, Norm2d
from ddnn.model.exits import Head, round_scores
from ddnn.model.sections import Section, SectionOutput
from ddnn.topology import DEVICE, Topology

MOST_FILTERS = 4
"""Of a device's block: six devices take 0.85 of the time together with 4, and 1.18 with 8."""


def are_alike(topology: Topology) -> bool:
    """Whether all devices see images of one shape, and their section is one that runs together."""
    names, tier = topology.devices, topology.tier(DEVICE)
    section = topology.section(names[0])
    first = topology.view_of(names[0])
    return (
        len(names) > 1
        and first.type == "uint8"
        and all(topology.view_of(name) == first for name in names)
        and all(topology.section(name) == section for name in names)
        and len(section.blocks) > 0
        and all(_is_small(block) for block in section.blocks)
        and (tier.exit is None or not tier.exit.head(section).blocks)
    )


def _is_small(block: described.Block) -> bool:
    return isinstance(block, described.ConvP | described.Conv) and block.filters <= MOST_FILTERS


class Together:
    """Sections of equal make, which share the memory of their weights and statistics.

    weights: by name within a section, of all V in one tensor (V, ...): what learns in place of the
        sections' own, which are views of it. statistics: the same of the norms' buffers.
    """

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = tuple(sections)
        self.weights: dict[str, nn.Parameter] = {}
        self.statistics: dict[str, Tensor] = {}
        for name, _ in sections[0].named_parameters():
            own = [section.get_parameter(name) for section in sections]
            whole = nn.Parameter(torch.stack([weight.detach() for weight in own]))
            for weight, part in zip(own, whole.detach(), strict=True):
                weight.data = part
            self.weights[name] = whole
        for path, module in sections[0].named_modules():
            if isinstance(module, Norm1d | Norm2d):
                for name, _ in module.named_buffers():
                    self.statistics[f"{path}.{name}"] = self._shared(path, name)

    def _shared(self, path: str, name: str) -> Tensor:
        norms = [section.get_submodule(path) for section in self._sections]
        whole = torch.stack([norm.get_buffer(name) for norm in norms])
        for norm, part in zip(norms, whole, strict=True):
            setattr(norm, name, part)
        return whole

    def run(self, views: Sequence[Tensor]) -> list[SectionOutput]:
        """What each section, in training, makes of its view (N, C, H, W)."""
        first, count = self._sections[0], len(self._sections)
        seen: list[Tensor | None] = [None] * count
        if first.skips_absent:
            seen = [view.flatten(1).any(dim=1) for view in views]
        if first.scaling is None:
            raise TypeError("a section without scaling is no device")
        x = first.scaling(torch.cat(list(views), dim=1))  # (N, V C, H, W)
        for number, block in enumerate(first.blocks):
            if isinstance(block, ConvPBlock | ConvBlock):
                x = self._block(f"blocks.{number}", block, x)
        maps = x.chunk(count, dim=1)  # of each device (N, F, H, W)
        features: Sequence[Tensor | None] = maps if first.sends_features else [None] * count
        scores: Sequence[Tensor | None] = [None] * count
        if first.head is not None:
            scores = self._scores(first.head, maps)
        return [SectionOutput(*each) for each in zip(features, scores, seen, strict=True)]

    def _block(self, path: str, block: ConvPBlock | ConvBlock, x: Tensor) -> Tensor:
        """(N, V C, H, W) -> (N, V F, H, W)."""
        x = self._convolve(f"{path}.conv", block.conv, x)
        if isinstance(block, ConvPBlock):
            x = F.max_pool2d(x, block.pool, block.pool_stride, block.pool_padding)
        return activate(self._norm(f"{path}.norm", x), block.output_bits)

    def _convolve(self, path: str, first: Convolution, x: Tensor) -> Tensor:
        weight = self._flat(f"{path}.weight")
        used = grid_weight(weight) if first.sums_pixels else quantize_weight(weight, first.bits)
        if first.bits in FEW_BITS:
            x = x * whole_steps(first.bits)
        count = len(self._sections)
        return F.conv2d(x, used, stride=first.stride, padding=first.padding, groups=count)

    def _norm(self, path: str, x: Tensor) -> Tensor:
        """The channels of all norms side by side; each norm gets its statistics."""
        mean, variance = (self.statistics[f"{path}.running_{name}"] for name in ("mean", "var"))
        self.statistics[f"{path}.num_batches_tracked"].add_(1)
        return F.batch_norm(
            x,
            mean.view(-1),
            variance.view(-1),
            self._flat(f"{path}.weight"),
            self._flat(f"{path}.bias"),
            training=True,
            momentum=MOMENTUM,
            eps=EPSILON,
        )

    def _scores(self, first: Head, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        """Of each device (N, K)."""
        count = len(self._sections)
        weight = quantize_weight(self._flat("head.linear.weight"), first.linear.bits)
        if first.pool != (1, 1):
            maps = [F.avg_pool2d(each, first.pool) for each in maps]
        found = [
            F.linear(each.flatten(1), own)
            for each, own in zip(maps, weight.chunk(count), strict=True)
        ]
        scores = self._norm("head.norm", torch.cat(found, dim=1))
        return round_scores(scores, first.score_type).chunk(count, dim=1)

    def _flat(self, name: str) -> Tensor:
        """(V, F, ...) as (V F, ...)."""
        return self.weights[name].flatten(0, 1)


def can_learn_together(sections: Sequence[Section]) -> bool:
    """Whether none of these devices, which are alike, is frozen or rounds its features anew."""
    return all(
        section.quantizer is None and all(weight.requires_grad for weight in section.parameters())
        for section in sections
    )
