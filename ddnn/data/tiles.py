"""Source `tiles`: single images cut in rows x columns, one tile a view.

Axes: N images, V views, C image channels, H, W of an image or a tile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data import cache
from ddnn.data.archive import MAX_UNPACKED_BYTES
from ddnn.data.card import FileSplit, TilesCard
from ddnn.data.folder import class_folders, part_folders
from ddnn.data.imagefile import decode_all, image_files, read_image, resize, visible
from ddnn.data.multiview import MultiView
from ddnn.data.source import TEST, TRAIN, Source, require, resolve
from ddnn.data.split import seeded_order
from ddnn.data.storage import zeros
from ddnn.data.views import Views
from ddnn.errors import ConfigError, DataError
from ddnn.names import MAX_LETTERS, in_order, is_showable, name_of

TORCHVISION_FOLDERS = {
    "MNIST": "MNIST",
    "FashionMNIST": "FashionMNIST",
    "CIFAR10": "cifar-10-batches-py",
    "CIFAR100": "cifar-100-python",
}
"""Where torchvision puts a set, below its root."""

MAX_SIDE = 8192
"""Pixels, of an image that is resized before it is cut."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Singles:
    """N single images, or how to read them. parts_N: None where the set has no parts.

    image: gives (C,H,W) of the image with this index.
    """

    image: Callable[[int], NDArray[np.uint8]]
    labels_N: NDArray[np.int64]
    parts_N: NDArray[np.int64] | None
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels_N)


def read(card: TilesCard, card_file: Path) -> Source:
    """The tiles of a set of images, all of them present.

    Raises ConfigError for a set that is not there, DataError for images that do not fit.
    """
    singles = SETS[card.images](card, card_file)
    if not len(singles):
        raise DataError(f"{card.images}: no images")
    chosen = np.arange(len(singles))
    if card.samples is not None:
        chosen = np.sort(seeded_order(len(singles), card.seed)[: card.samples])
    views_NVCHW = _all_tiles(singles, chosen, card)
    labels_N = singles.labels_N[chosen]
    return Source(
        samples=MultiView(
            views=Views.of(views_NVCHW),
            labels_NV=np.repeat(labels_N[:, None], views_NVCHW.shape[1], axis=1),
            classes=_class_names(card, singles.classes),
            view_names=_tile_names(card.rows, card.columns),
        ),
        parts_N=None if singles.parts_N is None else singles.parts_N[chosen],
    )


