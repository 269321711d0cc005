"""Which weights learn, how fast, and in what bounds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ddnn.errors import ConfigError
from ddnn.model.blocks import Norm1d, Norm2d
from ddnn.model.joint import Joint
from ddnn.topology import exit_name
from ddnn.training.settings import Settings

WARM_UP = 0.25
"""Share of a one-cycle training in which the learning rate rises."""
TRUNK = ".trunk"
"""In `freeze`: a tier without its exit."""


def make_optimizer(joint: Joint, settings: Settings) -> torch.optim.Optimizer:
    """Adam with the paper's constants, or SGD with Nesterov's momentum; of what is not frozen.

    Raises ConfigError where everything is.
    """
    weights = _groups(joint, settings)
    if not weights:
        raise ConfigError(
            f"training: freeze: got {', '.join(settings.freeze)}, want a part left to train"
        )
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=rate, momentum=0.9, weight_decay=decay, nesterov=True, fused=True
        )
    return torch.optim.Adam(
        weights, lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay, fused=True
    )


def _groups(joint: Joint, settings: Settings) -> list[dict[str, Any]]:
    """What is trained, by learning rate: its share of the training's own is the group's `share`.

    Raises ConfigError for a tier that the topology does not have.
    """
    known = [tier.name for tier in joint.topology.tiers]
    for tier in settings.tier_rates:
        if tier not in known:
            raise ConfigError(f"training: tier_rates: got {tier!r}, want any of {', '.join(known)}")
    by_share: dict[float, list[Tensor]] = {}
    for (name, *_), weight in joint.weights_to_learn():
        kind, owner, _ = name.split(".", 2)
        topology = joint.topology
        tier = topology.nodes[owner].role if kind == "sections" else topology.exits[owner].name
        by_share.setdefault(settings.tier_rates.get(tier, 1.0), []).append(weight)
    return [
        {"params": weights, "share": share, "lr": share * settings.learning_rate}
        for share, weights in by_share.items()
    ]


def freeze(joint: Joint, parts: tuple[str, ...]) -> None:
    """Keeps the weights and statistics of these parts as they are.

    parts: TIER, its exit included, or TIER.trunk, without the exit.
    Raises ConfigError for a tier that the topology does not have.
    """
    known = [tier.name for tier in joint.topology.tiers]
    wanted = [name + part for name in known for part in ("", TRUNK)]
    for part in parts:
        if part not in wanted:
            raise ConfigError(f"training: freeze: got {part!r}, want any of {', '.join(wanted)}")
        tier = part.removesuffix(TRUNK)
        for node in joint.topology.members(tier):
            section = joint.sections[node]
            section.requires_grad_(False)
            if part != tier and section.head is not None:
                section.head.requires_grad_(True)
        if part == tier and exit_name(tier) in joint.topology.exits:
            joint.exits[exit_name(tier)].requires_grad_(False)


def learning_rate(settings: Settings, epoch: float) -> float:
    """At this point of the training.

    A cosine falls to 0 at the last epoch's end; one cycle rises for a quarter of the training and
    falls to 0 (Smith 2018), both in straight lines.
    """
    done = epoch / settings.epochs
    match settings.schedule:
        case "constant":
            share = 1.0
        case "cosine":
            share = (1 + math.cos(math.pi * done)) / 2
        case "one-cycle":
            share = min(done / WARM_UP, (1 - done) / (1 - WARM_UP))
    return settings.learning_rate * share


@torch.no_grad()
def clip_weights(joint: Joint, *, norms: bool) -> None:
    """Keeps weights of few bits in [-1, 1], where their gradient means something.

    norms: batch norm's parameters as well, as the authors' code does on a GPU.
    """
    found: list[Tensor] = []
    for module in joint.layers_and_norms:
        if not module.weight.requires_grad:
            continue  # frozen parts stay as they are
        if isinstance(module, Norm1d | Norm2d):
            found += [module.weight, module.bias] if norms else []
        elif module.bits != 32:
            found.append(module.weight)
    if found:
        torch._foreach_clamp_min_(found, -1.0)
        torch._foreach_clamp_max_(found, 1.0)
