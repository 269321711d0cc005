"""Source `folder`: images of one's own cameras, `ROOT/CLASS/SAMPLE/VIEW.png`.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.data.archive import MAX_UNPACKED_BYTES
from ddnn.data.card import FileSplit, FolderCard, FrameSplit
from ddnn.data.imagefile import image_files, read_image, visible
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.source import Source, resolve
from ddnn.errors import DataError

PARTS = ("train", "validation", "test")
"""Folders above the classes for a split by file, in the order of their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One sample's folder: its class and part as indices, its image of each view."""

    folder: Path
    label: int
    part: int
    images: dict[str, Path]


def read(card: FolderCard, card_file: Path) -> Source:
    """The samples of a folder; a missing image is an absent view.

    Raises ConfigError for a missing root, DataError naming the folder or file that is wrong.
    """
    root = resolve(card_file, card.path)
    found = find_samples(root, card.classes, in_parts=isinstance(card.split, FileSplit))
    names = card.views or tuple(sorted({name for each in found for name in each.images}))
    views_NVCHW, labels_NV = _pixels(found, names, card)
    by_frame = isinstance(card.split, FrameSplit)
    return Source(
        samples=MultiView(
            views_NVCHW=views_NVCHW, labels_NV=labels_NV, classes=card.classes, view_names=names
        ),
        frames_N=np.array([_frame(each.folder) for each in found]) if by_frame else None,
        parts_N=np.array([each.part for each in found], dtype=np.int64),
    )


def find_samples(root: Path, classes: tuple[str, ...], *, in_parts: bool) -> list[Found]:
    """Every sample's folder, in the order of parts, classes and names."""
    found = []
    for part, part_folder in part_folders(root, in_parts=in_parts):
        for label, class_folder in class_folders(part_folder, classes):
            for folder in visible(class_folder):
                images = _by_view(image_files(folder))
                if not images:
                    raise DataError(f"{folder}: no image, want at least one view")
                found.append(Found(folder=folder, label=label, part=part, images=images))
    if not found:
        raise DataError(f"{root}: no samples, want ROOT/CLASS/SAMPLE/VIEW.png")
    return found


def part_folders(root: Path, *, in_parts: bool) -> list[tuple[int, Path]]:
    """The root alone as part 0, or the folders train, validation and test that it holds.

    Raises DataError where a split by file has no such folder.
    """
    if not in_parts:
        return [(0, root)]
    folders = [(part, root / name) for part, name in enumerate(PARTS) if (root / name).is_dir()]
    if not folders:
        raise DataError(f"{root}: split by file, but no folder {', '.join(PARTS)}")
    return folders


def class_folders(folder: Path, classes: tuple[str, ...]) -> list[tuple[int, Path]]:
    """The folder of each class that is there.

    Raises DataError for a folder that is no class of the card.
    """
    for entry in visible(folder):
        if entry.name not in classes:
            raise DataError(f"{entry}: no such class, want one of {', '.join(classes)}")
    paths = [(label, folder / name) for label, name in enumerate(classes)]
    return [(label, path) for label, path in paths if path.exists()]


def _by_view(files: list[Path]) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for file in files:
        if file.stem in images:
            raise DataError(f"{file}: view {file.stem!r} is there twice, also {images[file.stem]}")
        images[file.stem] = file
    return images


def _pixels(
    found: list[Found], names: tuple[str, ...], card: FolderCard
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Views (N,V,C,H,W) and labels (N,V)."""
    first_file = next(iter(found[0].images.values()))
    first = read_image(first_file, channels=card.channels, size=card.size)
    wanted = len(found) * len(names) * first.size
    if wanted > MAX_UNPACKED_BYTES:
        raise DataError(f"{len(found)} samples need {wanted} bytes, want at most 8 GiB: set size")
    views = np.zeros((len(found), len(names), *first.shape), dtype=np.uint8)
    labels = np.full(views.shape[:2], ABSENT, dtype=np.int64)
    for n, each in enumerate(found):
        for name, file in each.images.items():
            if name not in names:
                raise DataError(f"{file}: no view of the card, want {', '.join(names)}")
            image = read_image(file, channels=card.channels, size=card.size)
            if image.shape != first.shape:
                raise DataError(
                    f"{file}: {image.shape[2]}x{image.shape[1]} pixels, but {first_file} has "
                    f"{first.shape[2]}x{first.shape[1]}; want one size, or size in the card"
                )
            views[n, names.index(name)] = image
            labels[n, names.index(name)] = each.label
    return views, labels


def _frame(folder: Path) -> int:
    """The last number in a sample's name."""
    numbers = re.findall(r"[0-9]{1,18}", folder.name)
    if not numbers:
        raise DataError(f"{folder}: split by frame, but no number in the sample's name")
    return int(numbers[-1])
