"""Means and deviations of what sensors read, from training samples: they go into the bundle."""

from __future__ import annotations

import torch

from ddnn.data.multiview import MultiView
from ddnn.data.statistics import channel_statistics
from ddnn.model.joint import Joint
from ddnn.model.scaling import Readings


def fit_scaling(joint: Joint, samples: MultiView) -> None:
    """Sets the scaling of every device whose view is no image of bytes."""
    for name, array in zip(joint.topology.devices, samples.views.arrays, strict=True):
        scaling = joint.sections[name].scaling
        if isinstance(scaling, Readings):
            mean_C, deviation_C = map(torch.from_numpy, channel_statistics(array))
            scaling.set(mean_C, deviation_C)
