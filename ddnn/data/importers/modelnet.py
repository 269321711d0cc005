"""ModelNet40 as 12 pictures a shape, in the layout of the multi-view CNN's data.

    CLASS/train|test/SHAPE_001.png ... SHAPE_012.png, or SHAPE.obj.shaded_v001.png

Source: Su et al., ECCV workshops 2018 (modelnet40_images_new_12x).
"""

from __future__ import annotations

import re
from pathlib import Path

from ddnn.data.imagefile import image_files, visible
from ddnn.data.importers.found import Found, Picture, Sample
from ddnn.data.source import TEST, TRAIN
from ddnn.errors import DataError
from ddnn.names import name_of

PARTS = {"train": TRAIN, "test": TEST}
_FILE = re.compile(r"(?P<shape>.+?)(?:\.obj\.shaded)?_v?(?P<view>\d{1,3})")


def read(source: Path) -> Found:
    """A sample a shape. Raises DataError naming the file whose name says no view."""
    folders = [folder for folder in visible(source) if folder.is_dir()]
    samples: dict[tuple[int, str, str], Sample] = {}
    numbers: dict[int, None] = {}
    for label, folder in enumerate(folders):
        for part in visible(folder):
            if part.name not in PARTS:
                raise DataError(f"{part}: want CLASS/train and CLASS/test alone")
            for file in image_files(part):
                parts = _FILE.fullmatch(name_of(file.with_suffix("")))
                if parts is None:
                    raise DataError(f"{file}: no number of its view, want SHAPE_001.png")
                key = label, part.name, parts["shape"]
                sample = samples.setdefault(key, Sample(label=label, part=PARTS[part.name]))
                sample.pictures[int(parts["view"])] = Picture(file)
                numbers[int(parts["view"])] = None
    if not samples:
        raise DataError(f"{source}: no pictures, want CLASS/train/SHAPE_001.png and so on")
    order = sorted(numbers)
    for sample in samples.values():
        sample.pictures = {order.index(number): p for number, p in sample.pictures.items()}
    return Found(
        classes=tuple(name_of(folder) for folder in folders),
        views=tuple(f"view{number}" for number in order),
        samples=list(samples.values()),
        split_by="file",
    )
