"""What else a street may hold: trucks, trams, bicycles and so on, in the form of `shapes`.

Axes: B objects.
"""

from __future__ import annotations

import numpy as np

from ddnn.data.renderer.draws import Draws, Floats
from ddnn.data.renderer.shapes import (
    GLASS,
    HAIR,
    LAMP,
    LIVERIES,
    PAINTS,
    RUBBER,
    SKIN,
    TAIL,
    TROUSERS,
    Ball,
    Block,
    Number,
    Objects,
    Shape,
    box,
    tinted,
)

STEEL = np.array([[0.35, 0.36, 0.38]])
WOOD = np.array([[0.46, 0.33, 0.20]])
CLOTHS = np.array([[0.85, 0.83, 0.78], [0.72, 0.74, 0.77], [0.80, 0.76, 0.62]])


def trucks(draws: Draws) -> Objects:
    """A cab with a high closed load behind it."""
    paint, load = tinted(draws, PAINTS), tinted(draws, LIVERIES)
    length, width = draws.uniform(6.5, 8.5), draws.uniform(2.3, 2.5)
    height, cab = draws.uniform(3.0, 3.5), draws.uniform(1.6, 2.0)
    x, y = length / 2, width / 2
    shapes: tuple[Shape, ...] = (
        box((0.45, 0.95), x - 0.05, y - 0.25, STEEL),
        _between((0.95, height), (-x, x - cab - 0.2), y, load),
        _between((0.50, 2.35), (x - cab, x), y - 0.08, paint),
        _between((1.35, 2.15), (x - 0.9 * cab, x + 0.03), y - 0.05, GLASS),
        _between((0.60, 0.78), (x - 0.1, x + 0.05), y - 0.15, LAMP),
        *_pairs((-0.36 * length, -0.20 * length, 0.36 * length), y - 0.1, 0.48),
    )
    return Objects(shapes=shapes, size_B3=np.stack([length, width, height], axis=1))


def trams(draws: Draws) -> Objects:
    """Long, down to the rails, with a band of windows and a pantograph."""
    paint, stripe = tinted(draws, LIVERIES), tinted(draws, PAINTS)
    length, width, height = draws.uniform(10.5, 12.5), draws.uniform(2.3, 2.45), 3.1
    x, y = length / 2, width / 2
    shapes: tuple[Shape, ...] = (
        box((0.12, 0.70), x - 0.2, y, STEEL),
        box((0.40, 1.30), x - 0.05, y + 0.01, stripe),
        Block(
            heights=(1.30, height),
            lower=(-x, x, -y, y),
            upper=(0.5 - x, x - 0.5, 0.25 - y, y - 0.25),
            colour_B3=paint,
        ),
        box((1.45, 2.30), x - 0.10, y + 0.02, GLASS),
        box((height, height + 0.10), 0.6, 0.5, STEEL),
        box((height, height + 0.75), 0.05, 0.05, STEEL),
        box((height + 0.70, height + 0.80), 0.10, 0.8, STEEL),
    )
    size = np.stack([length, width, np.full_like(length, height + 0.8)], axis=1)
    return Objects(shapes=shapes, size_B3=size)


def tractors(draws: Draws) -> Objects:
    """A bonnet before a cabin, behind it wheels as high as a man's chest."""
    paint = tinted(draws, LIVERIES)
    length, width = draws.uniform(3.5, 4.1), draws.uniform(1.8, 2.0)
    height, wheel = draws.uniform(2.4, 2.7), 0.8
    x, y = length / 2, width / 2
    shapes: tuple[Shape, ...] = (
        _between((0.75, 1.45), (-0.1 * length, x - 0.05), 0.36, paint),
        _between((0.55, 1.30), (-x + 0.4, 0.0), 0.45, paint * 0.8),
        _between((1.30, height - 0.12), (-x + 0.35, -0.02 * length), 0.62, GLASS),
        _between((height - 0.14, height), (-x + 0.25, 0.02 * length), 0.70, paint),
        _between((1.40, 2.05), (0.22 * length, 0.25 * length), 0.05, STEEL),
        *_pairs((-x + wheel,), y - 0.2, wheel, thick=0.24),
        *_pairs((x - 0.5,), y - 0.3, 0.45, thick=0.16),
    )
    return Objects(shapes=shapes, size_B3=np.stack([length, width, height], axis=1))


