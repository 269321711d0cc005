"""Layouts of others, made small here, become cards that can be trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ddnn.cli.main import ddnn
from ddnn.data import load
from ddnn.data.importers.found import Box, Picture
from ddnn.data.importers.written import cropped, import_data
from ddnn.data.multiview import ABSENT, DataSet
from ddnn.errors import ConfigError, DataError, DdnnError

Layout = Callable[[Path], Path]


def picture(path: Path, grey: int, box: tuple[int, int, int, int] | None = None) -> None:
    """40 x 30 pixels of one grey; the box in a brighter one."""
    image = Image.new("RGB", (40, 30), (grey, grey, grey))
    if box is not None:
        image.paste((200 + grey, 0, 0), box)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def wildtrack(folder: Path) -> Path:
    """Two cameras, four frames; person 7 is in both, person 9 in the second alone."""
    for number in (0, 5, 10, 15):
        people = []
        for camera in range(2):
            picture(folder / f"Image_subsets/C{camera + 1}/{number:08}.png", 20, (4, 5, 14, 25))
        nothing = {"xmin": -1, "ymin": -1, "xmax": -1, "ymax": -1}
        seen = {"xmin": 4, "ymin": 5, "xmax": 14, "ymax": 25}
        for person, cameras in ((7, (0, 1)), (9, (1,))):
            views = [
                {"viewNum": camera, **(seen if camera in cameras else nothing)}
                for camera in range(2)
            ]
            people.append({"personID": person, "positionID": 1, "views": views})
        file = folder / f"annotations_positions/{number:08}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(people))
    return folder


def coco(folder: Path) -> Path:
    """Two cameras, four frames; a car in both, a bus in the first alone, as CVAT exports them."""
    images, annotations = [], []
    for frame in range(4):
        for camera in ("left", "right"):
            name = f"{camera}/{frame:06}.jpg"
            picture(folder / "images" / name, 20, (4, 5, 14, 25))
            images.append({"id": len(images) + 1, "file_name": name, "width": 40, "height": 30})
            box = {"image_id": len(images), "bbox": [4, 5, 10, 20], "iscrowd": 0}
            annotations.append({**box, "category_id": 1, "attributes": {"track_id": 3}})
            if camera == "left":
                annotations.append({**box, "category_id": 2, "attributes": {"track_id": 4}})
    names = {1: "car", 2: "bus", 3: "tram"}
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in names.items()],
    }
    (folder / "boxes.json").write_text(json.dumps(document))
    return folder / "boxes.json"


def mot(folder: Path) -> Path:
    """As `coco`, a sequence a camera; one row that does not count."""
    for camera in ("left", "right"):
        rows = ["1,99,0,0,5,5,0,7,1"]
        for frame in range(1, 5):
            picture(folder / camera / f"img1/{frame:06}.jpg", 20, (4, 5, 14, 25))
            rows.append(f"{frame},3,4,5,10,20,1,3,1.0")
            rows += [f"{frame},4,4,5,10,20,1,1,0.5"] if camera == "left" else []
        (folder / camera / "gt").mkdir()
        (folder / camera / "gt/gt.txt").write_text("\n".join(rows) + "\n")
        (folder / camera / "seqinfo.ini").write_text("[Sequence]\nimDir=img1\nframeRate=30\n")
    return folder


def modelnet(folder: Path) -> Path:
    """Twelve views of two shapes a class and part."""
    for label, name in enumerate(("airplane", "bathtub")):
        for part in ("train", "test"):
            for shape in range(1, 4):
                for view in range(1, 13):
                    stem = f"{name}_{shape:04}.obj.shaded_v{view:03}"
                    picture(folder / name / part / f"{stem}.png", 40 * label + 10 * shape)
    return folder


def imagefolders(folder: Path) -> Path:
    """Two views; the second lacks one sample."""
    for view in ("front", "side"):
        for label, name in enumerate(("mug", "bowl")):
            for sample in range(5):
                if (view, name, sample) != ("side", "bowl", 2):
                    picture(folder / view / name / f"{sample}.png", 60 * label + 30)
    return folder


def imported(kind: str, layout: Layout, folder: Path) -> DataSet:
    (folder / "source").mkdir()
    import_data(kind, layout(folder / "source"), folder / "mine.yaml", size=8, channels=3)
    return load(folder / "mine.yaml")


def test_wildtrack_gives_people_and_what_is_beside_them(tmp_path: Path) -> None:
    data = imported("wildtrack", wildtrack, tmp_path)
    samples = data.samples
    assert samples.classes == ("person", "background")
    assert samples.view_names == ("C1", "C2")
    assert len(samples) == 4 * 4
    assert samples.labels_NV[:2].tolist() == [[0, 0], [ABSENT, 0]]
    people, beside = (samples.fused_labels_N == label for label in (0, 1))
    right = samples.views.arrays[1]
    assert (right[people, 0] > 180).all()
    assert (right[beside] < 40).all()
    assert len(data.split.test) == 4


@pytest.mark.parametrize(
    ("kind", "layout", "bus"), [("coco", coco, "bus"), ("mot", mot, "pedestrian")]
)
def test_boxes_of_one_object_in_all_cameras_are_one_sample(
    kind: str, layout: Layout, bus: str, tmp_path: Path
) -> None:
    data = imported(kind, layout, tmp_path)
    samples = data.samples
    assert set(samples.classes) == {"car", bus}
    assert samples.view_names == ("left", "right")
    car, other = samples.classes.index("car"), samples.classes.index(bus)
    assert samples.labels_NV.tolist() == [[car, car], [other, ABSENT]] * 4
    assert (samples.views.arrays[0][:, 0] > 150).all()
    assert len(data.split.train) + len(data.split.validation) + len(data.split.test) == 8


def test_modelnet_gives_twelve_views_a_shape(tmp_path: Path) -> None:
    data = imported("modelnet40", modelnet, tmp_path)
    assert data.view_names == tuple(f"view{number}" for number in range(1, 13))
    assert data.samples.classes == ("airplane", "bathtub")
    assert len(data.split.test) == 6
    assert len(data.split.train) + len(data.split.validation) == 6
    shades = {array[0].mean() for array in data.samples.views.arrays}
    assert shades == {10.0}


def test_an_image_folder_a_view_is_joined_by_names(tmp_path: Path) -> None:
    data = imported("imagefolders", imagefolders, tmp_path)
    assert data.view_names == ("front", "side")
    assert data.samples.classes == ("bowl", "mug")
    assert len(data.samples) == 10
    assert data.samples.absent_NV.sum() == 1


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    source, card = coco(tmp_path), tmp_path / "mine.yaml"
    command = ["data", "import", "coco", str(source), "--out", str(card), "--size", "6"]
    result = CliRunner().invoke(ddnn, [*command, "--grey", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["samples"] == 8
    assert load(card).samples.views.shapes == ((1, 6, 6), (1, 6, 6))
    again = CliRunner().invoke(ddnn, command)
    assert isinstance(again.exception, ConfigError)


def edited(layout: Layout, change: Callable[[Path], Any]) -> Layout:
    def make(folder: Path) -> Path:
        found = layout(folder)
        change(folder)
        return found

    return make


def coco_with(**changes: Any) -> Layout:
    """The first annotation changed."""

    def change(folder: Path) -> None:
        document = json.loads((folder / "boxes.json").read_text())
        document["annotations"][0] |= changes
        (folder / "boxes.json").write_text(json.dumps(document))

    return edited(coco, change)


def gt(text: str) -> Layout:
    return edited(mot, lambda folder: (folder / "left/gt/gt.txt").write_text(text))


WRONG: dict[str, tuple[str, Layout, str]] = {
    "no number": ("coco", coco_with(attributes={}), "annotation 0: no number of its object, want"),
    "image": ("coco", coco_with(image_id=99), "annotation 0: image_id 99"),
    "box": ("coco", coco_with(bbox=[1, 2]), r"annotation 0: bbox: got \[1, 2\], want four numbers"),
    "outside": ("coco", coco_with(bbox=[90, 5, 10, 20]), r"box .* lies outside 40x30"),
    "two classes": ("coco", coco_with(category_id=2), "object 3 is bus and car, want one class"),
    "not JSON": ("coco", edited(coco, lambda f: (f / "boxes.json").write_text("{")), "not JSON"),
    "row": ("mot", gt("1,3,4\n"), "gt.txt: line 1: want frame, object, left"),
    "class": ("mot", gt("1,3,4,5,10,20,1,44,1\n"), "gt.txt: line 1: .* a class from 1 to 13"),
    "frame": ("mot", gt("9,3,4,5,10,20,1,3,1\n"), "no picture of frame 9"),
    "camera": ("mot", lambda folder: folder, "no CAMERA/gt/gt.txt"),
    "view": (
        "modelnet40",
        edited(modelnet, lambda folder: picture(folder / "bathtub/test/odd.png", 9)),
        r"odd\.png: no number of its view",
    ),
    "part": (
        "modelnet40",
        edited(modelnet, lambda folder: (folder / "bathtub/extra").mkdir()),
        "extra: want CLASS/train and CLASS/test alone",
    ),
    "person": (
        "wildtrack",
        edited(
            wildtrack,
            lambda folder: (folder / "annotations_positions/00000000.json").write_text(
                '[{"a": 1}]'
            ),
        ),
        "person 0: personID: got 'None', want int",
    ),
}


@pytest.mark.parametrize(("kind", "layout", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(kind: str, layout: Layout, message: str, tmp_path: Path) -> None:
    with pytest.raises(DdnnError, match=message):
        imported(kind, layout, tmp_path)
    assert not (tmp_path / "mine.yaml").exists()


def test_a_box_is_cut_to_what_is_inside() -> None:
    image = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    cut = cropped(image, Picture(Path("x"), Box(-3, 1.4, 2, 99)))
    np.testing.assert_array_equal(cut, image[:, 1:4, 0:2])
    with pytest.raises(DataError, match="lies outside 5x4"):
        cropped(image, Picture(Path("x"), Box(5, 0, 9, 2)))
