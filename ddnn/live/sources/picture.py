"""From a camera's picture to a view: cropped, made grey if need be, resized as in training.

Axes: C image channels, H, W.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.blocks import Shape
from ddnn.errors import ConfigError, DataError
from ddnn.nodes.shown import DARK

Crop = tuple[int, int, int, int]
BILINEAR = 2
"""Of Pillow's `Resampling`, as ddnn.data.imagefile resizes: antialiased."""
EXTRA = "the extra `cameras`: pip install '.[cameras]' in a checkout of ddnn"
EVERY = 4
"""Every so many rows and columns tell whether a picture is black, or equals the one before."""


def pillow() -> Any:
    """Pillow's `Image`. Raises ConfigError saying what to install."""
    try:
        from PIL import Image  # noqa: PLC0415  # of the extra
    except ImportError as error:
        raise ConfigError(f"pictures need Pillow, which {EXTRA} installs") from error
    return Image


def to_view(picture: NDArray[np.uint8], shape: Shape, crop: Crop | None) -> NDArray[np.uint8]:
    """The view (C,H,W) of a picture (H,W,3), or (H,W) of grey.

    Raises DataError where the crop lies outside, ConfigError where Pillow is missing.
    """
    if crop is not None:
        picture = _cropped(picture, crop)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.shape == (shape.H, shape.W, shape.F):
        return np.ascontiguousarray(picture.transpose(2, 0, 1))
    if shape.F not in (1, 3) or picture.shape[2] not in (1, 3):
        raise DataError(
            f"a picture of {_size(picture)}, want {shape.H} x {shape.W} x {shape.F}: only grey "
            "and colour are resized"
        )
    image = pillow().fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    image = image.convert("RGB" if shape.F == 3 else "L").resize((shape.W, shape.H), BILINEAR)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels.transpose(2, 0, 1).copy() if shape.F == 3 else pixels[None].copy()


def _cropped(picture: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    x, y, width, height = crop
    if y + height > picture.shape[0] or x + width > picture.shape[1]:
        raise DataError(f"a picture of {_size(picture)}, want the crop {list(crop)} inside it")
    return picture[y : y + height, x : x + width]


def _size(picture: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, picture.shape))


def gist(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Some of its pixels: enough to tell two pictures apart."""
    return np.ascontiguousarray(picture[::EVERY, ::EVERY])


def is_dark(pixels: NDArray[np.uint8]) -> bool:
    """Whether it is black, a camera's noise aside."""
    return float(pixels.mean()) < DARK
