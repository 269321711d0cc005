"""Parts of a known network: from its beginning, or behind a named layer, up to another.

A topology cuts a network in two by naming the same layer twice:

    device  {kind: module, factory: "ddnn.model.part:part",
             args: {of: "torchvision.models:mobilenet_v3_small", upto: features.3}}
    cloud   {kind: module, factory: "ddnn.model.part:part",
             args: {of: "torchvision.models:mobilenet_v3_small", after: features.3}}

Weights keep the names that they have in the whole network, so that its weights fit its parts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from ddnn.errors import ConfigError
from ddnn.model.own_module import find_factory

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels from 0 to 1: what torchvision's weights were trained with."""


class Normalize(nn.Module):
    """Colour as torchvision's pre-trained networks want it, of a device's pixels divided by 256."""

    def __init__(self) -> None:
        super().__init__()
        mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
        self.register_buffer("factor", (256 / 255 / deviation)[:, None, None], persistent=False)
        self.register_buffer("shift", (-mean / deviation)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.get_buffer("factor") + self.get_buffer("shift")


def part(
    of: str,
    *,
    after: str | None = None,
    upto: str | None = None,
    args: Mapping[str, Any] | None = None,
) -> fx.GraphModule:
    """The layers of a network behind one layer (none: from the beginning) up to another (none: to
    the end), which is still in it.

    of: its factory, PACKAGE.MODULE:NAME. args: what that is called with.
    Raises ConfigError for a layer that is not there, or past which something else goes.
    """
    model = find_factory(of)(**(args or {})).eval()
    graph = trace(model, {name for name in (after, upto) if name is not None})
    if upto is not None:
        _end_at(graph, _layer(graph, upto, of))
    if after is not None:
        _begin_behind(graph, _layer(graph, after, of))
    _prune(graph)
    if not any(node.target == "view" for node in graph.nodes):  # wants values in the usual order
        _channels_last(graph)
    return fx.GraphModule(model, graph).train()


def trace(model: nn.Module, whole: Collection[str] = ()) -> fx.Graph:
    """The model's operations; modules of these names are one each.

    Raises ConfigError for a model whose way depends on its input.
    """
    try:
        return _Tracer(whole).trace(model)
    except Exception as error:  # torch raises of everything, and runs the model's own code
        raise ConfigError(
            f"{type(model).__name__}: cannot be cut: {type(error).__name__}: "
            f"{str(error).splitlines()[0]}"
        ) from error


class _Tracer(fx.Tracer):
    def __init__(self, whole: Collection[str]) -> None:
        super().__init__()
        self._whole = whole

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._whole or super().is_leaf_module(
            m, module_qualified_name
        )


def _layer(graph: fx.Graph, name: str, of: str) -> fx.Node:
    found = [node for node in graph.nodes if node.op == "call_module" and node.target == name]
    if len(found) != 1:
        layers = [str(node.target) for node in graph.nodes if node.op == "call_module"][:8]
        raise ConfigError(
            f"{of}: {len(found)} layers named {name!r}, want one (known: {', '.join(layers)}, …)"
        )
    layer: fx.Node = found[0]
    return layer


def _end_at(graph: fx.Graph, layer: fx.Node) -> None:
    output = next(node for node in graph.nodes if node.op == "output")
    output.args = (layer,)


def _channels_last(graph: fx.Graph) -> None:
    """The input in the order of memory in which depthwise layers train 1.8 times as fast."""
    given = next(node for node in graph.nodes if node.op == "placeholder")
    with graph.inserting_after(given):
        ordered = graph.call_method("contiguous", (given,), {"memory_format": torch.channels_last})
    given.replace_all_uses_with(ordered, delete_user_cb=lambda user: user is not ordered)


def _prune(graph: fx.Graph) -> None:
    """Without what nobody asks for."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)


def _begin_behind(graph: fx.Graph, layer: fx.Node) -> None:
    old = [node for node in graph.nodes if node.op == "placeholder"]
    with graph.inserting_before(old[0]):
        new = graph.placeholder("behind")
    layer.replace_all_uses_with(new)
    _prune(graph)
    for node in old:
        if node.users:
            past = ", ".join(str(user.target) for user in node.users)
            raise ConfigError(
                f"{layer.target}: {past} goes past it, and what follows needs it; want a "
                "layer through which everything passes"
            )
        graph.erase_node(node)
