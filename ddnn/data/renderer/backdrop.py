"""What is behind the objects: road, pavement and house fronts, with the object's shadow.

Axes: B crops, R x S rays of a crop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddnn.data.renderer.draws import Floats
from ddnn.data.renderer.raster import Rays
from ddnn.data.renderer.street import Scenes

ROAD_HALF_M, FRONTS_M, ENDS_M = 6.0, 15.0, 45.0
"""Half the road's width; how far from its middle the houses stand; where the street ends."""

EAVES_M = 11.0

ASPHALT, PAVING, PAINT, BRICK, WINDOW, SKY = range(6)
COLOURS = np.array(
    [
        [0.33, 0.33, 0.34],
        [0.52, 0.50, 0.47],
        [0.80, 0.80, 0.78],
        [0.50, 0.36, 0.29],
        [0.20, 0.24, 0.29],
        [0.72, 0.80, 0.90],
    ]
)
"""Of the materials above, in their order."""

Materials = NDArray[np.int64]


def paint_backdrop(rays: Rays, scenes: Scenes, size_B3: Floats) -> tuple[Floats, Floats]:
    """Nearness (B,R,S) and colour (B,R,S,3) of the backdrop.

    size_B3: of the objects, for their shadows.
    """
    zero, one = np.zeros(len(scenes)), np.ones(len(scenes))
    origin = [part[:, None, None] for part in rays.origin]
    dx, dy = rays.linear((one, zero, zero)), rays.linear((zero, one, zero))
    dz = rays.linear((zero, zero, one))
    ground = -dz / origin[2]
    fronts = np.maximum(dy / (FRONTS_M - origin[1]), -dy / (FRONTS_M + origin[1]))
    ends = np.maximum(dx / (ENDS_M - origin[0]), -dx / (ENDS_M + origin[0]))
    nearness = np.maximum(np.maximum(fronts, ends), 1e-6)
    on_ground = ground > nearness
    nearness = np.where(on_ground, ground, nearness)
    x, y, z = origin[0] + dx / nearness, origin[1] + dy / nearness, origin[2] + dz / nearness
    walls = _walls(np.where(fronts > ends, x, y), z)
    material = np.where(on_ground, _ground(x, y), walls)
    light = scenes.light
    lit = light.on(light.towards[2], light.sun_B, light.sky_B)[:, None, None]
    sky = light.sky_B[:, None, None]
    shaded = np.where(on_ground & _in_shadow(x, y, scenes, size_B3), 0.7 * sky, lit)
    shaded = np.where(on_ground, shaded, sky + 0.25)
    return nearness, COLOURS[material] * shaded[..., None]


def _ground(x: Floats, y: Floats) -> Materials:
    """Asphalt with lane marks and a zebra crossing, paving with joints on both sides."""
    across = np.abs(y)
    lane = (across < 0.10) & (np.floor(x / 2) % 2 == 0)
    kerb = np.abs(across - ROAD_HALF_M) < 0.12
    zebra = (np.abs(x + 1.0) < 1.6) & (np.floor(y / 0.6) % 2 == 0) & (across < 5.4)
    joint = x / 1.2 - np.floor(x / 1.2) < 0.07
    material = np.where((across < ROAD_HALF_M) | joint, ASPHALT, PAVING)
    return np.where(lane | kerb | zebra, PAINT, material)


def _walls(along: Floats, z: Floats) -> Materials:
    """House fronts with windows, sky above them."""
    across, up = along / 3.0 - np.floor(along / 3.0), z / 3.2 - np.floor(z / 3.2)
    window = (np.abs(across - 0.5) < 0.22) & (np.abs(up - 0.55) < 0.25)
    return np.where(z > EAVES_M, SKY, np.where(window, WINDOW, BRICK))


def _in_shadow(x: Floats, y: Floats, scenes: Scenes, size_B3: Floats) -> NDArray[np.bool_]:
    """An ellipse under the object, shifted away from the sun."""
    towards = scenes.light.towards
    reach = 0.4 * size_B3[:, 2] / towards[2]
    away_x = x - (scenes.x_N - towards[0] * reach)[:, None, None]
    away_y = y - (scenes.y_N - towards[1] * reach)[:, None, None]
    cosine, sine = scenes.cosine_N[:, None, None], scenes.sine_N[:, None, None]
    along = (cosine * away_x + sine * away_y) / (0.58 * size_B3[:, 0])[:, None, None]
    across = (cosine * away_y - sine * away_x) / (0.68 * size_B3[:, 1])[:, None, None]
    shadow: NDArray[np.bool_] = along * along + across * across < 1
    return shadow
