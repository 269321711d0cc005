"""Where to cut a network between a device and a server. Needs `pip install 'ddnn[train]'`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddnn.blocks import Bits
from ddnn.data.checks import part_of
from ddnn.data.loading import load
from ddnn.errors import ConfigError
from ddnn.training.cuts import (
    CODED_SAMPLES,
    Conditions,
    Cut,
    measure_cuts,
    network_of,
    scaled_pixels,
)

if TYPE_CHECKING:
    from torch import nn


def cut(
    model: str | nn.Module,
    *,
    data: str | Path,
    split: str = "test",
    view: int = 0,
    args: Mapping[str, Any] | None = None,
    weights: str | None = None,
    imagenet: bool = False,
    samples: int = 4 * CODED_SAMPLES,
    bits: Bits = 8,
    link_kbps: float = 1000.0,
    server_speed: float = 10.0,
) -> tuple[Cut, ...]:
    """What each place costs at which a network can be cut in two, measured on this machine.

    model: a module, or its factory PACKAGE.MODULE:NAME, called with `args`. weights: what it begins
    with, as in a topology's block; without, its weights are random, and coded bytes and volume say
    little. data, split, view: pixels of which camera it sees. imagenet: scaled as torchvision's
    weights want. samples: as many. bits: of a value sent. link_kbps, server_speed: for the share of
    samples that have to be answered early; a server so many times as fast as this machine.
    Returns a row for each cut, from the view alone to the whole network on the device.
    Raises ConfigError for a model that cannot be cut or exported, DataError for too few samples.
    """
    part = part_of(load(data), split, card=data)
    if not 0 <= view < len(part.views.arrays):
        raise ConfigError(f"cut: view {view}, want one of {len(part.views.arrays)}, from 0 on")
    views_NCHW = part.views.arrays[view][:samples]
    if views_NCHW.dtype != "uint8":
        raise ConfigError(f"cut: views of {views_NCHW.dtype}, want pixels (uint8)")
    network = network_of(model, args or {}, weights) if isinstance(model, str) else model
    return measure_cuts(
        network,
        scaled_pixels(views_NCHW, imagenet=imagenet),
        view_bytes=views_NCHW[0].size,
        conditions=Conditions(bits=bits, link_kbps=link_kbps, server_speed=server_speed),
    )
