"""Fuses what several nodes deliver, over those that are present.

Max, average and concat have nothing to learn. Attention and gated fusion weigh the members by what
they deliver; an installed package adds others in the same form (ddnn.extensions).

Axes: N samples, M members (nodes whose vectors or maps are fused), then K classes or F, H, W.
Where no member of a sample is present the result is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ddnn.errors import ConfigError
from ddnn.extensions import load

Fuse = Callable[[Sequence[Tensor], Tensor], Tensor]


def fuse_max(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """Largest value over the present members; M tensors (N, ...) of one shape -> (N, ...).

    Members that tie share the gradient evenly; in the authors' code each has all of it
    (tried for one seed of the paper's table I, experiments/README.md).
    """
    stacked = torch.stack(list(values), dim=1)
    mask = _like(present_NM, stacked)
    largest = stacked.masked_fill(~mask, -torch.inf).amax(dim=1)
    return largest.masked_fill(~mask.any(dim=1), 0.0)


def fuse_average(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """Mean over the present members; M tensors (N, ...) of one shape -> (N, ...).

    The paper divides by all devices; with none absent that is the same.
    """
    stacked = torch.stack(list(values), dim=1)
    mask = _like(present_NM, stacked).to(stacked.dtype)
    return (stacked * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1.0)


def fuse_concat(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """Members side by side on axis 1, zeros for the missing: M x (N, F_m, ...) -> (N, sum F, ...).

    The members' F may differ. Where the sizes of maps do, all values: -> (N, sum of F H W, 1, 1).
    """
    if len({value.shape[2:] for value in values}) > 1:
        values = [value.flatten(1)[:, :, None, None] for value in values]
    together = torch.cat(list(values), dim=1)
    sizes = torch.tensor([value.shape[1] for value in values], device=together.device)
    present = present_NM.to(together.dtype).repeat_interleave(sizes, dim=1)
    return together * present.reshape(*present.shape, *[1] * (together.dim() - 2))


FUSE: dict[str, Fuse] = {"max": fuse_max, "average": fuse_average, "concat": fuse_concat}


class Fusion(nn.Module):
    """Max, average or concat."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
        """See FUSE."""
        return FUSE[self.name](values, present_NM)


class LearnedFusion(nn.Module):
    """A module that is given all members at once: (N, M, ...) and presence (N, M) as 0 and 1."""

    def __init__(self, net: nn.Module, shape: tuple[int, ...], members: int) -> None:
        super().__init__()
        self.net = net
        self.shapes = ((members, *shape), (members,))
        """Of the net's two inputs, without the batch."""

    def forward(self, values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
        """M tensors (N, ...) of one shape -> (N, ...)."""
        stacked = torch.stack(list(values), dim=1)
        fused: Tensor = self.net(stacked, present_NM.to(stacked.dtype))
        return fused


class Attention(nn.Module):
    """Weights of the members, softmax of w tanh(V x), x their maps' means; begins as average.

    Source: Ilse et al. 2018, equation 8, over present members.
    """

    HIDDEN = 16

    def __init__(self, members: int, shape: tuple[int, ...]) -> None:  # any number
        super().__init__()
        self.hidden = nn.Linear(shape[0], self.HIDDEN)
        self.weight = nn.Linear(self.HIDDEN, 1, bias=False)
        nn.init.zeros_(self.weight.weight)

    def forward(self, values: Tensor, present_NM: Tensor) -> Tensor:
        """(N, M, F, ...) -> (N, F, ...)."""
        logits_NM = self.weight(torch.tanh(self.hidden(_means(values))))[..., 0]
        weights_NM = torch.softmax(logits_NM - ABSENT * (1 - present_NM), dim=1) * present_NM
        return (values * _spread(weights_NM, values)).sum(dim=1)


class Gated(nn.Module):
    """Mean of the members with a weight a filter, a sigmoid of what all their filters say.

    Each member has a gate of its own, which knows how good that member is; begins as average.
    After Arevalo et al. 2017 (gated multimodal units), over present members.
    """

    def __init__(self, members: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight_MFF = nn.Parameter(torch.zeros(members, shape[0], shape[0]))
        self.bias_MF = nn.Parameter(torch.zeros(members, shape[0]))

    def forward(self, values: Tensor, present_NM: Tensor) -> Tensor:
        """(N, M, F, ...) -> (N, F, ...)."""
        weighed_NMF = (_means(values)[:, :, None] * self.weight_MFF).sum(dim=3)
        gates_NMF = torch.sigmoid(weighed_NMF + self.bias_MF) * present_NM[:, :, None]
        total_NF = gates_NMF.sum(dim=1).clamp_min(SMALLEST)
        fused = (values * _spread(gates_NMF, values)).sum(dim=1)
        return fused / _spread(total_NF, fused)


ABSENT = 1e4
"""Taken from the logit of a member that is not there."""
SMALLEST = 1e-6
"""Of a sum of gates; where no member is present it is 0."""
LEARNED: dict[str, Callable[[int, tuple[int, ...]], nn.Module]] = {
    "attention": Attention,
    "gated": Gated,
}


def build_fusion(name: str, members: int, shape: tuple[int, ...]) -> Fusion | LearnedFusion:
    """shape: of what a member delivers, without the batch: (F, H, W) or (K,).

    Raises ConfigError for a name that no installed package adds.
    """
    if name in FUSE:
        return Fusion(name)
    make = LEARNED.get(name) or load("aggregators", name, where="aggregator")
    net = make(members, shape)
    if not isinstance(net, nn.Module):
        raise ConfigError(
            f"aggregator: {name!r} gave a {type(net).__name__}, want a torch.nn.Module"
        )
    return LearnedFusion(net, shape, members)


def _means(values: Tensor) -> Tensor:
    """(N, M, F, ...) -> (N, M, F)."""
    return values if values.dim() == 3 else values.flatten(3).mean(dim=3)


def _spread(weights: Tensor, values: Tensor) -> Tensor:
    """With trailing axes of size 1, as many as `values` has more."""
    return weights.reshape(*weights.shape, *[1] * (values.dim() - weights.dim()))


def _like(present_NM: Tensor, stacked: Tensor) -> Tensor:
    """The mask as booleans with trailing axes of size 1, to spread over `stacked`."""
    shape = (*present_NM.shape, *[1] * (stacked.dim() - 2))
    return present_NM.bool().reshape(shape)
