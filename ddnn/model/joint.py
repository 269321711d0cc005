"""The whole network of a topology: all sections and exits, trained as one.

Axes: N samples, V views, K classes, C image channels, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from ddnn.errors import ShapeError
from ddnn.model.blocks import Layer, Norm1d, Norm2d
from ddnn.model.exits import ExitFusion
from ddnn.model.sections import Section, SectionOutput
from ddnn.model.together import Together, are_alike, can_learn_together
from ddnn.topology import DEVICE, Topology

M = TypeVar("M", bound=nn.Module)


class ByName(nn.Module, Generic[M]):
    """Modules by node or exit name. nn.ModuleDict refuses names such as `cpu` or `items`."""

    def __init__(self, modules: Mapping[str, M]) -> None:
        super().__init__()
        self._modules.update(modules)

    def __getitem__(self, name: str) -> M:
        return self._modules[name]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointOutput:
    """Everything the network computes for N samples.

    logits: by exit name (local, then tiers), (N, K), before the softmax.
    scores: by node name, (N, K), for nodes whose tier has an exit.
    features: by node name, (N, F, H, W), what the node would send to its parent.
    """

    logits: dict[str, Tensor]
    scores: dict[str, Tensor]
    features: dict[str, Tensor]


class Joint(nn.Module):
    """`sections.NODE` and `exits.EXIT` of a topology."""

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self.topology = topology
        self.together: Together | None = None
        """Devices that run in one pass in training: faster, equal up to the order of sums."""
        self.sections = ByName({name: Section(topology, name) for name in topology.section_nodes})
        self.exits = ByName(
            {
                name: ExitFusion(
                    tier.exit,
                    tier.section,
                    members=len(topology.members(tier.name)),
                    classes=len(topology.classes),
                )
                for name, tier in topology.exits.items()
                if tier.exit is not None
            }
        )

        self.layers_and_norms = [
            module for module in self.modules() if isinstance(module, Layer | Norm1d | Norm2d)
        ]

    def learn_together(self) -> None:
        """From now on devices train in one pass, where they are alike and none is frozen.

        Before the optimizer is made: what it moves are the `weights_to_learn` then.
        """
        sections = [self.sections[name] for name in self.topology.devices]
        if are_alike(self.topology) and can_learn_together(sections):
            self.together = Together(sections)

    def weights_to_learn(self) -> Iterator[tuple[tuple[str, ...], Tensor]]:
        """Each with its name; what all devices have in one tensor (V, ...) with that of each."""
        devices = self.topology.devices if self.together is not None else ()
        prefixes = tuple(f"sections.{name}." for name in devices)
        if self.together is not None:
            for name, weight in self.together.weights.items():
                yield tuple(prefix + name for prefix in prefixes), weight
        for name, weight in self.named_parameters():
            if weight.requires_grad and not name.startswith(prefixes):
                yield (name,), weight

    def forward(
        self,
        views: Tensor | Sequence[Tensor],
        present_NV: Tensor | None = None,
        gone: Mapping[str, Tensor] | None = None,
        *,
        last_exit: str | None = None,
    ) -> JointOutput:
        """Every exit's logits for views, with only the present nodes' contributions.

        views: of each device (N, C, H, W), of its view's type; one tensor (N, V, C, H, W) will do.
        gone, last_exit: see `fuse`.
        Raises ShapeError when the views are not what the topology's devices see.
        """
        return self.fuse(self.perceive(views), present_NV, gone, last_exit=last_exit)

    def perceive(self, views: Tensor | Sequence[Tensor]) -> dict[str, SectionOutput]:
        """What each device makes of its view: independent of which others are present."""
        devices = self.topology.devices
        if isinstance(views, Tensor):
            views = views.unbind(1) if views.dim() > 1 else ()
        if len(views) != len(devices):
            raise ShapeError(f"views: got {len(views)}, want {len(devices)}, one a device")
        for name, view in zip(devices, views, strict=True):
            self._check_view(name, view)
        sections = [self.sections[name] for name in devices]
        if self.training and self.together is not None:
            return dict(zip(devices, self.together.run(views), strict=True))
        found = [section(view) for section, view in zip(sections, views, strict=True)]
        return dict(zip(devices, found, strict=True))

    def _check_view(self, name: str, view: Tensor) -> None:
        kind = self.topology.view_of(name)
        if view.dtype != getattr(torch, kind.type) or tuple(view.shape[1:]) != tuple(kind.shape):
            raise ShapeError(
                f"views of {name}: got {view.dtype} {tuple(view.shape)}, want torch.{kind.type} "
                f"(N, {', '.join(map(str, kind.shape))})"
            )

    def fuse(
        self,
        devices: Mapping[str, SectionOutput],
        present_NV: Tensor | None = None,
        gone: Mapping[str, Tensor] | None = None,
        *,
        last_exit: str | None = None,
    ) -> JointOutput:
        """Runs the tiers above the devices, and all exits.

        last_exit: nothing above it is computed; None: the last of all.

        present_NV: boolean, all present by default. A node above none of whose views is present
        counts as missing itself. gone: by name of a node above the devices, (N,) boolean, where
        it is missing all the same; its children's fallback then has their features.
        """
        outputs = dict(devices)
        present = self.presence(devices, present_NV, gone)
        exits = self._exits_up_to(last_exit)
        for name in self._above_devices(exits):
            children = self.topology.children(name)
            maps = [
                self.sections[child].arrived(_there(outputs[child].features, child))
                for child in children
            ]
            section = self.sections[name]
            outputs[name] = section(section.fuse(maps, self.delivered(present, name)))
        scores = {name: out.scores for name, out in outputs.items() if out.scores is not None}
        logits = {}
        for exit_name in exits:
            members = self.exit_members(exit_name)
            logits[exit_name] = self.exits[exit_name](
                [scores[name] for name in members], _columns(present, members)
            )
        features = {name: out.features for name, out in outputs.items() if out.features is not None}
        return JointOutput(logits=logits, scores=scores, features=features)

    def exit_members(self, name: str) -> tuple[str, ...]:
        """The nodes whose scores an exit fuses, in the order of Topology.section_nodes."""
        members = self.topology.members(self.topology.exits[name].name)
        return tuple(node for node in self.topology.section_nodes if node in members)

    def _exits_up_to(self, last: str | None) -> list[str]:
        names = list(self.topology.exits)
        return names if last is None else names[: names.index(last) + 1]

    def _above_devices(self, exits: list[str]) -> list[str]:
        """The nodes that these exits need, lowest first."""
        top = self.topology.exits[exits[-1]]
        tiers = self.topology.tiers[1 : self.topology.tiers.index(top) + 1]
        return [name for tier in tiers for name in self.topology.members(tier.name)]

    def delivered(self, present: Mapping[str, Tensor], name: str) -> Tensor:
        """(N, M): which children's features reach a node. A child that has it as fallback only
        sends there what its own parent could not take."""
        children = self.topology.children(name)
        columns = [
            present[child] if other is None else present[child] & ~present[children[other]]
            for child, other in zip(children, self.topology.stands_in(name), strict=True)
        ]
        return torch.stack(columns, dim=1)

    def presence(
        self,
        devices: Mapping[str, SectionOutput],
        present_NV: Tensor | None = None,
        gone: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Which samples each node has something to say about, (N,) boolean."""
        first = next(iter(devices.values()))
        value = first.features if first.features is not None else first.scores
        some = _there(value, DEVICE)
        if present_NV is None:
            present_NV = torch.ones(
                len(some), self.topology.views, dtype=torch.bool, device=some.device
            )
        present = {}
        for v, name in enumerate(self.topology.devices):
            seen = devices[name].seen
            present[name] = present_NV[:, v] if seen is None else present_NV[:, v] & seen
        for name in self.topology.section_nodes[self.topology.views :]:
            present[name] = self.delivered(present, name).any(dim=1)
            if gone is not None and name in gone:
                present[name] = present[name] & ~gone[name]
        return present


def _columns(present: Mapping[str, Tensor], names: tuple[str, ...]) -> Tensor:
    """(N, M) boolean."""
    return torch.stack([present[name] for name in names], dim=1)


def _there(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ShapeError(f"{name}: sends no features, want some for its parent")
    return value
