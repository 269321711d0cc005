"""WILDTRACK's layout, which MultiviewX and others follow too.

    Image_subsets/C1 ... C7/00000000.png
    annotations_positions/00000000.json    [{"personID", "positionID", "views": [{"viewNum",
                                            "xmin", "ymin", "xmax", "ymax"}]}], -1: not seen

It shows people alone, so the second class is what is beside them: for each person a sample
`background`, boxes of the same sizes at places of the same pictures where nobody is.
Source: Chavdarova et al., CVPR 2018.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ddnn.data.imagefile import SUFFIXES, image_size, visible
from ddnn.data.importers.found import Box, Found, Picture, Sample, entry, read_json_file
from ddnn.errors import DataError
from ddnn.names import name_of

IMAGES, ANNOTATIONS = "Image_subsets", "annotations_positions"
PERSON, BACKGROUND = 0, 1
TRIES = 50
"""To find a place without people; a camera without one does not see the background sample."""


def read(source: Path) -> Found:
    """People and background, a sample a person and frame. Raises DataError naming the file."""
    folders = [folder for folder in visible(source / IMAGES) if folder.is_dir()]
    if not folders:
        raise DataError(f"{source / IMAGES}: no folder of a camera, want C1, C2 and so on")
    samples: list[Sample] = []
    rng = np.random.default_rng(0)
    for file in visible(source / ANNOTATIONS):
        pictures = [_picture(folder, file.stem) for folder in folders]
        people = _people(file, read_json_file(file), pictures)
        samples += people
        samples += [_background(rng, person, people) for person in people]
    samples = [sample for sample in samples if sample.pictures]
    if not samples:
        raise DataError(f"{source / ANNOTATIONS}: no person in any file, want some")
    return Found(
        classes=("person", "background"),
        views=tuple(name_of(folder) for folder in folders),
        samples=samples,
        split_by="frame",
    )


def _picture(folder: Path, stem: str) -> Path | None:
    found = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return next((file for file in found if file.exists()), None)


def _people(file: Path, records: Any, pictures: list[Path | None]) -> list[Sample]:
    if not file.stem.isdigit() or not isinstance(records, list):
        raise DataError(f"{file}: want FRAME.json with a list of people")
    people = []
    for number, record in enumerate(records):
        place = f"{file}: person {number}"
        sample = Sample(
            label=PERSON, frame=int(file.stem), object=entry(place, record, "personID", int)
        )
        for seen in entry(place, record, "views", list):
            view = entry(place, seen, "viewNum", int)
            corners = (entry(place, seen, key, int) for key in ("xmin", "ymin", "xmax", "ymax"))
            box = Box(*corners)
            if not 0 <= view < len(pictures):
                raise DataError(f"{place}: viewNum {view}, want 0 to {len(pictures) - 1}")
            image = pictures[view]
            if box.right > 0 and box.bottom > 0 and box.is_one and image is not None:
                sample.pictures[view] = Picture(image, box)
        people.append(sample)
    return people


def _background(rng: np.random.Generator, person: Sample, people: list[Sample]) -> Sample:
    """Beside all people, seen by the cameras that see this person."""
    sample = Sample(label=BACKGROUND, frame=person.frame, object=-1 - person.object)
    for view, (image, box) in person.pictures.items():
        taken = [p.pictures[view].box for p in people if view in p.pictures]
        assert box is not None
        width, height = image_size(image)
        across, down = box.right - box.left, box.bottom - box.top
        for _ in range(TRIES):
            left = rng.uniform(0, max(width - across, 1))
            top = rng.uniform(0, max(height - down, 1))
            free = Box(left, top, left + across, top + down)
            if not any(other is not None and free.overlaps(other) for other in taken):
                sample.pictures[view] = Picture(image, free)
                break
    return sample
