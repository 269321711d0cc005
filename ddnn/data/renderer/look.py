"""What a rendered set shows, and how hard it is to tell: its classes, crops, crowd and noise.

Axes: B objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ddnn.data.renderer import shapes, vehicles
from ddnn.data.renderer.draws import Draws
from ddnn.data.renderer.shapes import Objects
from ddnn.data.renderer.street import CAMERAS, Camera

Kind = Literal[
    "car",
    "bus",
    "person",
    "truck",
    "tram",
    "tractor",
    "caravan",
    "cyclist",
    "motorcycle",
    "cart",
]
MAKERS: dict[Kind, Callable[[Draws], Objects]] = {
    "car": shapes.cars,
    "bus": shapes.buses,
    "person": shapes.persons,
    "truck": vehicles.trucks,
    "tram": vehicles.trams,
    "tractor": vehicles.tractors,
    "caravan": vehicles.caravans,
    "cyclist": vehicles.cyclists,
    "motorcycle": vehicles.motorcycles,
    "cart": vehicles.carts,
}
KINDS: tuple[Kind, ...] = tuple(MAKERS)
"""In the order of the numbers in `Scenes.class_N`."""
MARGIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """classes: of the set, in the order of its labels.

    margin: street around an object on each side of its crop, as a share of the object's size.
    jitter: how far a crop is off at each side, times what is usual: as a loose detector's are.
    crowd: share of all views, beside each camera's own, in which somebody is in the way.
    noise: times each camera's own.
    """

    classes: tuple[Kind, ...] = KINDS[:3]
    margin: float = MARGIN
    jitter: float = 1.0
    crowd: float = 0.0
    noise: float = 1.0

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of its classes in KINDS."""
        return tuple(KINDS.index(kind) for kind in self.classes)

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """As they see this set."""
        return tuple(
            replace(
                camera, noise=camera.noise * self.noise, crowd=min(camera.crowd + self.crowd, 1.0)
            )
            for camera in CAMERAS
        )


def objects(kind: int, draws: Draws) -> Objects:
    """Those of a number in KINDS."""
    return MAKERS[KINDS[kind]](draws)
