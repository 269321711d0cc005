"""Cars, buses and persons as lists of blocks and balls, each sample's of its own size and colour.

Object frame: x forward, y left, z up, in metres; z = 0 is the ground. Axes: B objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ddnn.data.renderer.draws import Draws, Floats

Number = Floats | float
Corner = tuple[Number, Number, Number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The body between two horizontal rectangles (x0, x1, y0, y1), one at each height.

    Equal rectangles make a box, a smaller upper one a cabin, a shifted one a leg in mid-step.
    """

    heights: tuple[Number, Number]
    lower: tuple[Number, Number, Number, Number]
    upper: tuple[Number, Number, Number, Number]
    colour_B3: Floats

    def moved(self, x: Number, y: Number) -> Block:
        """The same block, shifted over the ground."""
        lower, upper = (
            (sides[0] + x, sides[1] + x, sides[2] + y, sides[3] + y)
            for sides in (self.lower, self.upper)
        )
        return Block(heights=self.heights, lower=lower, upper=upper, colour_B3=self.colour_B3)

    def corners(self) -> list[Corner]:
        """The eight corners."""
        return [
            (rectangle[i], rectangle[j], height)
            for height, rectangle in zip(self.heights, (self.lower, self.upper), strict=True)
            for i in (0, 1)
            for j in (2, 3)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ball:
    """An ellipsoid with its axes along x, y, z."""

    centre: tuple[Number, Number, Number]
    radii: tuple[Number, Number, Number]
    colour_B3: Floats

    def corners(self) -> list[Corner]:
        """The eight corners of the box around it."""
        (x, y, z), (a, b, c) = self.centre, self.radii
        return [
            (x + i * a, y + j * b, z + k * c)
            for i in (-1.0, 1.0)
            for j in (-1.0, 1.0)
            for k in (-1.0, 1.0)
        ]


Shape = Block | Ball


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """B objects of one class. size_B3: length, width and height of what they fill."""

    shapes: tuple[Shape, ...]
    size_B3: Floats


PAINTS = np.array(
    [
        [0.75, 0.76, 0.78],
        [0.20, 0.21, 0.23],
        [0.62, 0.10, 0.09],
        [0.12, 0.22, 0.48],
        [0.85, 0.85, 0.83],
        [0.42, 0.44, 0.46],
        [0.16, 0.33, 0.24],
        [0.70, 0.58, 0.25],
    ]
)
LIVERIES = np.array(
    [[0.88, 0.86, 0.80], [0.80, 0.16, 0.12], [0.90, 0.72, 0.16], [0.24, 0.45, 0.75]]
)
TROUSERS = np.array(
    [[0.12, 0.14, 0.24], [0.10, 0.10, 0.11], [0.42, 0.36, 0.28], [0.26, 0.32, 0.46]]
)
HAIR = np.array([[0.09, 0.06, 0.04], [0.32, 0.20, 0.10], [0.60, 0.48, 0.26], [0.42, 0.42, 0.42]])
SKIN = np.array([[0.86, 0.66, 0.54], [0.66, 0.46, 0.34], [0.38, 0.25, 0.18]])
GLASS = np.array([[0.10, 0.13, 0.17]])
RUBBER = np.array([[0.05, 0.05, 0.055]])
LAMP = np.array([[0.95, 0.93, 0.80]])
TAIL = np.array([[0.70, 0.06, 0.05]])


VANS = 0.25
"""Share of the cars."""


def box(heights: tuple[Number, Number], x: Number, y: Number, colour_B3: Floats) -> Block:
    """A block around the z axis: -x to x, -y to y."""
    sides = (-x, x, -y, y)
    return Block(heights=heights, lower=sides, upper=sides, colour_B3=colour_B3)


def tinted(draws: Draws, table: Floats) -> Floats:
    """A colour of the table, a little lighter or darker."""
    return draws.choice(table) * draws.uniform(0.8, 1.2)[:, None]


def cars(draws: Draws) -> Objects:
    """Saloons, estates and vans; a van is high, and closed behind its doors."""
    paint, is_van = tinted(draws, PAINTS), draws.chance(VANS)
    length = draws.uniform(3.7, 4.6) + np.where(is_van, 0.5, 0.0)
    width = draws.uniform(1.65, 1.85) + np.where(is_van, 0.1, 0.0)
    height = draws.uniform(1.38, 1.58) + np.where(is_van, 0.6, 0.0)
    x, y = length / 2, width / 2
    rear = np.where(draws.chance(0.5) | is_van, -0.47, -0.34) * length  # estate or saloon
    panel = box((0.5, np.where(is_van, height + 0.01, 0.6)), 0.24 * length, y - 0.02, paint)
    panel = panel.moved(-0.25 * length, 0.0)
    glass = Block(
        heights=(0.88, height - 0.07),
        lower=(rear, 0.22 * length, 0.06 - y, y - 0.06),
        upper=(rear + 0.10 * length, 0.06 * length, 0.24 - y, y - 0.24),
        colour_B3=GLASS,
    )
    roof = Block(
        heights=(height - 0.09, height),
        lower=(rear + 0.08 * length, 0.07 * length, 0.22 - y, y - 0.22),
        upper=(rear + 0.12 * length, 0.03 * length, 0.28 - y, y - 0.28),
        colour_B3=paint,
    )
    pillar = Block(
        heights=(0.88, height - 0.05),
        lower=(-0.09 * length, -0.06 * length, 0.05 - y, y - 0.05),
        upper=(-0.09 * length, -0.06 * length, 0.22 - y, y - 0.22),
        colour_B3=paint,
    )
    sill = box((0.20, 0.45), x - 0.05, y - 0.01, paint * 0.6)
    body = Block(
        heights=(0.42, 0.92),
        lower=(-x, x, -y, y),
        upper=(0.06 - x, x - 0.16, 0.06 - y, y - 0.06),
        colour_B3=paint,
    )
    wheels = _wheels(0.31 * length, y - 0.06, 0.33)
    return Objects(
        shapes=(sill, body, glass, roof, pillar, panel, *_lights(x, y), *wheels),
        size_B3=np.stack([length, width, height], axis=1),
    )


def buses(draws: Draws) -> Objects:
    """City buses with a band of windows, a windscreen and a lit sign."""
    paint, stripe = tinted(draws, LIVERIES), tinted(draws, PAINTS)
    length, width = draws.uniform(8.0, 10.5), draws.uniform(2.45, 2.6)
    height = draws.uniform(2.9, 3.2)
    x, y = length / 2, width / 2
    body = box((0.32, height), x, y, paint)
    skirt = box((0.32, 0.95), x + 0.01, y + 0.01, stripe)
    band = box((1.30, 2.35), x - 0.35, y + 0.03, GLASS)
    screen = Block(
        heights=(1.05, 2.45),
        lower=(-x - 0.03, x + 0.03, 0.12 - y, y - 0.12),
        upper=(-x - 0.03, x + 0.03, 0.12 - y, y - 0.12),
        colour_B3=GLASS,
    )
    sign = Block(
        heights=(2.52, 2.80),
        lower=(0, x + 0.04, -0.7, 0.7),
        upper=(0, x + 0.04, -0.7, 0.7),
        colour_B3=LAMP,
    )
    unit = box((height, height + 0.22), 0.28 * length, y - 0.4, paint * 0.8)
    posts = [
        Block(
            heights=(1.25, 2.40),
            lower=(at * length - 0.09, at * length + 0.09, -y - 0.05, y + 0.05),
            upper=(at * length - 0.09, at * length + 0.09, -y - 0.05, y + 0.05),
            colour_B3=paint,
        )
        for at in (-0.3, -0.15, 0.0, 0.15, 0.3)
    ]
    wheels = _wheels(0.30 * length, y - 0.08, 0.5)
    return Objects(
        shapes=(body, skirt, band, screen, sign, unit, *posts, *wheels),
        size_B3=np.stack([length, width, height + 0.2], axis=1),
    )


def persons(draws: Draws) -> Objects:
    """People standing or in mid-step, in trousers and a coat."""
    coat, trousers = tinted(draws, PAINTS), tinted(draws, TROUSERS)
    skin, hair = draws.choice(SKIN), draws.choice(HAIR)
    height, girth = draws.uniform(1.55, 1.90), draws.uniform(0.9, 1.25)
    step, hem = draws.uniform(0.0, 0.30), draws.uniform(0.40, 0.52)
    hip, shoulder = 0.48 * height, 0.83 * height
    coat_block = Block(
        heights=(hem * height, shoulder),
        lower=(-0.12 * girth, 0.12 * girth, -0.17 * girth, 0.17 * girth),
        upper=(-0.10 * girth, 0.10 * girth, -0.21 * girth, 0.21 * girth),
        colour_B3=coat,
    )
    shoulders = Ball(
        centre=(0.0, 0.0, shoulder),
        radii=(0.11 * girth, 0.21 * girth, 0.06),
        colour_B3=coat,
    )
    head = Ball(centre=(0.02, 0.0, height - 0.13), radii=(0.11, 0.10, 0.14), colour_B3=skin)
    scalp = Ball(centre=(-0.02, 0.0, height - 0.10), radii=(0.12, 0.11, 0.12), colour_B3=hair)
    neck = box((shoulder, height - 0.18), 0.05, 0.05, skin)
    limbs = []
    for side in (-1.0, 1.0):
        middle = side * 0.09 * girth
        limbs.append(_limb((0.06, hip), side * step, middle, 0.075 * girth, trousers))
        limbs.append(_limb((0.0, 0.09), side * step + 0.05, middle, 0.08, RUBBER))
        arm = side * 0.26 * girth
        limbs.append(_limb((0.47 * height, shoulder), -0.8 * side * step, arm, 0.055, coat * 0.9))
    reach = 0.26 + step
    return Objects(
        shapes=(coat_block, shoulders, head, scalp, neck, *limbs),
        size_B3=np.stack([2 * reach, 0.62 * girth, height], axis=1),
    )


def _limb(
    heights: tuple[Number, Number], swing: Number, middle: Number, half: Number, colour_B3: Floats
) -> Block:
    """A leg or arm: its lower end is `swing` in front of the body."""
    low, high = middle - half, middle + half
    return Block(
        heights=heights,
        lower=(swing - half, swing + half, low, high),
        upper=(-half, half, low, high),
        colour_B3=colour_B3,
    )


def _lights(x: Floats, y: Floats) -> tuple[Block, Block]:
    """A car's lamps in front and red lights behind."""
    lamps = Block(
        heights=(0.58, 0.72),
        lower=(x - 0.2, x + 0.02, 0.05 - y, y - 0.05),
        upper=(x - 0.2, x, 0.05 - y, y - 0.05),
        colour_B3=LAMP,
    )
    behind = (-x - 0.02, 0.2 - x, 0.05 - y, y - 0.05)
    return lamps, Block(heights=(0.62, 0.78), lower=behind, upper=behind, colour_B3=TAIL)


def _wheels(x: Number, y: Number, radius: float) -> list[Ball]:
    return [
        Ball(
            centre=(side_x * x, side_y * y, radius),
            radii=(radius, 0.12, radius),
            colour_B3=RUBBER,
        )
        for side_x in (-1.0, 1.0)
        for side_y in (-1.0, 1.0)
    ]
