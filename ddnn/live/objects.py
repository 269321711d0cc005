"""Which boxes of several cameras are one object: by where they stand on the ground.

Each camera's picture is tied to a common ground plane by a homography, from four points or more
that somebody clicked. A box stands where the middle of its lower edge is. Boxes of different
cameras that stand close together are one object; how close they were is told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ddnn.blocks import Model
from ddnn.errors import ConfigError
from ddnn.yamlfile import read_json, read_yaml

Row = Annotated[tuple[float, float, float], Field(strict=False)]
Point = Annotated[tuple[float, float, float, float], Field(strict=False)]
MIN_POINTS = 4
FLAT = 1e-9
"""Of singular values: points on one line tie nothing."""


class CameraPoints(Model):
    """What was clicked in one camera's picture."""

    points: tuple[Point, ...] = Field(
        strict=False, description="[column, row, x, y]: pixels, and metres on the ground"
    )


class PointsFile(Model):
    """Points by camera, as `ddnn cameras calibrate` takes them."""

    cameras: dict[str, CameraPoints] = Field(min_length=1)


class Tied(Model):
    """One camera's picture and the ground. error_m: how far its points miss, root mean square."""

    homography: Annotated[tuple[Row, Row, Row], Field(strict=False)]
    error_m: float


class GroundFile(Model):
    """What `ddnn cameras calibrate` writes."""

    cameras: dict[str, Tied]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a detector found: pixels of one camera's picture. id: the detector's own, if any."""

    camera: str
    x: float
    y: float
    width: float
    height: float
    id: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """Boxes, one a camera at most. place: metres on the ground, their mean. spread_m: how far the
    farthest is from it; 0 for a single one."""

    boxes: tuple[Box, ...]
    place: tuple[float, float]
    spread_m: float


class Ground:
    """Pictures of several cameras on one ground plane."""

    def __init__(self, homographies: Mapping[str, NDArray[np.float64]]) -> None:
        """homographies: 3 x 3, from pixels to metres, by camera."""
        self._homographies = dict(homographies)

    @classmethod
    def read(cls, path: Path) -> Ground:
        """Of a file that `ddnn cameras calibrate` wrote. Raises ConfigError."""
        try:
            found = read_json(path, GroundFile)
        except OSError as error:
            raise ConfigError(
                f"{path}: {error.strerror}, want a file that `ddnn cameras calibrate` wrote"
            ) from error
        return cls({name: np.array(tied.homography) for name, tied in found.cameras.items()})

    def place(self, box: Box) -> NDArray[np.float64]:
        """Where it stands, (2,) metres. Raises ConfigError for a camera that is not tied, and for a
        foot that is not on the ground in front of it."""
        if box.camera not in self._homographies:
            known = ", ".join(self._homographies)
            raise ConfigError(f"camera {box.camera!r}: not tied to the ground (known: {known})")
        column, row = box.x + box.width / 2, box.y + box.height
        x, y, depth = self._homographies[box.camera] @ (column, row, 1.0)
        place = np.array([x, y]) / depth if depth > 0 else np.full(2, np.inf)
        if not np.isfinite(place).all():
            raise ConfigError(f"camera {box.camera!r}: {row:g} is at or above the horizon there")
        return place

    def join(self, boxes: Sequence[Box], *, within_m: float) -> list[Object]:
        """The objects of one instant, in the order of their first boxes.

        Closest pairs are joined first; an object has one box a camera, none of them farther than
        within_m from its middle.
        """
        places = [self.place(box) for box in boxes]
        groups = [[number] for number in range(len(boxes))]
        pairs = sorted(
            (float(np.linalg.norm(places[a] - places[b])), a, b)
            for a, b in combinations(range(len(boxes)), 2)
            if boxes[a].camera != boxes[b].camera
        )
        for distance_m, a, b in pairs:
            one, other = groups[a], groups[b]
            if one is other or distance_m > 2 * within_m:
                continue
            both = sorted(one + other)
            cameras = {boxes[number].camera for number in both}
            if len(cameras) == len(both) and _spread_m([places[n] for n in both]) <= within_m:
                for number in both:
                    groups[number] = both
        return [
            _object([boxes[n] for n in group], [places[n] for n in group])
            for number, group in enumerate(groups)
            if group[0] == number
        ]


def _spread_m(places: Sequence[NDArray[np.float64]]) -> float:
    middle = np.mean(places, axis=0)
    return float(max(np.linalg.norm(place - middle) for place in places))


def _object(boxes: Sequence[Box], places: Sequence[NDArray[np.float64]]) -> Object:
    x, y = np.mean(places, axis=0).tolist()
    return Object(boxes=tuple(boxes), place=(x, y), spread_m=_spread_m(places))


def mapped(homography: NDArray[np.float64], points_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points on the other plane, (N,2)."""
    lifted_N3 = np.column_stack([points_N2, np.ones(len(points_N2))]) @ homography.T
    found: NDArray[np.float64] = lifted_N3[:, :2] / lifted_N3[:, 2:]
    return found


