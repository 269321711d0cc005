"""Draws a contact sheet: a row a sample, a column a camera, with their names.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.multiview import DataSet
from ddnn.data.source import require
from ddnn.errors import DataError
from ddnn.plainfile import open_plain

VIEW_PIXELS = 96
"""Views are enlarged by whole factors up to about this size."""
MAX_PIXELS = 100_000_000
"""Of a sheet: 300 MB while it is drawn."""
MARK = ("Software", "ddnn data show")
"""Key and text in a sheet's PNG: by it a sheet is known as one that may be replaced."""
GAP, LABEL_WIDTH, HEADER_HEIGHT = 4, 116, 22
PAPER, INK, ABSENT_INK = (24, 24, 26), (230, 230, 226), (110, 110, 112)


def chosen_samples(data_set: DataSet, count: int) -> NDArray[np.int64]:
    """Sample indices that show every class, evenly over the data set."""
    labels_N = data_set.samples.fused_labels_N
    classes = [np.flatnonzero(labels_N == k) for k in range(len(data_set.samples.classes))]
    chosen = []
    for rank, members in enumerate(classes):
        wanted = min((count + len(classes) - 1 - rank) // len(classes), len(members))
        chosen.append(members[np.linspace(0, len(members) - 1, wanted).astype(np.int64)])
    return np.concatenate(chosen)[:count]


def write_contact_sheet(data_set: DataSet, samples: NDArray[np.int64], path: Path) -> None:
    """Writes the samples as one PNG.

    Of more than three channels the first three are drawn, of two the first. A sheet of before is
    replaced, what another program made is not.
    Raises DataError where the sheet would be too large or cannot be written.
    """
    check_replaceable(path)
    pillow, drawing = require("PIL.Image", "a contact sheet"), require("PIL.ImageDraw", "drawing")
    chosen = data_set.samples.views.take(samples)
    count, views = len(chosen), len(chosen.arrays)
    pictures = [_pictures(array) for array in chosen.arrays]
    sizes = [_shown_size(*picture.shape[2:]) for picture in pictures]
    shown = max(height for height, _ in sizes), max(width for _, width in sizes)
    column, row = shown[1] + GAP, shown[0] + GAP
    size = (LABEL_WIDTH + views * column + GAP, HEADER_HEIGHT + count * row + GAP)
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"{path}: {size[0]}x{size[1]} pixels for {count} samples of {views} views, "
            f"want at most {MAX_PIXELS} in all: fewer samples"
        )
    sheet = pillow.new("RGB", size, PAPER)
    pen = drawing.Draw(sheet)
    for v, name in enumerate(data_set.view_names):
        pen.text((LABEL_WIDTH + v * column, 5), _plain(name, column // 6), fill=INK)
    for i, sample in enumerate(samples):
        top = HEADER_HEIGHT + i * row
        for line, text in enumerate(_labels(data_set, int(sample))):
            pen.text((8, top + 4 + 14 * line), text, fill=INK)
        for v in range(views):
            left = LABEL_WIDTH + v * column
            if data_set.samples.absent_NV[sample, v]:
                pen.rectangle((left, top, left + column - GAP - 1, top + row - GAP - 1), fill=0)
                pen.text((left + 6, top + 4), "absent", fill=ABSENT_INK)
            else:
                sheet.paste(_picture(pillow, pictures[v][i], sizes[v]), (left, top))
    try:
        sheet.save(path, format="PNG", pnginfo=_mark())
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def check_replaceable(path: Path) -> None:
    """Raises DataError where something is there that is no contact sheet of ddnn."""
    if not os.path.lexists(path):
        return
    pillow = require("PIL.Image", "a contact sheet")
    try:
        with open_plain(path) as file, pillow.open(file, formats=("PNG",)) as image:
            made_by = image.info.get(MARK[0])
    except (OSError, SyntaxError, ValueError, Warning, pillow.DecompressionBombError):
        made_by = None
    if made_by != MARK[1]:
        raise DataError(
            f"{path}: exists and is no contact sheet of ddnn, want another name with --out"
        )


def _mark() -> Any:
    text = require("PIL.PngImagePlugin", "a contact sheet").PngInfo()
    text.add_text(*MARK)
    return text


def _labels(data_set: DataSet, sample: int) -> tuple[str, str, str]:
    samples, split = data_set.samples, data_set.split
    part = next(
        (p for p in ("train", "validation", "test") if sample in getattr(split, p)), "unused"
    )
    name = samples.classes[int(samples.fused_labels_N[sample])]
    return f"sample {sample}", _plain(name, 17), part


def _shown_size(height: int, width: int) -> tuple[int, int]:
    """Small views grow by a whole factor, so that their pixels show; large ones shrink."""
    longest = max(height, width)
    if longest <= VIEW_PIXELS:
        factor = VIEW_PIXELS // longest
        return height * factor, width * factor
    return max(1, height * VIEW_PIXELS // longest), max(1, width * VIEW_PIXELS // longest)


def _pictures(array_NCHW: NDArray[Any]) -> NDArray[np.uint8]:
    """Images as they are; readings in grey from their least to their greatest, a channel a row."""
    if array_NCHW.dtype == np.uint8 and min(array_NCHW.shape[2:]) > 1:
        return array_NCHW
    count, channels, height, width = array_NCHW.shape
    values = array_NCHW.astype(np.float64).reshape(count, 1, channels * height, width)
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    grey: NDArray[np.uint8] = (255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
    return grey


def _picture(pillow: Any, view_CHW: NDArray[np.uint8], shown: tuple[int, int]) -> Any:
    shown_CHW = view_CHW[: 3 if len(view_CHW) >= 3 else 1]
    rgb_HWC = np.broadcast_to(shown_CHW, (3, *view_CHW.shape[1:])).transpose(1, 2, 0)
    image = pillow.fromarray(np.ascontiguousarray(rgb_HWC))
    grows = shown[0] >= image.height
    method = pillow.Resampling.NEAREST if grows else pillow.Resampling.BILINEAR
    return image.resize((shown[1], shown[0]), method)


def _plain(text: str, length: int) -> str:
    """What Pillow's built-in letters can show, cut to a length."""
    return text.encode("ascii", "replace").decode()[: max(length, 1)]
