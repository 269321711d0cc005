"""Devices of equal make in one pass: a grouped convolution, then one pool, norm and activation.

Each device keeps its own weights and statistics, and what is computed is what each would compute
by itself, up to the order of sums. In channels-last memory the maps of all devices stand side by
side, so that pool and norm take many filters at a time in place of a handful.

Axes: N samples, V devices, C image channels, K classes, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
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


def can_train_together(sections: Sequence[Section]) -> bool:
    """Whether none of these devices, which are alike, is frozen or rounds its features anew."""
    return all(
        section.quantizer is None
        and all(module.training for module in section.modules())
        and all(weight.requires_grad for weight in section.parameters())
        for section in sections
    )


def run_together(sections: Sequence[Section], views: Sequence[Tensor]) -> list[SectionOutput]:
    """What each section, in training, makes of its view (N, C, H, W)."""
    first, count = sections[0], len(sections)
    seen: list[Tensor | None] = [None] * count
    if first.skips_absent:
        seen = [view.flatten(1).any(dim=1) for view in views]
    if first.scaling is None:
        raise TypeError("a section without scaling is no device")
    x = first.scaling(torch.cat(list(views), dim=1))  # (N, V C, H, W)
    for blocks in zip(*(section.blocks for section in sections), strict=True):
        x = _block([b for b in blocks if isinstance(b, ConvPBlock | ConvBlock)], x)
    maps = x.chunk(count, dim=1)  # of each device (N, F, H, W)
    features: Sequence[Tensor | None] = maps if first.sends_features else [None] * count
    heads = [section.head for section in sections if section.head is not None]
    scores: Sequence[Tensor | None] = _scores(heads, maps) if heads else [None] * count
    return [SectionOutput(*each) for each in zip(features, scores, seen, strict=True)]


def _block(blocks: Sequence[ConvPBlock | ConvBlock], x: Tensor) -> Tensor:
    """(N, V C, H, W) -> (N, V F, H, W)."""
    first = blocks[0]
    x = _convolve([block.conv for block in blocks], x)
    if isinstance(first, ConvPBlock):
        x = F.max_pool2d(x, first.pool, first.pool_stride, first.pool_padding)
    return activate(_norm([block.norm for block in blocks], x), first.output_bits)


def _convolve(convolutions: Sequence[Convolution], x: Tensor) -> Tensor:
    first, count = convolutions[0], len(convolutions)
    weight = torch.cat([convolution.weight for convolution in convolutions])
    used = grid_weight(weight) if first.sums_pixels else quantize_weight(weight, first.bits)
    if first.bits in FEW_BITS:
        x = x * whole_steps(first.bits)
    return F.conv2d(x, used, stride=first.stride, padding=first.padding, groups=count)


def _norm(norms: Sequence[Norm1d | Norm2d], x: Tensor) -> Tensor:
    """All norms' channels side by side; each norm gets its statistics."""
    means = [norm.get_buffer("running_mean") for norm in norms]
    variances = [norm.get_buffer("running_var") for norm in norms]
    mean, variance = torch.cat(means), torch.cat(variances)
    weight, bias = torch.cat([norm.weight for norm in norms]), torch.cat([n.bias for n in norms])
    x = F.batch_norm(x, mean, variance, weight, bias, training=True, momentum=MOMENTUM, eps=EPSILON)
    size = norms[0].num_features
    for own, found in zip(means, torch.split(mean, size), strict=True):
        own.copy_(found)
    for own, found in zip(variances, torch.split(variance, size), strict=True):
        own.copy_(found)
    for norm in norms:
        norm.get_buffer("num_batches_tracked").add_(1)
    return x


def _scores(heads: Sequence[Head], maps: Sequence[Tensor]) -> Sequence[Tensor]:
    """Of each device (N, K)."""
    first, count = heads[0], len(heads)
    weight = quantize_weight(torch.cat([head.linear.weight for head in heads]), first.linear.bits)
    if first.pool != (1, 1):
        maps = [F.avg_pool2d(each, first.pool) for each in maps]
    found = [
        F.linear(each.flatten(1), own) for each, own in zip(maps, weight.chunk(count), strict=True)
    ]
    scores = _norm([head.norm for head in heads], torch.cat(found, dim=1))
    return round_scores(scores, first.score_type).chunk(count, dim=1)
