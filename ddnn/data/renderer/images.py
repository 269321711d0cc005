"""The whole way from a seed to arrays: compose scenes, see who sees them, take the pictures.

Axes: N samples, V views, B crops of one camera and class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddnn.data.multiview import ABSENT
from ddnn.data.renderer.draws import Draws, Floats, noise
from ddnn.data.renderer.optics import develop, shrink
from ddnn.data.renderer.street import CAMERAS, Camera, Scenes, compose
from ddnn.data.renderer.view import Windows, picture, seen_NV, windows

PIXELS = 32
RAYS_A_PIXEL = 2
"""In each direction."""
BATCH = 16
"""Crops drawn at a time: their arrays fit a processor's cache."""


def render(samples: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Views (N,V,3,32,32) and labels (N,V) of the first `samples` samples of a seed.

    A larger set of the same seed begins with the samples of a smaller one.
    """
    scenes, seen = _first_seen(samples, seed)
    views = np.zeros((samples, len(CAMERAS), 3, PIXELS, PIXELS), dtype=np.uint8)
    exposure_NV, jitter_NV4 = _view_draws(scenes)
    for camera_index, camera in enumerate(CAMERAS):
        for class_index in range(3):
            chosen = np.flatnonzero(seen[:, camera_index] & (scenes.class_N == class_index))
            chosen = chosen[np.argsort(scenes.cosine_N[chosen], kind="stable")]  # alike together
            for start in range(0, len(chosen), BATCH):
                rows = chosen[start : start + BATCH]
                taken = scenes.take(rows)
                crops = windows(camera, taken, jitter_NV4[rows, camera_index])
                light = picture(camera, taken, crops, rays_a_side=PIXELS * RAYS_A_PIXEL)
                views[rows, camera_index] = develop(
                    shrink(light, RAYS_A_PIXEL),
                    camera,
                    blur_B=_blur_B(camera, crops),
                    gain_B=exposure_NV[rows, camera_index],
                    noise_BHW3=_noise(seed, rows, camera_index),
                )
    return views, np.where(seen, scenes.class_N[:, None], ABSENT)


def _first_seen(samples: int, seed: int) -> tuple[Scenes, NDArray[np.bool_]]:
    """The first scenes that at least one camera sees, and which do."""
    tried = samples + samples // 4 + 32
    while True:
        scenes = compose(Draws.seeded(seed, tried))
        seen = seen_NV(scenes)
        rows = np.flatnonzero(seen.any(axis=1))[:samples]
        if len(rows) == samples:
            return scenes.take(rows), seen[rows]
        tried *= 2


def _view_draws(scenes: Scenes) -> tuple[Floats, Floats]:
    """Per view: the gain of its exposure, and how far its crop is off at each side."""
    draws = scenes.draws.fork(VIEW_COLUMN)
    views = len(CAMERAS)
    gain_NV = draws.views(views, 0.85, 1.15)
    jitter_NV4 = np.stack([draws.views(views, -0.05, 0.05) for _ in range(4)], axis=2)
    return gain_NV, jitter_NV4


VIEW_COLUMN = 100
"""First column of the draws that belong to views: behind all that any object uses."""


def _blur_B(camera: Camera, crops: Windows) -> Floats:
    """Passes of smoothing: the fewer of the camera's pixels a crop has, the more."""
    pixels = (crops.top - crops.bottom) * camera.pixels_a_tangent
    passes_B: Floats = camera.blur + np.maximum(PIXELS / pixels - 1, 0)
    return passes_B


def _noise(seed: int, rows: NDArray[np.int64], camera_index: int) -> Floats:
    key = [seed, camera_index]
    return np.stack([noise([*key, int(row)], (PIXELS, PIXELS, 3)) for row in rows])