def cut(image_CHW: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """(V,C,H,W) tiles of an image, read row by row.

    >>> cut(np.zeros((3, 8, 6), np.uint8), rows=2, columns=3).shape
    (6, 3, 4, 2)

    Raises DataError where the image does not divide evenly.
    """
    channels, height, width = image_CHW.shape
    if height % rows or width % columns:
        raise DataError(
            f"an image of {width}x{height} pixels does not divide into {columns} columns and "
            f"{rows} rows; want a multiple, or size in the card"
        )
    grid = image_CHW.reshape(channels, rows, height // rows, columns, width // columns)
    tiles: NDArray[np.uint8] = grid.transpose(1, 3, 0, 2, 4).reshape(
        rows * columns, channels, height // rows, width // columns
    )
    return tiles


def _tile_names(rows: int, columns: int) -> tuple[str, ...]:
    """tile00, tile01 and so on; tile0-10 where two digits run together."""
    between = "-" if max(rows, columns) > 10 else ""
    return tuple(f"tile{r}{between}{c}" for r in range(rows) for c in range(columns))


def _all_tiles(singles: Singles, chosen: NDArray[np.int64], card: TilesCard) -> NDArray[np.uint8]:
    """(N,V,C,H,W) of these images."""
    sides = card.rows * (card.size or 0), card.columns * (card.size or 0)
    if max(sides) > MAX_SIDE:
        raise DataError(f"tiles join to {sides[1]}x{sides[0]} pixels, want sides of {MAX_SIDE}")

    def image(n: int) -> NDArray[np.uint8]:
        image_CHW = _in_channels(singles.image(int(chosen[n])), card.channels)
        return image_CHW if card.size is None else resize(image_CHW, *sides)

    first = image(0)
    if first.size * len(chosen) > MAX_UNPACKED_BYTES:
        raise DataError(f"{len(chosen)} images need more than 8 GiB: set samples or size")
    tiles: NDArray[np.uint8] = zeros(
        (len(chosen), *cut(first, card.rows, card.columns).shape), np.uint8
    )

    def decode(n: int) -> None:
        image_CHW = image(n)
        if image_CHW.shape != first.shape:
            raise DataError(
                f"image {chosen[n]}: {image_CHW.shape}, the first is {first.shape}; want size in "
                "the card"
            )
        tiles[n] = cut(image_CHW, card.rows, card.columns)

    decode_all(decode, range(len(chosen)))
    return tiles


def _in_channels(image_CHW: NDArray[np.uint8], channels: int | None) -> NDArray[np.uint8]:
    if channels in (None, len(image_CHW)):
        return image_CHW
    if channels == 3:
        return np.repeat(image_CHW, 3, axis=0)
    red, green, blue = image_CHW.astype(np.int64)
    grey = (299 * red + 587 * green + 114 * blue + 500) // 1000  # ITU-R BT.601, as Pillow's "L"
    grey_1HW: NDArray[np.uint8] = grey.astype(np.uint8)[None]
    return grey_1HW


def _class_names(card: TilesCard, classes: tuple[str, ...]) -> tuple[str, ...]:
    if card.classes is None:
        return classes
    if len(card.classes) != len(classes):
        raise DataError(f"classes: {len(card.classes)} names, {card.images} has {len(classes)}")
    return card.classes


def _digits(card: TilesCard, card_file: Path) -> Singles:  # noqa: ARG001 - as the other sets
    """scikit-learn's bundled 8 x 8 digits: 0 to 16 made 0 to 255."""
    bundled = require("sklearn.datasets", "the set 'digits'").load_digits()
    images_NHW = np.rint(bundled.images * (255 / 16)).astype(np.uint8)
    return Singles(
        image=lambda n: images_NHW[n][None],
        labels_N=bundled.target.astype(np.int64),
        parts_N=None,
        classes=tuple(str(name) for name in bundled.target_names),
    )


def _torchvision(card: TilesCard, card_file: Path) -> Singles:
    """A set of torchvision's, its training and its test part."""
    root = _download_root(card, card_file)
    if not card.download and not (root / TORCHVISION_FOLDERS[card.images]).is_dir():
        raise ConfigError(
            f"{card_file}: {card.images} not in {root}, want download: true or a copy there"
        )
    datasets = require("torchvision.datasets", f"the set {card.images!r}")
    try:
        parts = [
            getattr(datasets, card.images)(str(root), train=train, download=card.download)
            for train in (True, False)
        ]
    except (RuntimeError, OSError, ValueError) as error:
        what = " ".join(str(error).split())
        raise ConfigError(f"{card_file}: {card.images} in {root}: {what}") from error
    images_NCHW = np.concatenate([_channels_first(np.asarray(part.data)) for part in parts])
    names = [str(n) for n in range(10)] if card.images == "MNIST" else parts[0].classes
    return Singles(
        image=lambda n: images_NCHW[n],
        labels_N=np.concatenate([np.asarray(part.targets, dtype=np.int64) for part in parts]),
        parts_N=np.repeat([TRAIN, TEST], [len(part.data) for part in parts]),
        classes=tuple(names),
    )


def _download_root(card: TilesCard, card_file: Path) -> Path:
    """Where torchvision's files lie: the card's path, else where a copy is under $DDNN_DATA, else
    beside the other data or caches."""
    if card.path is not None and not card.download:
        return resolve(card_file, card.path)
    data = os.environ.get("DDNN_DATA")
    for place in (card.path or "torchvision", "."):
        if data and (Path(data) / place / TORCHVISION_FOLDERS[card.images]).is_dir():
            return Path(data) / place
    base = Path(data) if data and os.access(data, os.W_OK) else cache.folder()
    if base is None:
        raise ConfigError(
            f"{card_file}: no home directory to keep {card.images} in, want $DDNN_CACHE set to a "
            "folder"
        )
    return base / (card.path or "torchvision")


def _channels_first(images: NDArray[Any]) -> NDArray[np.uint8]:
    """(N,H,W) or (N,H,W,C) as (N,C,H,W)."""
    first: NDArray[np.uint8] = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return first


def _image_folder(card: TilesCard, card_file: Path) -> Singles:
    """Images `PATH/CLASS/*.jpg`, or `PATH/train/CLASS/*.jpg` for a split by file."""
    root = resolve(card_file, card.path or "")
    parts = part_folders(root, in_parts=isinstance(card.split, FileSplit))
    classes = card.classes or _found_classes([f for _, p in parts for f in visible(p)])
    found: list[tuple[Path, int, int]] = []
    for part, folder in parts:
        before = len(found)
        for label, class_folder in class_folders(folder, classes):
            found += [(file, label, part) for file in image_files(class_folder)]
        if len(found) == before:
            raise DataError(f"{folder}: no images, want CLASS/*.jpg in it")
    return Singles(
        image=lambda n: read_image(found[n][0], channels=card.channels or 3, size=None),
        labels_N=np.array([label for _, label, _ in found], dtype=np.int64),
        parts_N=np.array([part for _, _, part in found], dtype=np.int64),
        classes=classes,
    )


def _found_classes(folders: list[Path]) -> tuple[str, ...]:
    """Their names, in order, `2` before `10`."""
    for folder in folders:
        if not is_showable(name_of(folder)):
            raise DataError(
                f"{folder}: class {folder.name!r}, want 1 to {MAX_LETTERS} printable letters"
            )
    return tuple(in_order({name_of(folder) for folder in folders}))


SETS: dict[str, Callable[[TilesCard, Path], Singles]] = {
    "digits": _digits,
    "MNIST": _torchvision,
    "FashionMNIST": _torchvision,
    "CIFAR10": _torchvision,
    "CIFAR100": _torchvision,
    "ImageFolder": _image_folder,
}
