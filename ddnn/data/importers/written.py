"""Cuts what an importer has found out of its pictures; writes an archive and the card for it.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data import cache
from ddnn.data.card import CardFile
from ddnn.data.imagefile import decode_all, read_image, resize
from ddnn.data.importers import coco, imagefolders, modelnet, mot, wildtrack
from ddnn.data.importers.found import Box, Found, Picture
from ddnn.data.multiview import ABSENT
from ddnn.data.source import TEST, VALIDATION
from ddnn.data.storage import zeros
from ddnn.errors import ConfigError, DataError
from ddnn.yamlfile import parse_yaml, to_yaml

KINDS: dict[str, Callable[[Path], Found]] = {
    "wildtrack": wildtrack.read,
    "coco": coco.read,
    "mot": mot.read,
    "modelnet40": modelnet.read,
    "imagefolders": imagefolders.read,
}


def import_data(kind: str, source: Path, card: Path, *, size: int, channels: int) -> Found:
    """Reads a layout of others; writes the card and, beside it, the archive of its name.

    size: of a picture's sides, after it is cut out. channels: 3 for colour, 1 for grey.
    Raises ConfigError for another kind or a card that is there, DataError for wrong content.
    """
    if kind not in KINDS:
        raise ConfigError(f"import: got kind {kind!r}, want one of {', '.join(KINDS)}")
    archive = card.with_suffix(".npz")
    for path in (card, archive):
        if os.path.lexists(path):
            raise ConfigError(f"{path}: exists, want a new name")
    if card.suffix != ".yaml":
        raise ConfigError(f"{card}: want a name that ends in .yaml")
    if not source.exists():
        raise ConfigError(f"{source}: not there, want the {kind} data")
    found = KINDS[kind](source)
    text = to_yaml(_card(found, archive.name, f"imported from {kind}"))
    parse_yaml(text, CardFile, source=str(card))
    arrays = _arrays(found, size=size, channels=channels)
    try:
        cache.write_archive(archive, **arrays)
        card.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{card}: cannot be written ({error.strerror or error})") from error
    return found


def _card(found: Found, archive: str, source: str) -> dict[str, Any]:
    split: dict[str, Any] = {"by": found.split_by}
    if found.split_by == "file":
        parts = {sample.part for sample in found.samples}
        if TEST not in parts or not parts - {TEST}:
            split = {"by": "sample"}
        elif VALIDATION not in parts:
            split["validation"] = 0.15
    return {
        "kind": "npz",
        "path": archive,
        "source": source,
        "classes": list(found.classes),
        "split": split,
    }


def _arrays(found: Found, *, size: int, channels: int) -> dict[str, NDArray[Any]]:
    samples = found.samples
    shape = (len(samples), len(found.views), channels, size, size)
    views_NVCHW = zeros(shape, np.uint8)
    labels_NV = np.full(shape[:2], ABSENT, np.int64)
    by_file: dict[Path, list[tuple[int, int, Box | None]]] = {}
    for n, sample in enumerate(samples):
        for view, picture in sample.pictures.items():
            by_file.setdefault(picture.file, []).append((n, view, picture.box))
            labels_NV[n, view] = sample.label

    def cut_out(file: Path) -> None:
        image_CHW = read_image(file, channels=channels, size=None)
        for n, view, box in by_file[file]:
            cut = cropped(image_CHW, Picture(file, box))
            views_NVCHW[n, view] = np.maximum(resize(cut, size, size), 1)  # black is absent

    decode_all(cut_out, by_file)
    columns = {
        "frame": [sample.frame for sample in samples],
        "object": [sample.object for sample in samples],
        "split": [sample.part for sample in samples],
    }
    return {
        "X": views_NVCHW,
        "y": labels_NV,
        "views": np.array(found.views),
        **{name: np.array(values, dtype=np.int64) for name, values in columns.items()},
    }


def cropped(image_CHW: NDArray[np.uint8], picture: Picture) -> NDArray[np.uint8]:
    """The part in the box, as far as it is inside. Raises DataError where none of it is."""
    if picture.box is None:
        return image_CHW
    _, height, width = image_CHW.shape
    left, right = (min(max(round(x), 0), width) for x in (picture.box.left, picture.box.right))
    top, bottom = (min(max(round(y), 0), height) for y in (picture.box.top, picture.box.bottom))
    if left >= right or top >= bottom:
        raise DataError(f"{picture.file}: box {tuple(picture.box)} lies outside {width}x{height}")
    return image_CHW[:, top:bottom, left:right]
