"""Source `npz`: arrays in the layout of the authors' MVMC.npz, or one array a view."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.archive import array_names, as_integers, read_array, unpacked_bytes
from ddnn.data.card import AuthorsSplit, NpzCard
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.source import TEST, TRAIN, Source, resolve
from ddnn.data.storage import block_rows, zeros
from ddnn.data.viewnames import in_order_of
from ddnn.data.views import Views
from ddnn.errors import DataError
from ddnn.names import MAX_LETTERS, is_showable, normal
from ddnn.plainfile import check_plain, open_plain

MAX_CHANNELS = 16
"""As many as a topology takes."""
MIN_SIDE = 8
"""Of square grey views: 8 x 8 x 1 is grey last, 6 x 6 x 1 may be six sensors."""
FLOAT_TOLERANCE = 1e-6
"""A float pixel may miss [0, 1] by this much: rounding of a division by the own maximum."""


def read(card: NpzCard, card_file: Path) -> Source:
    """The samples of an archive, a view labelled absent made black.

    Raises ConfigError for a missing file, DataError for wrong content.
    """
    path = resolve(card_file, card.path)
    _check_content(path, card)
    views, labels_NV = _whole(path) if card.arrays is None else _array_by_array(path, card.arrays)
    if card.absent_label is not None:
        labels_NV[labels_NV == card.absent_label] = ABSENT
    whole_bytes = sum(array.nbytes for array in views.arrays)
    views = Views(
        tuple(
            without(array, labels_N == ABSENT, whole_bytes=whole_bytes)
            for array, labels_N in zip(views.arrays, labels_NV.T, strict=True)
        )
    )
    names, count = array_names(path), len(views)
    samples = MultiView(
        views=views, labels_NV=labels_NV, classes=card.classes, view_names=_names(path, card, views)
    )
    return Source(
        samples=_in_order(samples, card, path),
        frames_N=_column(path, "frame", count) if "frame" in names else None,
        parts_N=_parts(path, count) if "split" in names else None,
        objects_N=_column(path, "object", count) if "object" in names else None,
        subjects_N=_subjects(path, count) if "subject" in names else None,
        order=_order(card, path),
    )


def _whole(path: Path) -> tuple[Views, NDArray[np.int64]]:
    views_NVCHW = as_pixels(read_array(path, "X"), place=f"{path}: X")
    shape = views_NVCHW.shape[:2]
    labels_NV = as_integers(read_array(path, "y"), shape=shape, place=f"{path}: y")
    return Views.of(views_NVCHW), labels_NV


def _array_by_array(path: Path, arrays: Mapping[str, str]) -> tuple[Views, NDArray[np.int64]]:
    whole_bytes = unpacked_bytes(path)
    found = [
        as_view(read_array(path, name), place=f"{path}: {name}", whole_bytes=whole_bytes)
        for name in arrays.values()
    ]
    for name, array in zip(arrays.values(), found, strict=True):
        if len(array) != len(found[0]):
            raise DataError(f"{path}: {name}: {len(array)} samples, want {len(found[0])}")
    views, labels = Views(tuple(found)), read_array(path, "y")
    count = len(views)
    shape = (count,) if labels.ndim == 1 else (count, len(found))
    labels = as_integers(labels, shape=shape, place=f"{path}: y")
    return views, np.repeat(labels[:, None], len(found), axis=1) if labels.ndim == 1 else labels


def _names(path: Path, card: NpzCard, views: Views) -> tuple[str, ...]:
    """Of the views; none where neither card nor archive has them."""
    if card.arrays is not None:
        return tuple(card.arrays)
    count = len(views.arrays)
    if "views" in array_names(path):
        return _view_names(path, count)
    return _given(card, path, count)


def _in_order(samples: MultiView, card: NpzCard, path: Path) -> MultiView:
    if card.views is None:
        return samples
    if sorted(card.views) != sorted(samples.view_names):
        raise DataError(
            f"{path}: views {', '.join(samples.view_names)}, the card's views are "
            f"{', '.join(card.views)}; want the same"
        )
    return in_order_of(samples, card.views)


def as_pixels(array: NDArray[Any], *, place: str) -> NDArray[np.uint8]:
    """uint8 pixels as they are, floats in [0, 1] times 255 and rounded.

    Raises DataError naming the sample and view of the first NaN or value out of range.
    """
    if array.ndim != 5 or 0 in array.shape:
        raise DataError(f"{place}: shape {array.shape}, want (N,V,C,H,W), none of them 0")
    if _channels_are_last(array.shape):
        raise DataError(
            f"{place}: shape {array.shape} looks like (N,V,H,W,C), want (N,V,C,H,W): "
            "X.transpose(0, 1, 4, 2, 3)"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise DataError(f"{place}: {array.dtype}, want uint8 or floats in [0, 1]")
    rounded = zeros(array.shape, np.uint8)
    for rows in block_rows(array):
        block = array[rows]
        fits = (block >= -FLOAT_TOLERANCE) & (block <= 1 + FLOAT_TOLERANCE)  # False for NaN
        if not fits.all():
            first = np.unravel_index(int(np.argmin(fits)), block.shape)
            raise DataError(
                f"{place}: sample {rows.start + first[0]} view {first[1]}: {block[first]}, want a "
                "value in [0, 1]"
            )
        rounded[rows] = np.rint(np.clip(block, 0, 1) * 255).astype(np.uint8)
    return rounded


def without(array: NDArray[Any], absent_N: NDArray[np.bool_], *, whole_bytes: int) -> NDArray[Any]:
    """The array with these samples all 0: itself where they are, or where it may be written to."""
    own = array
    for rows in block_rows(array):
        absent = np.flatnonzero(absent_N[rows]) + rows.start
        if not len(absent) or not array[absent].any():
            continue
        if not own.flags.writeable:
            own = zeros(array.shape, array.dtype, whole_bytes=whole_bytes)
            for each in block_rows(array):
                own[each] = array[each]
        own[absent] = 0
    return own


def as_view(array: NDArray[Any], *, place: str, whole_bytes: int = 0) -> NDArray[Any]:
    """One device's view as (N, C, H, W) of uint8, int16 or float32.

    (N, C, length) and (N, length) are rows of readings. Raises DataError naming the sample of the
    first value that is no number.
    """
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise DataError(f"{place}: shape {array.shape}, want (N,C,H,W) or (N,C,length), none 0")
    count, channels = array.shape[0], array.shape[1] if array.ndim > 2 else 1
    rows = array.shape[2] if array.ndim == 4 else 1
    view_NCHW = array.reshape(count, channels, rows, array.shape[-1])
    if array.dtype in (np.uint8, np.int16):
        return view_NCHW
    if array.dtype != np.int8 and array.dtype.kind != "f":
        raise DataError(f"{place}: {array.dtype}, want uint8, int8, int16 or floats")
    kind = np.int16 if array.dtype == np.int8 else np.float32
    found = (
        view_NCHW if array.dtype == kind else zeros(view_NCHW.shape, kind, whole_bytes=whole_bytes)
    )
    for rows in block_rows(view_NCHW):
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
            block = view_NCHW[rows].astype(kind)
        wrong_N = ~np.isfinite(block).all(axis=(1, 2, 3))
        if wrong_N.any():
            n = rows.start + int(np.argmax(wrong_N))
            raise DataError(f"{place}: sample {n}: not finite, want numbers")
        if found is not view_NCHW:
            found[rows] = block
    return found


def _channels_are_last(shape: tuple[int, ...]) -> bool:
    """Whether the last axis counts colours, or grey alone, behind what are rows and columns."""
    _, _, rows, columns, last = shape
    if last in (3, 4):
        return min(rows, columns) > 4
    return last == 1 and (rows > MAX_CHANNELS or rows == columns >= MIN_SIDE)


def _given(card: NpzCard, path: Path, count: int) -> tuple[str, ...]:
    """The card's names, for an archive that has none; none: ()."""
    if card.views is not None and len(card.views) != count:
        raise DataError(f"{path}: {count} views, the card's views are {', '.join(card.views)}")
    return card.views or ()


