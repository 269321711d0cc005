"""Exits: the head that scores classes at each node of a tier, and the fusion of these scores.

Axes: N samples, M members, K classes, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ddnn.model.aggregate import build_fusion
from ddnn.model.blocks import Linear, Norm1d, build_block
from ddnn.topology import INT8_STEPS, Exit, ScoreType, Section, Shape

FLOAT16_MAX = 65504.0


class Head(nn.Module):
    """Blocks of its own if any, average pool, fully connected layer, batch norm: class scores.

    Source: paper, IV-C (a floating-point vector per class) and the authors' code; blocks as in
    BranchyNet (Teerapittayanon et al. 2016), whose early exits are deeper than late ones.
    """

    def __init__(self, rule: Exit, section: Section, shape: Shape, classes: int) -> None:
        super().__init__()
        self.pool = rule.window
        self.score_type = rule.scores
        described = rule.head(section)
        self.blocks = nn.Sequential()
        for block in described.blocks:
            self.blocks.append(build_block(block, described, shape))
            shape = block.output(shape)
        self.linear = Linear(rule.pooled(shape).values, classes, bits=described.weight_bits)
        self.norm = Norm1d(classes)

    def forward(self, features_NFHW: Tensor) -> Tensor:
        """Scores (N, K)."""
        maps_NFHW = self.blocks(features_NFHW)
        if self.pool != (1, 1):
            maps_NFHW = F.avg_pool2d(maps_NFHW, self.pool)
        scores_NK: Tensor = self.norm(self.linear(maps_NFHW.flatten(1)))
        return round_scores(scores_NK, self.score_type)


def round_scores(scores_NK: Tensor, score_type: ScoreType) -> Tensor:
    """Scores as they arrive at the exit. The gradient passes as if nothing were rounded."""
    match score_type:
        case "float32":
            return scores_NK
        case "float16":
            rounded = scores_NK.detach().clamp(-FLOAT16_MAX, FLOAT16_MAX).half().float()
        case "int8":
            rounded = (scores_NK.detach() * INT8_STEPS).round().clamp(-128, 127) / INT8_STEPS
    return scores_NK + (rounded - scores_NK.detach()) if scores_NK.requires_grad else rounded


class ExitFusion(nn.Module):
    """The logits of an exit from its members' scores, before the softmax (paper, section III-B).

    Concatenated scores go through a learned map back to K classes (linear and batch norm).
    """

    def __init__(self, rule: Exit, section: Section, *, members: int, classes: int) -> None:
        super().__init__()
        self.fusion = build_fusion(rule.aggregator, members, (classes,))
        self.linear: Linear | None = None
        self.norm: Norm1d | None = None
        if rule.aggregator == "concat":
            bits = rule.weight_bits or section.weight_bits
            self.linear = Linear(members * classes, classes, bits=bits)
            self.norm = Norm1d(classes)

    def forward(self, scores: Sequence[Tensor], present_NM: Tensor) -> Tensor:
        """M tensors (N, K) -> logits (N, K)."""
        fused: Tensor = self.fusion(scores, present_NM)
        if self.linear is None or self.norm is None:
            return fused
        logits_NK: Tensor = self.norm(self.linear(fused))
        return logits_NK
