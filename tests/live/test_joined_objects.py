"""Boxes of several cameras are joined by where they stand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ddnn.cli.cameras import command
from ddnn.errors import ConfigError
from ddnn.live.objects import Box, Ground, beside, box_of, homography_of, mapped

TILTED = np.array([[0.02, 0.001, -3.0], [0.002, 0.05, -8.0], [0.0001, 0.002, 1.0]])
SHIFTED = np.array([[0.01, 0.0, 1.0], [0.0, 0.01, 2.0], [0.0, 0.0, 1.0]])
CORNERS = np.array([[10.0, 200.0], [620.0, 210.0], [600.0, 470.0], [30.0, 450.0]])
GROUND = Ground({"cam0": TILTED, "cam1": SHIFTED, "cam2": SHIFTED})


def box_at(camera: str, homography: np.ndarray, place: tuple[float, float]) -> Box:
    """One that stands there."""
    u, v = mapped(np.linalg.inv(homography), np.array([place]))[0]
    return Box(camera=camera, x=u - 5, y=v - 30, width=10, height=30)


def joined(boxes: list[Box], within_m: float = 0.5) -> list[list[str]]:
    return [[box.camera for box in o.boxes] for o in GROUND.join(boxes, within_m=within_m)]


@pytest.mark.parametrize("homography", [TILTED, SHIFTED], ids=["tilted", "shifted"])
def test_four_points_tie_a_picture_to_the_ground(homography):
    found = homography_of(CORNERS, mapped(homography, CORNERS))
    inside = np.array([[320.0, 300.0], [100.0, 250.0]])
    np.testing.assert_allclose(mapped(found, inside), mapped(homography, inside), atol=1e-6)


@given(noise=st.integers(0, 2**32 - 1))
def test_more_points_even_errors_out(noise):
    rng = np.random.default_rng(noise)
    pixels = rng.uniform(0, 600, (40, 2))
    wanted = mapped(SHIFTED, pixels)
    found = homography_of(pixels, wanted + rng.normal(scale=0.01, size=wanted.shape))
    assert np.abs(mapped(found, CORNERS) - mapped(SHIFTED, CORNERS)).max() < 0.1


@pytest.mark.parametrize(
    ("pixels", "wanted"),
    [(CORNERS[:3], "3 points, want 4"), (CORNERS[[0, 0, 0, 0]], "on one line")],
    ids=["three points", "one point"],
)
def test_what_ties_nothing_is_refused(pixels, wanted):
    with pytest.raises(ConfigError, match=wanted):
        homography_of(pixels, mapped(SHIFTED, pixels))


def test_what_some_pixels_are_on_the_ground_is_found_beside_each_point():
    (left, right, above, below), _ = beside(SHIFTED, CORNERS[:2], 10)
    place = mapped(SHIFTED, CORNERS[:1])[0]
    np.testing.assert_allclose(right - place, place - left)
    np.testing.assert_allclose([right - place, below - place], [[0.1, 0], [0, 0.1]], atol=1e-12)
    np.testing.assert_allclose(below - place, place - above)


def test_boxes_that_stand_together_are_one_object_and_it_says_how_close():
    boxes = [
        box_at("cam0", TILTED, (2.0, 3.0)),
        box_at("cam1", SHIFTED, (2.2, 3.0)),
        box_at("cam1", SHIFTED, (6.0, 3.0)),
        box_at("cam2", SHIFTED, (2.1, 3.1)),
    ]
    assert joined(boxes) == [["cam0", "cam1", "cam2"], ["cam1"]]
    first, second = GROUND.join(boxes, within_m=0.5)
    np.testing.assert_allclose(first.place, (2.1, 3.0333), atol=1e-3)
    assert 0.05 < first.spread_m < 0.15
    assert second.spread_m == 0


def test_two_boxes_of_one_camera_are_never_one_object():
    boxes = [box_at("cam1", SHIFTED, (2.0, 3.0)), box_at("cam1", SHIFTED, (2.01, 3.0))]
    assert joined(boxes) == [["cam1"], ["cam1"]]
    boxes.append(box_at("cam0", TILTED, (2.02, 3.0)))
    assert joined(boxes) == [["cam1"], ["cam1", "cam0"]]


def test_a_chain_of_near_boxes_is_no_object():
    boxes = [
        box_at(camera, h, (0.6 * n, 0.0))
        for n, (camera, h) in enumerate([("cam0", TILTED), ("cam1", SHIFTED), ("cam2", SHIFTED)])
    ]
    assert max(map(len, joined(boxes))) == 2


@given(order=st.permutations(range(4)))
def test_the_order_of_boxes_does_not_matter(order):
    boxes = [
        box_at("cam0", TILTED, (2.0, 3.0)),
        box_at("cam1", SHIFTED, (2.2, 3.0)),
        box_at("cam1", SHIFTED, (6.0, 3.0)),
        box_at("cam2", SHIFTED, (6.1, 3.1)),
    ]
    found = joined([boxes[n] for n in order])
    assert sorted(map(sorted, found)) == [["cam0", "cam1"], ["cam1", "cam2"]]


def test_a_camera_that_is_not_tied_is_named():
    with pytest.raises(ConfigError, match="camera 'cam9': not tied"):
        GROUND.place(Box(camera="cam9", x=0, y=0, width=1, height=1))


NO_BOXES = [
    "", "[]", "{}", '{"time": 1, "camera": "a", "box": [1, 2]}',
    '{"time": NaN, "camera": "a", "box": [1, 2, 3, 4]}',
    '{"time": 1, "camera": "a", "box": [1, 2, Infinity, 4]}',
    '{"time": 1, "camera": "a", "box": [1, 2, 1e999, 4]}',
    '{"time": 1, "camera": "a", "box": [1, 2, 3, 4], "id": NaN}',
    '{"time": 1, "camera": "a", "box": [1, 2, 3, 1' + 400 * "0" + "]}",
]  # fmt: skip


@pytest.mark.parametrize("line", NO_BOXES)
def test_a_line_that_is_no_box_is_refused(line):
    with pytest.raises(ConfigError, match="no box, want"):
        box_of(line)


def test_the_commands_calibrate_draw_and_join(tmp_path: Path):
    points = tmp_path / "points.yaml"
    rows = {
        name: np.column_stack([CORNERS, mapped(h, CORNERS)]).round(6).tolist()
        for name, h in (("cam0", TILTED), ("cam1", SHIFTED))
    }
    points.write_text(json.dumps({"cameras": {n: {"points": r} for n, r in rows.items()}}))
    ground, picture = tmp_path / "ground.json", tmp_path / "ground.png"
    run = CliRunner()
    arguments = ["calibrate", str(points), "--out", str(ground), "--picture", str(picture)]
    done = run.invoke(command, arguments, catch_exceptions=False)
    assert "cam1: its points miss by 0.000 m" in done.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    boxes = [box_at("cam0", TILTED, (2.0, 3.0)), box_at("cam1", SHIFTED, (2.2, 3.0))]
    lines = "".join(
        json.dumps({"time": 1.5, "camera": b.camera, "box": [b.x, b.y, b.width, b.height]}) + "\n"
        for b in boxes
    )
    done = run.invoke(command, ["join", str(ground)], input=lines, catch_exceptions=False)
    (found,) = map(json.loads, done.output.splitlines())
    assert found["time"] == 1.5
    assert list(found["boxes"]) == ["cam0", "cam1"]
    assert found["spread_m"] == pytest.approx(0.1, abs=0.01)


def test_a_foot_above_the_horizon_stands_nowhere():
    """Rows up to 100 are sky in this camera, which looks down a street."""
    street = np.array([[1.0, 0, -320], [0, 0, 1000], [0, 1, -100]])
    pixels = np.array([[100.0, 200], [500, 220], [600, 400], [50, 420]])
    found = homography_of(pixels, mapped(street, pixels))
    ground = Ground({"cam0": found, "cam1": -found})
    box = Box(camera="cam0", x=300, y=100, width=40, height=100)
    np.testing.assert_allclose(ground.place(box), (0, 10), atol=1e-9)
    for height in (-1, -50):
        with pytest.raises(ConfigError, match="at or above the horizon"):
            ground.place(replace(box, height=height))
    with pytest.raises(ConfigError, match="both sides of the horizon"):
        homography_of(pixels - [0, 150], mapped(street, pixels - [0, 150]))


def test_what_is_no_box_of_these_cameras_is_told_and_left_out(tmp_path: Path):
    ground = tmp_path / "ground.json"
    tied = {"homography": SHIFTED.tolist(), "error_m": 0.0}
    ground.write_text(json.dumps({"cameras": {"cam1": tied}}))

    def line(camera: str) -> str:
        return json.dumps({"time": 1, "camera": camera, "box": [100, 100, 10, 10]})

    said = "\n".join([line("cam1"), "no box", line("cam9"), line("cam1"), ""])
    done = CliRunner().invoke(command, ["join", str(ground)], input=said, catch_exceptions=False)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    second, third, last = done.stderr.splitlines()
    assert second.startswith("line 2: 'no box': no box, want")
    assert third == "line 3: camera 'cam9': not tied to the ground (known: cam1); left out"
    assert last == "lines left out: 2"
