"""MOT Challenge's layout, a sequence a camera, with numbers of objects that all cameras share.

    CAMERA/img1/000001.jpg
    CAMERA/gt/gt.txt        frame, object, left, top, width, height, counts, class, visibility
    CAMERA/gt/labels.txt    optional, as CVAT writes it: a class's name a line
    CAMERA/seqinfo.ini      optional: imDir, where the pictures are

Rows that do not count (seventh value 0) are left out.
"""

from __future__ import annotations

import configparser
import csv
from pathlib import Path

from ddnn.data.imagefile import image_files, visible
from ddnn.data.importers.found import Box, Found, Picture, Sample
from ddnn.errors import DataError
from ddnn.names import in_order, name_of, normal
from ddnn.plainfile import read_plain

CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle",
    "static person", "distractor", "occluder", "occluder on the ground", "occluder full",
    "reflection", "crowd",
)  # fmt: skip
"""Of MOT16 and later, from 1 on."""
MAX_BYTES = 1 << 28


def read(source: Path) -> Found:
    """A sample an object and frame. Raises DataError naming file and line."""
    folders = [folder for folder in visible(source) if (folder / "gt" / "gt.txt").exists()]
    if not folders:
        raise DataError(f"{source}: no CAMERA/gt/gt.txt, want one a camera")
    samples: dict[tuple[int, int], Sample] = {}
    classes: dict[tuple[int, int], str] = {}
    for view, folder in enumerate(folders):
        pictures = _pictures(folder)
        for line, (frame, number, box, name) in enumerate(_rows(folder), start=1):
            place = f"{folder / 'gt' / 'gt.txt'}: row {line} that counts"
            if frame not in pictures:
                raise DataError(f"{place}: no picture of frame {frame}")
            key = frame, number
            if classes.setdefault(key, name) != name:
                raise DataError(
                    f"{place}: object {number} is a {name}, elsewhere a {classes[key]}, want one"
                )
            sample = samples.setdefault(key, Sample(label=0, frame=frame, object=number))
            if box.is_one:
                sample.pictures[view] = Picture(pictures[frame], box)
    used = in_order(set(classes.values()))
    for key, sample in samples.items():
        sample.label = used.index(classes[key])
    return Found(
        classes=tuple(used),
        views=tuple(name_of(folder) for folder in folders),
        samples=[samples[key] for key in sorted(samples) if samples[key].pictures],
        split_by="frame",
    )


def _pictures(folder: Path) -> dict[int, Path]:
    """By frame."""
    name = "img1"
    if (folder / "seqinfo.ini").exists():
        settings = configparser.ConfigParser()
        try:
            settings.read_string(_text(folder / "seqinfo.ini"))
            name = settings.get("Sequence", "imDir", fallback=name)
        except configparser.Error as error:
            raise DataError(f"{folder / 'seqinfo.ini'}: {str(error).splitlines()[0]}") from error
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{folder / 'seqinfo.ini'}: imDir {name!r}, want a folder beside the file")
    files = image_files(folder / name)
    return {int(file.stem): file for file in files if file.stem.isdigit()}


def _rows(folder: Path) -> list[tuple[int, int, Box, str]]:
    """Frame, object, box and class of what counts."""
    path = folder / "gt" / "gt.txt"
    names: tuple[str, ...] = CLASSES
    if (folder / "gt" / "labels.txt").exists():
        lines = _text(folder / "gt" / "labels.txt").splitlines()
        names = tuple(normal(line.strip()) for line in lines if line.strip())
    rows = []
    for number, row in enumerate(csv.reader(_text(path).splitlines()), start=1):
        try:
            frame, which = int(row[0]), int(row[1])
            left, top, width, height, counts = (float(value) for value in row[2:7])
            name = names[int(row[7]) - 1] if len(row) > 7 and int(row[7]) > 0 else names[0]
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{path}: line {number}: want frame, object, left, top, width, height, counts and "
                f"a class from 1 to {len(names)}"
            ) from error
        if counts:
            rows.append((frame, which, Box(left, top, left + width, top + height), name))
    return rows


def _text(path: Path) -> str:
    try:
        return read_plain(path, MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error})") from error
