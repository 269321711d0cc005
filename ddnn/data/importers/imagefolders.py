"""An ImageFolder for each view: VIEW/CLASS/NAME.png, where one NAME of a class is one sample.

With parts: VIEW/train|validation|test/CLASS/NAME.png in every view.
"""

from __future__ import annotations

from pathlib import Path

from ddnn.data.folder import PARTS
from ddnn.data.imagefile import image_files, visible
from ddnn.data.importers.found import Found, Picture, Sample
from ddnn.errors import DataError
from ddnn.names import in_order, name_of


def read(source: Path) -> Found:
    """A sample a name. Raises DataError naming the folder that holds something else."""
    views = [folder for folder in visible(source) if folder.is_dir()]
    if not views:
        raise DataError(f"{source}: no folder, want one a view")
    in_parts = all((view / PARTS[0]).is_dir() for view in views)
    found: dict[tuple[int, str, str], dict[int, Path]] = {}
    for place, view in enumerate(views):
        roots = {part: view / name for part, name in enumerate(PARTS)} if in_parts else {0: view}
        for part, root in roots.items():
            for folder in visible(root) if root.is_dir() else []:
                for file in image_files(folder):
                    key = part, name_of(folder), name_of(file.with_suffix(""))
                    pictures = found.setdefault(key, {})
                    if place in pictures:
                        raise DataError(f"{file}: is there twice, also {pictures[place]}")
                    pictures[place] = file
    classes = in_order({name for _, name, _ in found})
    samples = [
        Sample(
            label=classes.index(name),
            part=part,
            pictures={place: Picture(file) for place, file in pictures.items()},
        )
        for (part, name, _), pictures in found.items()
    ]
    if not samples:
        raise DataError(f"{source}: no pictures, want VIEW/CLASS/NAME.png")
    return Found(
        classes=tuple(classes),
        views=tuple(name_of(view) for view in views),
        samples=samples,
        split_by="file" if in_parts else "sample",
    )
