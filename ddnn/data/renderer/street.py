"""The street, its furniture and its six cameras: where objects stand and who can see them.

World frame: x along the road, y across it, z up, in metres. Axes: N samples, V views, B crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.data.renderer.draws import Draws, Floats, turn
from ddnn.data.renderer.raster import Light
from ddnn.data.renderer.shapes import Ball, Shape, box

CLASS_SHARES = (0.45, 0.20, 0.35)
"""Car, bus, person. Real streets have fewer buses; a class of 1 % would mean nothing. Sets of other
classes have as many of each."""
CAR, BUS, PERSON = range(3)
ON_RAILS = (BUS, 4)
"""Numbers of what keeps to the road's middle: buses and trams."""
ON_FOOT = (PERSON, 9)
"""Of what may stand on the pavement: persons and carts."""
IN_THE_WAY_COLUMN = 60
"""First column of the draws for who stands in the way: behind all that an object uses."""
SIGHT = 0.45
"""Share of an object's probe points that must be in sight for it to count as seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A fixed camera and what it does to an image.

    half_width: tangent of half its angle of view. reach_m: how far ahead it looks for objects.
    pixels_a_tangent: its resolution.
    blur: passes of a 3 x 3 kernel, for its lens.
    noise: deviation, of a full scale of 1. exposure: gain. tint: gain of red, green, blue.
    haze: share of grey light mixed in. crowd: share of its views in which somebody is in the way.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    half_width: float
    reach_m: float
    pixels_a_tangent: float
    blur: float
    noise: float
    exposure: float
    tint: tuple[float, float, float]
    haze: float
    crowd: float


CAMERAS = (
    Camera(
        position=(-20.0, -12.0, 3.4),
        target=(-8.3, 1.0, 0.8),
        half_width=0.233,
        reach_m=45.0,
        pixels_a_tangent=500,
        blur=0.3,
        noise=0.020,
        exposure=1.05,
        tint=(1.04, 1.0, 0.94),
        haze=0.02,
        crowd=0.02,
    ),
    Camera(
        position=(20.0, 12.5, 3.0),
        target=(8.3, -1.0, 0.8),
        half_width=0.24,
        reach_m=45.0,
        pixels_a_tangent=500,
        blur=0.3,
        noise=0.020,
        exposure=0.95,
        tint=(0.95, 1.0, 1.06),
        haze=0.03,
        crowd=0.02,
    ),
    Camera(
        position=(2.0, -12.5, 4.5),
        target=(1.0, 2.0, 0.8),
        half_width=0.48,
        reach_m=45.0,
        pixels_a_tangent=500,
        blur=1.2,
        noise=0.066,
        exposure=0.75,
        tint=(1.0, 1.0, 1.0),
        haze=0.22,
        crowd=0.12,
    ),
    Camera(
        position=(-4.0, 13.0, 3.5),
        target=(-1.0, -2.0, 0.8),
        half_width=0.493,
        reach_m=45.0,
        pixels_a_tangent=500,
        blur=0.9,
        noise=0.052,
        exposure=1.25,
        tint=(1.06, 1.0, 0.90),
        haze=0.15,
        crowd=0.08,
    ),
    Camera(
        position=(-25.0, 6.0, 5.0),
        target=(-4.0, -1.0, 0.8),
        half_width=0.5,
        reach_m=28.25,
        pixels_a_tangent=500,
        blur=0.2,
        noise=0.015,
        exposure=1.0,
        tint=(1.0, 1.02, 1.0),
        haze=0.02,
        crowd=0.02,
    ),
    Camera(
        position=(25.0, -6.0, 6.5),
        target=(2.0, 0.5, 0.8),
        half_width=0.5,
        reach_m=35.386,
        pixels_a_tangent=500,
        blur=0.3,
        noise=0.020,
        exposure=1.05,
        tint=(0.98, 1.0, 1.02),
        haze=0.04,
        crowd=0.02,
    ),
)


def _colour(red: float, green: float, blue: float) -> Floats:
    return np.array([[red, green, blue]])


def _tree(x: float, y: float) -> tuple[Shape, ...]:
    return (
        box((0.0, 2.6), 0.14, 0.14, _colour(0.28, 0.20, 0.14)).moved(x, y),
        Ball(centre=(x, y, 3.9), radii=(1.6, 1.6, 1.5), colour_B3=_colour(0.20, 0.34, 0.14)),
    )


def _hedge(x: float, y: float, length: float) -> tuple[Shape, ...]:
    return (box((0.0, 0.85), length / 2, 0.35, _colour(0.17, 0.30, 0.13)).moved(x, y),)


def _pole(x: float, y: float) -> tuple[Shape, ...]:
    return (box((0.0, 5.5), 0.08, 0.08, _colour(0.40, 0.41, 0.42)).moved(x, y),)


def _kiosk(x: float, y: float) -> tuple[Shape, ...]:
    return (
        box((0.0, 2.3), 1.1, 0.9, _colour(0.45, 0.37, 0.30)).moved(x, y),
        box((2.3, 2.5), 1.3, 1.1, _colour(0.25, 0.40, 0.36)).moved(x, y),
    )


FURNITURE: tuple[Shape, ...] = (
    *_tree(-9.5, -6.6),
    *_tree(7.0, 6.7),
    *_tree(12.5, -6.5),
    *_pole(-3.2, 6.4),
    *_pole(3.5, -6.3),
    *_pole(-14.0, 6.4),
    *_kiosk(-8.0, 9.3),
    *_kiosk(9.5, -9.4),
    *_hedge(-2.0, -8.9, 3.0),
    *_hedge(1.5, 10.0, 4.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """N samples: what stands where, in what light. class_N: number in `look.KINDS`.

    cosine_N, sine_N: of the direction in which the object faces.
    draws: from which each object takes its own size and colours.
    """

    class_N: NDArray[np.int64]
    x_N: Floats
    y_N: Floats
    cosine_N: Floats
    sine_N: Floats
    light: Light
    draws: Draws

    def __len__(self) -> int:
        return len(self.class_N)

    def take(self, rows: NDArray[np.int64]) -> Scenes:
        """The scenes with these indices, in this order; an index may come twice."""
        x, y, z = self.light.towards
        return Scenes(
            class_N=self.class_N[rows],
            x_N=self.x_N[rows],
            y_N=self.y_N[rows],
            cosine_N=self.cosine_N[rows],
            sine_N=self.sine_N[rows],
            light=Light(
                towards=(x[rows], y[rows], z[rows]),
                sun_B=self.light.sun_B[rows],
                sky_B=self.light.sky_B[rows],
            ),
            draws=self.draws.rows(rows),
        )


def compose(draws: Draws, classes: tuple[int, ...] = (CAR, BUS, PERSON)) -> Scenes:
    """Puts one object on the street for every row of draws. classes: numbers in `look.KINDS`."""
    shares = CLASS_SHARES if classes == (CAR, BUS, PERSON) else (1 / len(classes),) * len(classes)
    drawn_N = np.searchsorted(np.cumsum(shares)[:-1], draws.uniform(0, 1), side="right")
    class_N = np.array(classes)[drawn_N]
    bus = np.isin(class_N, ON_RAILS)
    car = ~bus & ~np.isin(class_N, ON_FOOT)
    lane, along, wander = draws.uniform(0, 1), draws.uniform(-12.5, 12.5), draws.uniform(-1, 1)
    side = np.where(draws.chance(0.5), 1.0, -1.0)
    car_y = side * np.where(lane < 0.55, 1.8, 4.7) + 0.35 * wander
    bus_y = side * 2.6 + 0.5 * wander
    person_y = np.where(lane < 0.65, side * (7.6 + 1.2 * wander), 6.0 * wander)
    turning = car & draws.chance(0.15)
    skew = np.where(turning, draws.uniform(-1, 1), draws.uniform(-0.07, 0.07))
    heading = np.where(car | bus, skew, draws.uniform(-1, 1))
    cosine_N, sine_N = turn(heading)
    return Scenes(
        class_N=class_N,
        x_N=np.where(bus, 0.8, 1.0) * along,
        y_N=np.where(car, car_y, np.where(bus, bus_y, person_y)),
        cosine_N=side * cosine_N,
        sine_N=side * sine_N,
        light=_daylight(draws),
        draws=draws,
    )


def in_the_way(scenes: Scenes, camera: Camera, nearer_N: Floats) -> Scenes:
    """Somebody between the camera and each object: a car before a person, else a person.

    nearer_N: how much nearer to the camera than the object, as a share of its distance.
    """
    x, y, _ = camera.position
    is_person = scenes.class_N == PERSON
    return Scenes(
        class_N=np.where(is_person, CAR, PERSON),
        x_N=scenes.x_N + nearer_N * (x - scenes.x_N),
        y_N=scenes.y_N + nearer_N * (y - scenes.y_N),
        cosine_N=np.where(is_person, 1.0, scenes.sine_N),
        sine_N=np.where(is_person, 0.0, scenes.cosine_N),
        light=scenes.light,
        draws=scenes.draws.fork(IN_THE_WAY_COLUMN),
    )


def _daylight(draws: Draws) -> Light:
    cosine, sine = turn(draws.uniform(-1, 1))
    side = np.where(draws.chance(0.5), 1.0, -1.0)
    elevation = draws.uniform(0.6, 1.6)
    length = np.sqrt(1 + elevation * elevation)
    return Light(
        towards=(side * cosine / length, side * sine / length, elevation / length),
        sun_B=draws.uniform(0.25, 0.75),
        sky_B=draws.uniform(0.35, 0.60),
    )


def aim(camera: Camera) -> tuple[Floats, Floats, Floats, Floats]:
    """Position, forward, right and up of a camera, each (3,)."""
    position, target = np.array(camera.position), np.array(camera.target)
    forward = _unit(target - position)
    right = _unit(np.array([forward[1], -forward[0], 0.0]))
    up = np.array(
        [
            right[1] * forward[2] - right[2] * forward[1],
            right[2] * forward[0] - right[0] * forward[2],
            right[0] * forward[1] - right[1] * forward[0],
        ]
    )
    return position, forward, right, up


def _unit(vector: Floats) -> Floats:
    x, y, z = vector
    unit: Floats = vector / np.sqrt((x * x + y * y) + z * z)
    return unit
