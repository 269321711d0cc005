"""Batches of a multi-view data set: shuffled, augmented, with devices dropped out.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2

from ddnn.data.multiview import MultiView
from ddnn.data.storage import Rows
from ddnn.data.views import Views
from ddnn.topology import Topology
from ddnn.training.settings import Settings

GROUP = 8
"""Samples that share one draw of the augmentation; each batch has several groups."""
SHIFT = 4
"""Pixels."""


class Batch(NamedTuple):
    """Tensors of N samples."""

    views: tuple[Tensor, ...]  # of each device (N, C, H, W), of its view's type
    labels_NV: Tensor  # int64, -1 where the object is not in the view
    fused_N: Tensor  # int64
    present_NV: Tensor  # bool, False where the device is dropped out

    def take(self, rows: Tensor) -> Batch:
        """The samples with these indices, or where a mask is true."""
        labels, fused, present = (tensor[rows] for tensor in self[1:])
        return Batch(tuple(view[rows] for view in self.views), labels, fused, present)


class Mapped:
    """One device's views in a file: a batch is read when it is asked for."""

    def __init__(self, array: NDArray[Any] | Rows, torch_device: torch.device) -> None:
        self._array = array
        self._torch_device = torch_device

    def __getitem__(self, rows: Tensor) -> Tensor:
        chosen = np.ascontiguousarray(self._array[rows.cpu().numpy()])
        return torch.from_numpy(chosen).to(self._torch_device)


class Everything(NamedTuple):
    """All samples of a training: as Batch, but for views that are too large for memory."""

    views: tuple[Tensor | Mapped, ...]
    labels_NV: Tensor
    fused_N: Tensor
    present_NV: Tensor

    def take(self, rows: Tensor) -> Batch:
        """See Batch."""
        labels, fused, present = (tensor[rows] for tensor in self[1:])
        return Batch(tuple(view[rows] for view in self.views), labels, fused, present)


def tensors(samples: MultiView, torch_device: torch.device) -> Everything:
    """All samples, every device present; large views stay in their files."""
    return Everything(
        tuple(
            Mapped(array, torch_device)
            if isinstance(array, Rows | np.memmap)
            else torch.from_numpy(array).to(torch_device)
            for array in samples.views.arrays
        ),
        torch.from_numpy(samples.labels_NV).to(torch_device),
        torch.from_numpy(samples.fused_labels_N).to(torch_device),
        torch.ones(samples.labels_NV.shape, dtype=torch.bool, device=torch_device),
    )


def view_tensors(views: Views, torch_device: torch.device) -> tuple[Tensor, ...]:
    """Of each device (N, C, H, W)."""
    return tuple(torch.from_numpy(_writeable(array)).to(torch_device) for array in views.arrays)


def _writeable(array: NDArray[Any]) -> NDArray[Any]:
    """torch takes no array that may not be written to."""
    there = np.asarray(array)
    return there if there.flags.writeable else there.copy()


def batches(everything: Everything, settings: Settings) -> Iterator[Batch]:
    """One epoch in random order; draws from torch's global generator.

    A single sample left over joins no batch: batch norm needs two.
    """
    total = len(everything.fused_N)
    order = torch.randperm(total).to(everything.fused_N.device)
    for rows in torch.split(order, settings.batch or total):
        if len(rows) < 2:
            continue
        views, labels, fused, present = everything.take(rows)
        if settings.view_mixing:
            views = mix_views(views, labels, fused, settings.view_mixing)
        match settings.augment:
            case "scene":
                views = changed_images(views, labels, augment)
            case "crop":
                views = changed_images(views, labels, lambda images, _: shift_and_mirror(images))
        if settings.device_dropout:
            drop = drop_devices if settings.dropout_by == "rate" else drop_count
            present = drop(present, settings.device_dropout)
        yield Batch(views, labels, fused, present)


def changed_images(
    views: Sequence[Tensor], labels_NV: Tensor, change: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, ...]:
    """The views with a change (N, V, C, H, W), (N, V) -> (N, V, C, H, W) made to images, those of
    one size together. Readings of sensors stay as they are."""
    changed, groups = list(views), dict[torch.Size, list[int]]()
    for v, view in enumerate(views):
        if view.dtype == torch.uint8 and min(view.shape[2:]) > 1:
            groups.setdefault(view.shape, []).append(v)
    for group in groups.values():
        images = change(torch.stack([views[v] for v in group], dim=1), labels_NV[:, group])
        for v, image in zip(group, images.unbind(1), strict=True):
            changed[v] = image
    return tuple(changed)