def caravans(draws: Draws) -> Objects:
    """A pale box on one axle, its front leaning, a bar before it."""
    paint, stripe = tinted(draws, CLOTHS), tinted(draws, PAINTS)
    length, width = draws.uniform(4.4, 5.8), draws.uniform(2.1, 2.3)
    height = draws.uniform(2.4, 2.65)
    x, y = length / 2, width / 2
    body = Block(
        heights=(0.45, height),
        lower=(-x, x - 0.9, -y, y),
        upper=(0.15 - x, x - 1.5, 0.12 - y, y - 0.12),
        colour_B3=paint,
    )
    shapes: tuple[Shape, ...] = (
        body,
        _between((0.85, 1.05), (-x - 0.01, x - 0.98), y + 0.01, stripe),
        _between((1.30, 1.90), (-0.30 * length, -0.05 * length), y + 0.02, GLASS),
        _between((1.25, 1.95), (x - 1.4, x - 1.15), y - 0.5, GLASS),
        _between((0.40, 0.52), (x - 1.0, x), 0.06, STEEL),
        _between((0.60, 0.75), (-x - 0.03, -x + 0.1), y - 0.2, TAIL),
        *_pairs((-0.06 * length,), y - 0.08, 0.32),
    )
    return Objects(shapes=shapes, size_B3=np.stack([length, width, height], axis=1))


def cyclists(draws: Draws) -> Objects:
    """Somebody who leans over thin wheels."""
    frame, coat = tinted(draws, PAINTS), tinted(draws, PAINTS)
    trousers, skin, hair = tinted(draws, TROUSERS), draws.choice(SKIN), draws.choice(HAIR)
    height = draws.uniform(1.60, 1.80)
    shapes: tuple[Shape, ...] = (
        *_wheel_pair(0.52, 0.34, 0.035),
        _between((0.33, 0.90), (-0.22, -0.17), 0.03, frame),
        _between((0.78, 0.86), (-0.22, 0.45), 0.03, frame),
        _between((0.30, 0.38), (-0.52, 0.10), 0.03, frame),
        _between((0.34, 1.05), (0.42, 0.48), 0.03, frame),
        _between((1.02, 1.08), (0.38, 0.46), 0.27, STEEL),
        *_rider(height, coat=coat, trousers=trousers, seat=0.92, lean=0.32),
        *_head(height, at=0.26, skin=skin, hair=hair),
    )
    return Objects(shapes=shapes, size_B3=_size(1.75, 0.58, height))


def motorcycles(draws: Draws) -> Objects:
    """Somebody upright, helmet on, over thick wheels and a tank."""
    paint, coat = tinted(draws, PAINTS), tinted(draws, PAINTS)
    helmet, trousers = tinted(draws, LIVERIES), tinted(draws, TROUSERS)
    height = draws.uniform(1.42, 1.58)
    shapes: tuple[Shape, ...] = (
        *_wheel_pair(0.72, 0.32, 0.08),
        _between((0.30, 0.62), (-0.40, 0.38), 0.16, STEEL),
        _between((0.60, 0.90), (-0.15, 0.42), 0.17, paint),
        _between((0.66, 0.80), (-0.85, -0.15), 0.14, RUBBER),
        _between((0.55, 1.02), (0.52, 0.62), 0.10, paint),
        _between((0.74, 0.90), (0.60, 0.68), 0.09, LAMP),
        _between((0.98, 1.04), (0.44, 0.52), 0.36, STEEL),
        *_rider(height, coat=coat, trousers=trousers, seat=0.78, lean=0.10),
        Ball(centre=(0.02, 0.0, height - 0.15), radii=(0.15, 0.14, 0.16), colour_B3=helmet),
    )
    return Objects(shapes=shapes, size_B3=_size(2.1, 0.75, height))


