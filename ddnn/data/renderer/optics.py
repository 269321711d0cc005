"""What a camera makes of the light: resolution, blur, haze, exposure, tint, noise, bytes.

Axes: B crops, R x S rays, H x W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddnn.data.renderer.draws import Floats
from ddnn.data.renderer.street import Camera

DARKEST = 2 / 255
"""Even a pixel in the dark: only an absent view is black."""


def shrink(light_BRS3: Floats, factor: int) -> Floats:
    """(B,H,W,3) means over factor x factor rays."""
    rows = light_BRS3[:, ::factor]
    for offset in range(1, factor):
        rows = rows + light_BRS3[:, offset::factor]
    columns = rows[:, :, ::factor]
    for offset in range(1, factor):
        columns = columns + rows[:, :, offset::factor]
    return columns / (factor * factor)


def blur(image_BHW3: Floats, passes_B: Floats) -> Floats:
    """Repeated 3 x 3 smoothing; a part of a pass mixes the smoothed image in by that part."""
    left = passes_B.copy()
    while left.max(initial=0) > 0:
        mix_B = np.minimum(left, 1)[:, None, None, None]
        image_BHW3 = image_BHW3 + mix_B * (_smooth(image_BHW3) - image_BHW3)
        left = np.maximum(left - 1, 0)
    return image_BHW3


def _smooth(image_BHW3: Floats) -> Floats:
    padded = np.pad(image_BHW3, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (padded[:, :-2] + padded[:, 2:]) * 0.25 + padded[:, 1:-1] * 0.5
    smooth: Floats = (rows[:, :, :-2] + rows[:, :, 2:]) * 0.25 + rows[:, :, 1:-1] * 0.5
    return smooth


def develop(
    light_BHW3: Floats,
    camera: Camera,
    *,
    blur_B: Floats,
    gain_B: Floats,
    noise_BHW3: Floats,
) -> NDArray[np.uint8]:
    """(B,3,H,W) pixels as the camera delivers them.

    blur_B: passes. gain_B: how far the exposure of each image is off. noise_BHW3: deviation 1.
    """
    light_BHW3 = blur(light_BHW3, blur_B)
    tinted = light_BHW3 * (np.array(camera.tint) * camera.exposure) * gain_B[:, None, None, None]
    hazy = tinted * (1 - camera.haze) + camera.haze * 0.6
    noisy = np.clip(hazy + camera.noise * noise_BHW3, DARKEST, 1.0)
    pixels: NDArray[np.uint8] = np.floor(noisy * 255 + 0.5).astype(np.uint8)
    return pixels.transpose(0, 3, 1, 2)
