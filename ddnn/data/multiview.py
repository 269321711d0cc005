"""The in-memory form of a multi-view data set.

Axes: N samples, V views (one a device), C channels, H, W.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.views import Views
from ddnn.errors import DataError

ABSENT = -1
"""Label of a view that does not show the sample's object (the view is black)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultiView:
    """N samples seen by V devices: cameras, or sensors of any kind.

    views: what each saw; one that does not show the object is all 0. An array (N,V,C,H,W), or a
        sequence of one array a device, is taken too and kept as Views.
    labels_NV: int64 class index of each view, ABSENT (-1) where the object is not seen.
    classes: the class names; labels index into them.
    labels_N: the samples' own labels, where some cameras were left out (`seen_by`) and no
        remaining view may tell; None: the views tell.
    view_names: of the cameras, in the order of V; cam0, cam1 and so on where none are given.
    """

    views: Views
    labels_NV: NDArray[np.int64]
    classes: tuple[str, ...]
    labels_N: NDArray[np.int64] | None = None
    view_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        views, labels = Views.of(self.views), self.labels_NV
        count = len(views.arrays)
        names = self.view_names or tuple(f"cam{v}" for v in range(count))
        object.__setattr__(self, "views", views)  # frozen: set once, here
        object.__setattr__(self, "view_names", names)
        if len(set(names)) != count:
            raise DataError(f"view names: got {list(names)}, want {count} that differ")
        if labels.shape != (len(views), count):
            raise DataError(f"labels: got shape {labels.shape}, want {(len(views), count)}")
        bad = (labels < ABSENT) | (labels >= len(self.classes))
        if bad.any():
            n, v = np.argwhere(bad)[0]
            raise DataError(
                f"sample {n} view {v}: label {labels[n, v]}, want -1 (absent) to "
                f"{len(self.classes) - 1} ({self.classes[-1]})"
            )
        blind = labels.max(axis=1, initial=ABSENT) == ABSENT
        if self.labels_N is None and blind.any():
            raise DataError(f"sample {int(np.flatnonzero(blind)[0])}: absent in every view")
        split = ((labels != ABSENT) & (labels != self.fused_labels_N[:, None])).any(axis=1)
        if split.any():
            n = int(np.flatnonzero(split)[0])
            raise DataError(
                f"sample {n}: views disagree, labels {labels[n].tolist()}, want one class"
            )

    def __len__(self) -> int:
        return len(self.views)

    @property
    def views_NVCHW(self) -> NDArray[Any]:
        """All views in one new array. Raises DataError where they are not of one size and type."""
        return self.views.stacked()

    @property
    def absent_NV(self) -> NDArray[np.bool_]:
        """Where the object is not in the view."""
        absent: NDArray[np.bool_] = self.labels_NV == ABSENT
        return absent

    @property
    def fused_labels_N(self) -> NDArray[np.int64]:
        """The class of the views that see the object: the label of the sample."""
        if self.labels_N is not None:
            return self.labels_N
        fused: NDArray[np.int64] = self.labels_NV.max(axis=1)
        return fused

    def content(self) -> hashlib._Hash:
        """sha256 so far, over classes, shape, pixels and labels of the views: for others to go on
        with."""
        result = hashlib.sha256(repr((self.classes, self.views.layout)).encode())
        self.views.hash_into(result)
        result.update(self.labels_NV.astype("<i8").tobytes())
        return result

    @property
    def digest(self) -> int:
        """64 bits of sha256 over classes, names of views, pixels and labels, in their order.

        Equal on every host for equal samples, and for no others. Computed at each call, in
        about a second a gigabyte.
        """
        result = self.content()
        result.update(self.fused_labels_N.astype("<i8").tobytes())
        result.update(repr(self.view_names).encode())
        return int.from_bytes(result.digest()[:8], "little")

    def take(self, samples: NDArray[np.int64]) -> MultiView:
        """The samples with these indices, in this order."""
        return MultiView(
            views=self.views.take(samples),
            labels_NV=self.labels_NV[samples],
            classes=self.classes,
            labels_N=None if self.labels_N is None else self.labels_N[samples],
            view_names=self.view_names,
        )

    def seen_by(self, views: Sequence[int]) -> MultiView:
        """The same samples and labels, seen by these cameras alone: some perhaps by none."""
        return MultiView(
            views=self.views.of_devices(views),
            labels_NV=self.labels_NV[:, list(views)],
            classes=self.classes,
            labels_N=self.fused_labels_N,
            view_names=tuple(self.view_names[view] for view in views),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Sample indices of the three parts of a data set: disjoint, each sorted."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataSet:
    """A data set as its card describes it.

    digest: sha256 over classes, views, labels and split.
    objects_N: which object each sample shows, where that is known.
    """

    name: str
    samples: MultiView
    split: Split
    digest: str
    objects_N: NDArray[np.int64] | None = None

    @property
    def view_names(self) -> tuple[str, ...]:
        """Of the cameras."""
        return self.samples.view_names

    def part(self, name: str) -> MultiView:
        """The samples of `train`, `validation`, `test` or `all`.

        Raises DataError for another name.
        """
        if name == "all":
            return self.samples
        if name not in ("train", "validation", "test"):
            raise DataError(f"split {name!r}: want train, validation, test or all")
        return self.samples.take(getattr(self.split, name))

    def seen_by(self, views: Sequence[int]) -> DataSet:
        """As MultiView.seen_by; the digest is that of the choice too."""
        chosen = list(views)
        return replace(
            self,
            samples=self.samples.seen_by(chosen),
            digest=hashlib.sha256(f"{self.digest} seen by {chosen}".encode()).hexdigest(),
        )
