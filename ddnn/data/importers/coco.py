"""Boxes of COCO files with an object's number that is the same in all cameras (CVAT exports it).

    images        [{"id", "file_name": "CAMERA/FRAME.jpg"}], or with "camera", "frame"
    annotations   [{"image_id", "category_id", "bbox": [left, top, width, height], "track_id"}]
    categories    [{"id", "name"}]

The number is `track_id`, `object_id` or `instance_id`, of the annotation or of its `attributes`.
Pictures lie beside the file, or in a folder `images` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ddnn.data.importers.found import Box, Found, Picture, Sample, entry, read_json_file
from ddnn.errors import DataError
from ddnn.names import in_order, normal

OBJECT_KEYS = ("track_id", "object_id", "instance_id")


def read(source: Path) -> Found:
    """A sample an object and frame. Raises DataError naming the file and entry that is wrong."""
    document = read_json_file(source)
    names = {
        entry(f"{source}: category {n}", record, "id", int): normal(
            entry(f"{source}: category {n}", record, "name", str)
        )
        for n, record in enumerate(entry(source, document, "categories", list))
    }
    images = {
        entry(f"{source}: image {n}", record, "id", int): _image(source, n, record)
        for n, record in enumerate(entry(source, document, "images", list))
    }
    sightings = _sightings(source, document, images, names)
    used = in_order({each.name for each in sightings})
    views = in_order({camera for camera, _, _ in images.values()})
    samples: dict[tuple[int, int], Sample] = {}
    for each in sightings:
        camera, frame, file = images[each.image]
        sample = samples.setdefault(
            (frame, each.object),
            Sample(label=used.index(each.name), frame=frame, object=each.object),
        )
        if used[sample.label] != each.name:
            raise DataError(
                f"{source}: frame {frame}: object {each.object} is {used[sample.label]} and "
                f"{each.name}, want one class"
            )
        if each.box.is_one:
            sample.pictures[views.index(camera)] = Picture(file, each.box)
    return Found(
        classes=tuple(used),
        views=tuple(views),
        samples=[samples[key] for key in sorted(samples) if samples[key].pictures],
        split_by="frame",
    )


class _Sighting(NamedTuple):
    """An object on one image. name: of its class."""

    image: int
    name: str
    object: int
    box: Box


def _sightings(
    source: Path,
    document: Any,
    images: Mapping[int, tuple[str, int, Path]],
    names: Mapping[int, str],
) -> list[_Sighting]:
    records = entry(source, document, "annotations", list)
    found = [_sighting(f"{source}: annotation {n}", each) for n, each in enumerate(records)]
    for n, (image, category, _, _) in enumerate(found):
        if image not in images or category not in names:
            raise DataError(
                f"{source}: annotation {n}: image_id {image}, category_id {category}, want known"
            )
    return [
        _Sighting(image, names[category], number, box) for image, category, number, box in found
    ]


def _image(source: Path, number: int, record: Any) -> tuple[str, int, Path]:
    """Camera, frame and file."""
    place = f"{source}: image {number}"
    name = entry(place, record, "file_name", str)
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{place}: file_name {name!r}, want a path beside the file")
    camera = str(record.get("camera", path.parts[0] if len(path.parts) > 1 else ""))
    digits = re.findall(r"\d+", path.stem)
    frame = record.get("frame", int(digits[-1]) if digits else None)
    if not camera or isinstance(frame, bool) or not isinstance(frame, int):
        raise DataError(f"{place}: {name!r}, want CAMERA/FRAME.jpg, or camera and frame beside it")
    beside = source.parent / path
    return normal(camera), frame, beside if beside.exists() else source.parent / "images" / path


def _sighting(place: str, record: Any) -> tuple[int, int, int, Box]:
    """Image, category, object, box."""
    values = entry(place, record, "bbox", list)
    if len(values) != 4 or not all(isinstance(value, int | float) for value in values):
        raise DataError(f"{place}: bbox: got {str(values)[:40]}, want four numbers")
    left, top, width, height = values
    attributes = record.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    numbers = [each[key] for each in (record, attributes) for key in OBJECT_KEYS if key in each]
    if not numbers or isinstance(numbers[0], bool) or not isinstance(numbers[0], int):
        raise DataError(f"{place}: no number of its object, want {', '.join(OBJECT_KEYS)}")
    box = Box(left, top, left + width, top + height)
    return (
        entry(place, record, "image_id", int), entry(place, record, "category_id", int),
        numbers[0], box,
    )  # fmt: skip
