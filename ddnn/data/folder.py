"""Source `folder`: images of one's own cameras, `ROOT/CLASS/SAMPLE/VIEW.png`.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.data.card import FileSplit, FolderCard, FrameSplit
from ddnn.data.imagefile import decode_all, image_files, read_image, visible
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.source import Source, resolve
from ddnn.data.storage import zeros
from ddnn.data.views import Views
from ddnn.errors import DataError
from ddnn.names import MAX_LETTERS, in_order, is_showable, name_of

PARTS = ("train", "validation", "test")
"""Folders above the classes for a split by file, in the order of their numbers."""


_NUMBERS = re.compile("[0-9]+(?:(?:[-_:T .]| at )[0-9]+)*")
"""With nothing but a mark between them, as in a date and time, or seconds and a fraction."""
YEAR_DIGITS = 4
"""Of two numbers only: a first one of fewer digits is that of a camera or a run, no date."""


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
    names = card.views or _view_names(found)
    arrays, labels_NV = _pixels(found, names, card)
    by_frame = isinstance(card.split, FrameSplit)
    return Source(
        samples=MultiView(
            views=Views(arrays), labels_NV=labels_NV, classes=card.classes, view_names=names
        ),
        frames_N=_frames([each.folder for each in found]) if by_frame else None,
        parts_N=np.array([each.part for each in found], dtype=np.int64),
    )


def find_samples(root: Path, classes: tuple[str, ...], *, in_parts: bool) -> list[Found]:
    """Every sample's folder, in the order of parts, classes and names, `s2` before `s10`."""
    found: list[Found] = []
    for part, part_folder in part_folders(root, in_parts=in_parts):
        before = len(found)
        for label, class_folder in class_folders(part_folder, classes):
            for folder in visible(class_folder):
                images = _by_view(image_files(folder))
                if not images:
                    raise DataError(f"{folder}: no image, want at least one view")
                found.append(Found(folder=folder, label=label, part=part, images=images))
        if len(found) == before:
            raise DataError(f"{part_folder}: no samples, want CLASS/SAMPLE/VIEW.png in it")
    return found


def part_folders(root: Path, *, in_parts: bool) -> list[tuple[int, Path]]:
    """The root alone as part 0, or the folders train, validation and test that it holds.

    Raises DataError where a split by file has no such folder, or another one.
    """
    if not in_parts:
        return [(0, root)]
    found = visible(root)
    if not any(entry.name in PARTS for entry in found):
        instead = ", ".join(entry.name for entry in found[:5]) or "nothing"
        raise DataError(
            f"{root}: split by file, but no folder {', '.join(PARTS)} (found: {instead})"
        )
    for entry in found:
        if entry.name not in PARTS:
            raise DataError(
                f"{entry}: no part of a split by file, want only {', '.join(PARTS)} here"
            )
    return [(part, root / name) for part, name in enumerate(PARTS) if root / name in found]


def class_folders(folder: Path, classes: tuple[str, ...]) -> list[tuple[int, Path]]:
    """The folder of each class that is there, in the order of the classes.

    Raises DataError for a folder that is no class of the card.
    """
    found = {name_of(entry): entry for entry in visible(folder)}
    for name, entry in found.items():
        if name not in classes:
            hint = " (a part? it needs `split: {by: file}`)" if name in PARTS else ""
            raise DataError(f"{entry}: no such class, want one of {', '.join(classes)}{hint}")
    return [(label, found[name]) for label, name in enumerate(classes) if name in found]


def _by_view(files: list[Path]) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for file in files:
        name = name_of(file.with_suffix(""))
        if name in images:
            raise DataError(f"{file}: view {name!r} is there twice, also {images[name]}")
        images[name] = file
    return images


def _view_names(found: list[Found]) -> tuple[str, ...]:
    """All that occur, in order.

    Raises DataError for two that differ in small and capital letters alone: one camera, as a rule.
    """
    files = {name: file for each in reversed(found) for name, file in each.images.items()}
    alike: dict[str, str] = {}
    for name in in_order(files):
        other = alike.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(
                f"{files[name]}: view {name!r} is {other!r} of {files[other]} but for capital "
                "letters, want one name, or both under views in the card"
            )
        if not is_showable(name):
            raise DataError(
                f"{files[name]}: view {name!r}, want 1 to {MAX_LETTERS} printable letters"
            )
    return tuple(in_order(files))


def _pixels(
    found: list[Found], names: tuple[str, ...], card: FolderCard
) -> tuple[tuple[NDArray[np.uint8], ...], NDArray[np.int64]]:
    """Of each view (N,C,H,W), and labels (N,V). Each view has the size of its first image."""
    for each in found:
        for name, file in each.images.items():
            if name not in names:
                raise DataError(f"{file}: no view of the card, want {', '.join(names)}")
    firsts = {name: _first(found, name) for name in names}
    shapes = [read_image(firsts[n], channels=card.channels, size=card.size).shape for n in names]
    whole_bytes = len(found) * sum(math.prod(shape) for shape in shapes)
    arrays = tuple(
        zeros((len(found), *shape), np.uint8, whole_bytes=whole_bytes) for shape in shapes
    )
    labels = np.full((len(found), len(names)), ABSENT, dtype=np.int64)

    def decode(n: int) -> None:
        for name, file in found[n].images.items():
            v = names.index(name)
            image = read_image(file, channels=card.channels, size=card.size)
            if image.shape != shapes[v]:
                raise DataError(
                    f"{file}: {image.shape[2]}x{image.shape[1]} pixels, but {firsts[name]} has "
                    f"{shapes[v][2]}x{shapes[v][1]}; want one size a view, or size in the card"
                )
            arrays[v][n] = image
            labels[n, v] = found[n].label

    decode_all(decode, range(len(found)))
    return arrays, labels


def _first(found: list[Found], name: str) -> Path:
    """The first image of a view. Raises DataError where no sample has one."""
    for each in found:
        if name in each.images:
            return each.images[name]
    raise DataError(f"{found[0].folder.parent}: no image of view {name!r} in any sample, want one")


def _frames(folders: list[Path]) -> NDArray[np.int64]:
    """When each sample was taken: the ranks of the numbers in their names, of any length.

    Raises DataError for a name without number, and for names of one number and of several.
    """
    moments = [moment(folder.name) for folder in folders]
    for folder, numbers in zip(folders, moments, strict=True):
        if not numbers:
            raise DataError(f"{folder}: split by frame, but no number in the sample's name")
        if len(numbers) != len(moments[0]):
            raise DataError(
                f"{folder}: split by frame, {len(numbers)} numbers at the end of the sample's "
                f"name, but {len(moments[0])} in {folders[0].name!r}; want names of one form"
            )
    ranks = {numbers: rank for rank, numbers in enumerate(sorted(set(moments)))}
    return np.array([ranks[numbers] for numbers in moments], dtype=np.int64)


def moment(name: str) -> tuple[Fraction, ...]:
    """The last number in a sample's name, a time as one number; () where there is none.

    >>> [str(number) for number in moment("cam1_0012")]
    ['12']
    >>> [str(number) for number in moment("run 2024-05-01_12-30-05.5")]
    ['2024', '5', '1', '12', '30', '11/2']
    """
    last = (_NUMBERS.findall(name) or [""])[-1].replace(" at ", " ")
    pieces = re.split("[-_:T ]" if last.count(".") == 1 else "[-_:T .]", last)
    if len(pieces) == 2 and len(pieces[0]) < YEAR_DIGITS and re.search("[-_ ]", last):
        del pieces[0]
    return tuple(Fraction(piece) for piece in pieces if piece)