def _view_names(path: Path, count: int) -> tuple[str, ...]:
    """Those that the archive's array `views` gives."""
    array = read_array(path, "views")
    if array.dtype.kind != "U" or array.shape != (count,):
        raise DataError(f"{path}: views: {array.dtype} {array.shape}, want {count} texts")
    found = tuple(normal(str(name)) for name in array)
    for name in found:
        if not is_showable(name):
            raise DataError(
                f"{path}: views: {name[:40]!r}, want 1 to {MAX_LETTERS} printable letters"
            )
    return found


def _check_content(path: Path, card: NpzCard) -> None:
    try:
        check_plain(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}, want an npz archive") from error
    if card.sha256 is not None:
        found = _digest(path, hashlib.sha256())
        if found != card.sha256:
            raise DataError(f"{path}: sha256 {found}, want {card.sha256}")
    if card.git_blob is not None:
        header = f"blob {path.stat().st_size}\0".encode()
        found = _digest(path, hashlib.sha1(header, usedforsecurity=False))
        if found != card.git_blob:
            raise DataError(f"{path}: git blob {found}, want {card.git_blob}")


def _digest(path: Path, digest: Any) -> str:
    try:
        with open_plain(path) as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return str(digest.hexdigest())


def _column(path: Path, name: str, count: int) -> NDArray[np.int64]:
    return as_integers(read_array(path, name), shape=(count,), place=f"{path}: {name}")


def _subjects(path: Path, count: int) -> NDArray[np.int64]:
    """Equal numbers for equal subjects, which may be numbers or texts."""
    array = read_array(path, "subject")
    if array.dtype.kind not in "iuU" or array.shape != (count,):
        raise DataError(
            f"{path}: subject: {array.dtype} {array.shape}, want {count} whole numbers or texts"
        )
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _parts(path: Path, count: int) -> NDArray[np.int64]:
    parts_N = _column(path, "split", count)
    wrong = (parts_N < TRAIN) | (parts_N > TEST)
    if wrong.any():
        n = int(np.argmax(wrong))
        raise DataError(f"{path}: split: sample {n}: {parts_N[n]}, want 0, 1 or 2")
    return parts_N


def _order(card: NpzCard, path: Path) -> NDArray[np.int64] | None:
    """An array of the archive, where the card names one."""
    name = card.split.order if isinstance(card.split, AuthorsSplit) else None
    if name is None or name not in array_names(path):
        return None
    array = read_array(path, name)
    return as_integers(array, shape=(array.size,), place=f"{path}: {name}")
