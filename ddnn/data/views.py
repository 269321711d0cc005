"""What each device saw: one array a device, each of a size and type of its own.

Axes: N samples, V views (one a device), C channels, H, W. A window of readings has a height of 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.storage import BLOCK_BYTES, block_rows, taken
from ddnn.errors import DataError

Rows = NDArray[np.int64] | slice
TYPES = ("uint8", "int16", "float32")


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """N samples seen by V devices.

    arrays: of each device (N, C, H, W), uint8, int16 or float32. What shows nothing is all 0.
    """

    arrays: tuple[NDArray[Any], ...]

    def __post_init__(self) -> None:
        for v, array in enumerate(self.arrays):
            if array.ndim != 4 or array.dtype.name not in TYPES:
                raise DataError(
                    f"views: view {v} is {array.dtype} {array.shape}, want {', '.join(TYPES)} of "
                    "(N,C,H,W)"
                )
        counts = [len(array) for array in self.arrays]
        if len(set(counts)) != 1:
            raise DataError(
                f"views: got {counts} samples by view, want as many in each, and a view"
            )

    @classmethod
    def of(cls, value: Views | NDArray[Any] | Sequence[NDArray[Any]]) -> Views:
        """Views as they are, one array (N,V,C,H,W) of alike ones, or an array a device.

        Raises DataError for anything else.
        """
        if isinstance(value, Views):
            return value
        if not isinstance(value, np.ndarray):
            return cls(tuple(value))
        if value.ndim != 5 or value.dtype.name not in TYPES:
            raise DataError(
                f"views: got {value.dtype} {value.shape}, want {', '.join(TYPES)} of (N,V,C,H,W)"
            )
        return cls(tuple(value[:, v] for v in range(value.shape[1])))

    def __len__(self) -> int:
        return len(self.arrays[0])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """(C, H, W) of each device's view."""
        return tuple(array.shape[1:] for array in self.arrays)

    @property
    def types(self) -> tuple[str, ...]:
        """Of each device's values: uint8, int16 or float32."""
        return tuple(array.dtype.name for array in self.arrays)

    @property
    def are_alike(self) -> bool:
        """Whether all are of one size and type."""
        return len({*zip(self.shapes, self.types, strict=True)}) == 1

    @property
    def seen_NV(self) -> NDArray[np.bool_]:
        """Where a view is not all 0."""
        columns = [
            np.concatenate([block.any(axis=(1, 2, 3)) for block in blocks(array)])
            for array in self.arrays
        ]
        return np.stack(columns, axis=1)

    def stacked(self) -> NDArray[Any]:
        """All views in one new array (N,V,C,H,W). Raises DataError where they are not alike."""
        if not self.are_alike:
            sizes = zip(self.types, self.shapes, strict=True)
            listed = ", ".join(f"{kind} {'x'.join(map(str, shape))}" for kind, shape in sizes)
            raise DataError(f"views: got {listed}, want all of one size and type")
        return np.ascontiguousarray(np.stack(self.arrays, axis=1))

    def take(self, samples: Rows) -> Views:
        """The samples with these indices, in this order; what is mapped stays where it is."""
        return Views(tuple(taken(array, samples) for array in self.arrays))

    def of_devices(self, views: Sequence[int]) -> Views:
        """All samples as these devices see them."""
        return Views(tuple(self.arrays[view] for view in views))

    def parts(self, count: int) -> Iterator[Views]:
        """All samples, at most `count` at a time, in parts of about equal size."""
        for rows in np.array_split(np.arange(len(self)), -(-len(self) // count)):
            yield self.take(slice(int(rows[0]), int(rows[-1]) + 1))

    @property
    def layout(self) -> tuple[Any, ...]:
        """(N,V,C,H,W) of alike images, else all shapes and types."""
        if self._are_alike_images:
            return (len(self), len(self.arrays), *self.shapes[0])
        return (len(self), self.shapes, self.types)

    @property
    def _are_alike_images(self) -> bool:
        return self.are_alike and self.types[0] == "uint8"

    def hash_into(self, digest: hashlib._Hash) -> None:
        """Adds the values: equal for views of equal layout and values, wherever they lie."""
        if self._are_alike_images:
            sample = sum(array[:1].nbytes for array in self.arrays) or 1
            for part in self.parts(max(1, BLOCK_BYTES // sample)) if len(self) else ():
                digest.update(part.stacked().data)
            return
        for array in self.arrays:
            for block in blocks(array):
                little = block.astype(block.dtype.newbyteorder("<"), copy=False)
                digest.update(np.ascontiguousarray(little).data)


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """A few samples at a time: at least one block, perhaps empty."""
    for rows in block_rows(array) if len(array) else [slice(0)]:
        yield array[rows]
