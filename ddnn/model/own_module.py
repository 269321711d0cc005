"""Modules that a topology names by what makes them, and what running them once tells.

A topology, or a run that is opened, can name any function that is installed; called is only what
says of itself that it gives a torch.nn.Module: a class of modules, or a function annotated so.
"""

from __future__ import annotations

import importlib
import os
import sys
import typing
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ddnn import blocks as described
from ddnn.blocks import Measured
from ddnn.errors import ConfigError, ShapeError
from ddnn.extensions import load
from ddnn.topology import Shape

Factory = Callable[..., nn.Module]
LEAST_MOMENTUM = 0.1
"""Torch's own default. With 0.01, as in torchvision's MobileNetV3, the statistics of a batch norm
are those of hundreds of batches ago, and a training of a few epochs ends at chance
(docs/own-networks.md)."""


class ModuleBlock(nn.Module):
    """A module of the user's: float32 maps in and out."""

    def __init__(self, block: described.Module, shape: Shape) -> None:
        super().__init__()
        self.output_bits = 32
        self.factory = block.factory
        self.weights = block.weights
        self.input_shape = shape
        self.net = make_module(block)
        for norm in self.net.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.momentum is not None:
                norm.momentum = max(norm.momentum, LEAST_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        return as_maps(self.net(x.contiguous()))


def as_maps(x: Tensor) -> Tensor:
    """(N, F) as maps of one value each, (N, F, L) as maps of one row.

    Raises ShapeError for anything else but (N, F, H, W).
    """
    if not isinstance(x, Tensor) or x.dim() not in (2, 3, 4):
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ShapeError(f"gave {got}, want (N, F), (N, F, L) or (N, F, H, W)")
    if x.dim() == 2:
        return x[:, :, None, None]
    return x[:, :, None] if x.dim() == 3 else x


def make_module(block: described.Module) -> nn.Module:
    """Raises ConfigError where the factory is not there, or does not give a module."""
    factory = find_factory(block.factory)
    try:
        module = factory(**block.args)
    except ConfigError:
        raise
    except Exception as error:  # whatever a foreign function does
        raise _failed(block, "called", error) from error
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"{block.factory}: gave a {type(module).__name__}, want a torch.nn.Module"
        )
    return module


def find_factory(name: str) -> Factory:
    """What is named PACKAGE.MODULE:NAME, or what an installed package adds under a name.

    Raises ConfigError where it cannot be imported, or does not say that it gives a module.
    """
    where, _, path = name.partition(":")
    if not path:
        return load("blocks", name, where="factory")
    try:
        thing: Any = _imported(where)
        for part in path.split("."):
            thing = getattr(thing, part)
    except Exception as error:  # whatever a foreign module's import does
        raise ConfigError(
            f"{name}: {type(error).__name__}: {error}; want it installed, in the folder that ddnn "
            "is started in, or in one of PYTHONPATH"
        ) from error
    if not _gives_module(thing):
        raise ConfigError(
            f"{name}: want a class of torch.nn.Module, or a function annotated to return one"
        )
    factory: Factory = thing
    return factory


def _imported(name: str) -> Any:
    """Also from the working folder, the last place to look, as `python -m` and notebooks do."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package, here = name.partition(".")[0], os.getcwd()
        if error.name != package or here in sys.path:
            raise
        sys.path.append(here)
        return importlib.import_module(name)


def measure(
    block: described.Module, shape: Shape, try_out: Callable[[ModuleBlock], object] | None = None
) -> Measured:
    """Runs the module once for an input of this shape.

    try_out: what else to do with it.
    Raises ConfigError where it fails or gives no maps; or, where the topology says already what it
    gives, something else.
    """
    module = ModuleBlock(block, shape).eval()
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            out = module(torch.zeros(1, *shape))
    except ShapeError as error:
        raise ConfigError(f"{block.factory}: {error}") from error
    except Exception as error:  # whatever a foreign module does
        raise _failed(block, f"run on maps of {_size(shape)}", error) from error
    if len(out) != 1 or not out.numel():
        raise ConfigError(f"{block.factory}: gave {tuple(out.shape)} for 1 sample, want (1, F, …)")
    found = Measured(
        shape=(out.shape[1], out.shape[2], out.shape[3]),
        weights=sum(weight.numel() for weight in module.parameters()),
        macs=counter.get_total_flops() // 2,
    )
    if block.measured not in (None, found):
        raise ConfigError(f"{block.factory}: measured: got {block.measured}, want {found}")
    if try_out is not None:
        try_out(module)
    return found


def _failed(block: described.Module, how: str, error: Exception) -> ConfigError:
    words = str(error).strip().splitlines() or [""]
    return ConfigError(f"{block.factory}: {how}: {type(error).__name__}: {words[0]}")


def _gives_module(thing: object) -> bool:
    if isinstance(thing, type):
        return issubclass(thing, nn.Module)
    try:
        given = typing.get_type_hints(thing).get("return")
    except (AttributeError, NameError, TypeError):  # no annotations, or of nothing there
        return False
    return isinstance(given, type) and issubclass(given, nn.Module)


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))