def augment(views_NVCHW: Tensor, labels_NV: Tensor) -> Tensor:
    """Mirrors, shifts, zooms and, where they are grey or RGB, re-lights samples, all views of a
    sample alike.

    Absent views stay black. Groups of 8 samples share one draw.
    """
    channels, height, width = views_NVCHW.shape[-3:]
    changes: list[torch.nn.Module] = [
        v2.RandomHorizontalFlip(),
        v2.RandomResizedCrop((height, width), scale=(0.7, 1.0), ratio=(0.8, 1.25)),
    ]
    if channels in (1, 3):
        changes.append(v2.ColorJitter(brightness=0.3, contrast=0.3))
    change = v2.Compose(changes)
    changed = torch.cat([change(group) for group in torch.split(views_NVCHW, GROUP)])
    return changed * (labels_NV >= 0)[:, :, None, None, None]


def shift_and_mirror(views_NVCHW: Tensor) -> Tensor:
    """Shifts each view by up to 4 pixels each way, black coming in, and mirrors every other.

    What is usual for CIFAR-10 (He et al. 2015, section 4.2).
    """
    count, views, channels, height, width = views_NVCHW.shape
    images = views_NVCHW.reshape(count * views, channels, height, width)
    total, margin = len(images), SHIFT
    padded = torch.nn.functional.pad(images, (margin,) * 4)
    top, left = torch.randint(2 * margin + 1, (2, total, 1))
    columns = torch.arange(width).expand(total, width)
    columns = torch.where(torch.rand(total, 1) < 0.5, columns, width - 1 - columns)
    rows_NH11 = (top + torch.arange(height))[:, :, None, None].to(images.device)
    columns_N1W1 = (left + columns)[:, None, :, None].to(images.device)
    n_N111 = torch.arange(total, device=images.device)[:, None, None, None]
    channel_C = torch.arange(channels, device=images.device)
    shifted_NHWC = padded[n_N111, channel_C, rows_NH11, columns_N1W1]
    return shifted_NHWC.permute(0, 3, 1, 2).reshape(views_NVCHW.shape)


def mix_views(
    views: Sequence[Tensor], labels_NV: Tensor, fused_N: Tensor, share: float
) -> tuple[Tensor, ...]:
    """Replaces a share of the views by the same camera's view of another sample of the class.

    Only where the object is in both views: who sees it stays true to the sample. Cameras that
    always see the same two things together would otherwise learn the pair, and misread what is
    left when one is lost. For views that are parts of one image, set the share to 0.
    """
    count = len(fused_N)
    same_NN = (fused_N[:, None] == fused_N[None]).cpu()
    partner_N = torch.rand(count, count).masked_fill(~same_NN, -1).argmax(dim=1)
    partner_N = partner_N.to(fused_N.device)
    swap_NV = (torch.rand(labels_NV.shape) < share).to(fused_N.device)
    swap_NV &= (labels_NV >= 0) & (labels_NV[partner_N] >= 0)
    return tuple(
        torch.where(swap_NV[:, v, None, None, None], view[partner_N], view)
        for v, view in enumerate(views)
    )


def drop_bypassed(topology: Topology, present_NV: Tensor, share: float) -> dict[str, Tensor]:
    """Nodes above the devices that are missing, by name, (N,) boolean: this share of those that
    somebody's fallback leads past. Nothing where the topology has no fallback."""
    nodes = topology.nodes.values()
    bypassed = sorted({node.parent for node in nodes if node.fallback and node.parent})
    count, torch_device = len(present_NV), present_NV.device
    return {name: (torch.rand(count) < share).to(torch_device) for name in bypassed}


def drop_devices(present_NV: Tensor, mean_share: float) -> Tensor:
    """Removes random devices; in every sample at least one stays.

    A sample's own rate is uniform in [0, 2 x mean_share] (at most 1), so that few and many
    losses both occur.
    """
    count, views = present_NV.shape
    rate_N1 = torch.rand(count, 1) * 2 * mean_share
    kept_NV = torch.rand(count, views) >= rate_N1
    spared_N1 = torch.randint(views, (count, 1))
    none_N = ~kept_NV.any(dim=1, keepdim=True)
    kept_NV |= none_N & (torch.arange(views) == spared_N1)
    return present_NV & kept_NV.to(present_NV.device)


def drop_count(present_NV: Tensor, mean_share: float) -> Tensor:
    """Removes a random set of devices from each sample; at least one stays.

    How many is uniform from 0 to 2 x mean_share of them (at most all but one): each number of
    losses is learnt as often as the others, whole samples included.
    """
    count, views = present_NV.shape
    most = min(round(2 * mean_share * views), views - 1)
    lost_N1 = torch.randint(most + 1, (count, 1))
    place_NV = torch.rand(count, views).argsort(dim=1).argsort(dim=1)
    return present_NV & (place_NV >= lost_N1).to(present_NV.device)
