"""The whole way from a seed to arrays: compose scenes, see who sees them, take the pictures.

Axes: N samples, V views, B crops of one camera and class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ddnn.data.multiview import ABSENT
from ddnn.data.renderer.draws import Draws, Floats, noise
from ddnn.data.renderer.look import Look
from ddnn.data.renderer.optics import develop, shrink
from ddnn.data.renderer.street import CAMERAS, Camera, Scenes, compose, in_the_way
from ddnn.data.renderer.view import Windows, picture, seen_NV, windows

PIXELS = 32
RAYS_A_PIXEL = 2
"""In each direction."""
BATCH = 16
"""Crops drawn at a time: their arrays fit a processor's cache."""
VIEW_COLUMN = 90
"""First column of the draws that belong to views: behind all that a scene uses."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chances:
    """What differs from view to view.

    gain_NV: of the exposure. jitter_NV4: how far a crop is off at each side. crowd_NV: below
    the camera's `crowd`, somebody is in the way, nearer_NV of the distance before the object.
    """

    gain_NV: Floats
    jitter_NV4: Floats
    crowd_NV: Floats
    nearer_NV: Floats

    @classmethod
    def drawn(cls, draws: Draws) -> Chances:
        """Drawn for every sample and camera."""
        views = len(CAMERAS)
        return cls(
            gain_NV=draws.views(views, 0.85, 1.15),
            jitter_NV4=np.stack([draws.views(views, -0.05, 0.05) for _ in range(4)], axis=2),
            crowd_NV=draws.views(views, 0.0, 1.0),
            nearer_NV=draws.views(views, 0.08, 0.22),
        )


def render(
    samples: int, seed: int, look: Look | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Views (N,V,3,32,32) and labels (N,V) of the first `samples` samples of a seed.

    A larger set of the same seed and look begins with the samples of a smaller one.
    """
    look = look or Look()
    scenes, seen = _first_seen(samples, seed, look)
    chances = Chances.drawn(scenes.draws.fork(VIEW_COLUMN))
    views = np.zeros((samples, len(CAMERAS), 3, PIXELS, PIXELS), dtype=np.uint8)
    for index, camera in enumerate(look.cameras):
        crowded_N = chances.crowd_NV[:, index] < camera.crowd
        for number, crowded in product(look.numbers, (False, True)):
            alike = (scenes.class_N == number) & (crowded_N == crowded)
            for rows in _batches(np.flatnonzero(seen[:, index] & alike), scenes):
                light, passes_B = _light(
                    camera,
                    scenes.take(rows),
                    jitter_B4=look.jitter * chances.jitter_NV4[rows, index],
                    nearer_B=chances.nearer_NV[rows, index] if crowded else None,
                    margin=look.margin,
                )
                views[rows, index] = develop(
                    light,
                    camera,
                    blur_B=passes_B,
                    gain_B=chances.gain_NV[rows, index],
                    noise_BHW3=_noise(seed, rows, index),
                )
    label_N = np.argmax(scenes.class_N[:, None] == look.numbers, axis=1)
    return views, np.where(seen, label_N[:, None], ABSENT)


def _batches(rows: NDArray[np.int64], scenes: Scenes) -> Iterator[NDArray[np.int64]]:
    """The rows, those that face alike together: their shapes cover the same parts of a crop."""
    rows = rows[np.argsort(scenes.cosine_N[rows], kind="stable")]
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _light(
    camera: Camera, scenes: Scenes, *, jitter_B4: Floats, nearer_B: Floats | None, margin: float
) -> tuple[Floats, Floats]:
    """(B,H,W,3) light at a camera's pixels, and how many passes of smoothing it needs.

    nearer_B: of who is in the way, if anybody is.
    """
    crops = windows(camera, scenes, jitter_B4, margin=margin)
    before = None if nearer_B is None else in_the_way(scenes, camera, nearer_B)
    rays = PIXELS * RAYS_A_PIXEL
    light = picture(camera, scenes, crops, before=before, rays_a_side=rays)
    return shrink(light, RAYS_A_PIXEL), _blur_B(camera, crops)


def _first_seen(samples: int, seed: int, look: Look) -> tuple[Scenes, NDArray[np.bool_]]:
    """The first scenes that at least one camera sees, and which do."""
    tried = samples + samples // 4 + 32
    while True:
        scenes = compose(Draws.seeded(seed, tried), look.numbers)
        seen = seen_NV(scenes)
        rows = np.flatnonzero(seen.any(axis=1))[:samples]
        if len(rows) == samples:
            return scenes.take(rows), seen[rows]
        tried *= 2


def _blur_B(camera: Camera, crops: Windows) -> Floats:
    """Passes of smoothing: the fewer of the camera's pixels a crop has, the more."""
    pixels = (crops.top - crops.bottom) * camera.pixels_a_tangent
    passes_B: Floats = camera.blur + np.maximum(PIXELS / pixels - 1, 0)
    return passes_B


def _noise(seed: int, rows: NDArray[np.int64], camera_index: int) -> Floats:
    key = [seed, camera_index]
    return np.stack([noise([*key, int(row)], (PIXELS, PIXELS, 3)) for row in rows])