def beside(
    homography: NDArray[np.float64], points_N2: NDArray[np.float64], by: float
) -> NDArray[np.float64]:
    """What lies so far left and right of the points, above and below, on the other plane:
    (N,4,2)."""
    steps_42 = by * np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])
    around_N42 = points_N2[:, None] + steps_42
    return mapped(homography, around_N42.reshape(-1, 2)).reshape(-1, 4, 2)


def homography_of(
    pixels_N2: NDArray[np.float64], metres_N2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The 3 x 3 that takes these pixels to these places, as well as can be in the least squares of
    the direct linear transform, on normalized points (Hartley and Zisserman 2004, algorithm 4.2).

    Raises ConfigError for fewer than four points, or points that lie on one line.
    """
    if len(pixels_N2) < MIN_POINTS:
        raise ConfigError(f"{len(pixels_N2)} points, want {MIN_POINTS} or more")
    from_pixels, to_metres = _normal(pixels_N2), _normal(metres_N2)
    rows = []
    for (u, v), (x, y) in zip(
        mapped(from_pixels, pixels_N2), mapped(to_metres, metres_N2), strict=True
    ):
        rows += [[u, v, 1, 0, 0, 0, -x * u, -x * v, -x], [0, 0, 0, u, v, 1, -y * u, -y * v, -y]]
    _, values, vectors = np.linalg.svd(np.array(rows))
    if values[7] < FLAT:
        raise ConfigError("points of which three or more lie on one line, want four corners")
    found = np.linalg.inv(to_metres) @ vectors[-1].reshape(3, 3) @ from_pixels
    depths_N = np.column_stack([pixels_N2, np.ones(len(pixels_N2))]) @ found[2]
    if depths_N.min() * depths_N.max() <= 0:
        raise ConfigError("points on both sides of the horizon, want four on the ground")
    result: NDArray[np.float64] = found / depths_N.mean()  # positive in front of the camera
    return result


def _normal(points_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """A 3 x 3 that puts their middle to 0 and their mean distance from it to the root of 2."""
    middle = points_N2.mean(axis=0)
    distance = float(np.linalg.norm(points_N2 - middle, axis=1).mean())
    scale = np.sqrt(2) / max(distance, FLAT)
    return np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1]])


def calibrate(path: Path) -> dict[str, Any]:
    """What ties the cameras of a points file to the ground: the content of a GroundFile.

    Raises ConfigError naming the file and the camera.
    """
    cameras = {}
    for name, camera in read_yaml(path, PointsFile).cameras.items():
        points_N4 = np.array(camera.points, dtype=float).reshape(-1, 4)
        pixels_N2, metres_N2 = points_N4[:, :2], points_N4[:, 2:]
        try:
            homography = homography_of(pixels_N2, metres_N2)
        except ConfigError as error:
            raise ConfigError(f"{path}: cameras.{name}: {error}") from error
        missed_N = np.linalg.norm(mapped(homography, pixels_N2) - metres_N2, axis=1)
        error_m = float(np.sqrt((missed_N**2).mean()))
        cameras[name] = {"homography": homography.tolist(), "error_m": error_m}
    return {"cameras": cameras}


def box_of(line: str) -> tuple[float, Box]:
    """The time and box of a line of JSON, {"time", "camera", "box": [x, y, width, height], "id"}.

    Raises ConfigError for another.
    """
    try:
        said = json.loads(line)
        time_s, x, y, width, height = map(_finite, (said["time"], *said["box"]))
        box = Box(
            camera=str(said["camera"]), x=x, y=y, width=width, height=height, id=_id(said.get("id"))
        )
        return time_s, box
    except (ArithmeticError, AttributeError, *_FOREIGN) as error:
        wanted = '{"time": 0.1, "camera": "cam0", "box": [x, y, width, height]}'
        raise ConfigError(f"{line.strip()[:80]!r}: no box, want {wanted}") from error


_FOREIGN = (ValueError, TypeError, KeyError, RecursionError)
"""What comes of a line that holds something else."""


def _finite(said: Any) -> float:
    number = float(said)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _id(said: Any) -> str | int | None:
    if not isinstance(said, str | int | None):
        raise TypeError("no id")
    return said


def line_of(time_s: float, found: Object) -> str:
    """An object as a line of JSON, with how it was decided."""
    return json.dumps(
        {
            "time": time_s,
            "place": [round(metres, 3) for metres in found.place],
            "spread_m": round(found.spread_m, 3),
            "boxes": {box.camera: [box.x, box.y, box.width, box.height] for box in found.boxes},
            "ids": {box.camera: box.id for box in found.boxes if box.id is not None},
        },
        allow_nan=False,
    )