def carts(draws: Draws) -> Objects:
    """A market cart: two wheels, a plank, crates under a cloth roof."""
    cloth, goods = tinted(draws, LIVERIES), tinted(draws, PAINTS)
    length, width = draws.uniform(1.9, 2.4), draws.uniform(1.1, 1.3)
    height = draws.uniform(1.9, 2.2)
    x, y = length / 2, width / 2
    shapes: tuple[Shape, ...] = (
        box((0.62, 0.80), x, y, WOOD),
        _between((0.80, 1.15), (-0.8 * x, -0.1 * x), y - 0.1, goods),
        _between((0.80, 1.02), (0.1 * x, 0.8 * x), y - 0.1, WOOD * 1.4),
        *(
            box((0.80, height - 0.1), 0.04, 0.04, WOOD).moved(i * (x - 0.06), j * (y - 0.06))
            for i in (-1.0, 1.0)
            for j in (-1.0, 1.0)
        ),
        Block(
            heights=(height - 0.25, height),
            lower=(-x, x, -y, y),
            upper=(-x, x, -0.1, 0.1),
            colour_B3=cloth,
        ),
        _between((0.0, 0.62), (0.8 * x, 0.9 * x), 0.05, WOOD),
        *_pairs((-0.3 * x,), y, 0.42, thick=0.05),
    )
    return Objects(shapes=shapes, size_B3=np.stack([length, width, height], axis=1))


def _between(
    heights: tuple[Number, Number], along: tuple[Number, Number], half: Number, colour_B3: Floats
) -> Block:
    """A box from one x to another, `half` to both sides."""
    sides = (*along, -half, half)
    return Block(heights=heights, lower=sides, upper=sides, colour_B3=colour_B3)


def _pairs(
    along: tuple[Number, ...], y: Number, radius: Number, *, thick: float = 0.14
) -> list[Ball]:
    """Wheels on both sides at each x."""
    return [
        Ball(centre=(x, side * y, radius), radii=(radius, thick, radius), colour_B3=RUBBER)
        for x in along
        for side in (-1.0, 1.0)
    ]


def _wheel_pair(x: float, radius: float, thick: float) -> list[Ball]:
    """One behind the other."""
    return [
        Ball(centre=(side * x, 0.0, radius), radii=(radius, thick, radius), colour_B3=RUBBER)
        for side in (-1.0, 1.0)
    ]


def _rider(
    height: Floats, *, coat: Floats, trousers: Floats, seat: float, lean: float
) -> tuple[Shape, ...]:
    """Body and legs. seat: height in metres. lean: how far the shoulders are before it."""
    body = Block(
        heights=(seat, height - 0.28),
        lower=(-0.30, -0.06, -0.15, 0.15),
        upper=(lean - 0.30, lean - 0.08, -0.20, 0.20),
        colour_B3=coat,
    )
    legs = [
        Block(
            heights=(0.30, seat + 0.08),
            lower=(0.02, 0.14, side * 0.14 - 0.06, side * 0.14 + 0.06),
            upper=(-0.22, -0.06, side * 0.14 - 0.06, side * 0.14 + 0.06),
            colour_B3=trousers,
        )
        for side in (-1.0, 1.0)
    ]
    return (body, *legs)


def _head(height: Floats, *, at: float, skin: Floats, hair: Floats) -> tuple[Ball, Ball]:
    """A face under hair."""
    return (
        Ball(centre=(at + 0.02, 0.0, height - 0.13), radii=(0.11, 0.10, 0.14), colour_B3=skin),
        Ball(centre=(at - 0.02, 0.0, height - 0.10), radii=(0.12, 0.11, 0.12), colour_B3=hair),
    )


def _size(length: float, width: float, height: Floats) -> Floats:
    return np.stack([np.full_like(height, length), np.full_like(height, width), height], axis=1)
