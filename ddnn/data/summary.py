"""Counts of a data set: samples per class and part, and what each camera sees.

Axes: N samples, V views.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ddnn.data.multiview import DataSet

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the split. classes: samples of each class."""

    samples: int
    classes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewCounts:
    """One camera. present: share of all samples in which it sees the object.

    classes: views of each class. shape: channels, height, width. type: of its values.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    present: float
    classes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A data set in numbers. view_shape: channels, height, width; None where views differ."""

    name: str
    digest: str
    samples: int
    view_shape: tuple[int, ...] | None
    classes: dict[str, int]
    parts: dict[str, Part]
    views: tuple[ViewCounts, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists."""
        return asdict(self)


def summarise(data_set: DataSet) -> Summary:
    """The counts of a data set."""
    samples = data_set.samples
    views = tuple(
        ViewCounts(
            name=name,
            shape=array.shape[1:],
            type=array.dtype.name,
            present=float(np.mean(labels_N >= 0)),
            classes=_counts(labels_N, samples.classes),
        )
        for name, array, labels_N in zip(
            data_set.view_names, samples.views.arrays, samples.labels_NV.T, strict=True
        )
    )
    return Summary(
        name=data_set.name,
        digest=data_set.digest,
        samples=len(samples),
        view_shape=samples.views.shapes[0] if samples.views.are_alike else None,
        classes=_counts(samples.fused_labels_N, samples.classes),
        parts={name: _part(data_set, name) for name in PARTS},
        views=views,
    )


def _part(data_set: DataSet, name: str) -> Part:
    labels_N = data_set.samples.fused_labels_N[getattr(data_set.split, name)]
    return Part(samples=len(labels_N), classes=_counts(labels_N, data_set.samples.classes))


def _counts(labels: Any, classes: tuple[str, ...]) -> dict[str, int]:
    return {name: int(np.sum(labels == index)) for index, name in enumerate(classes)}
