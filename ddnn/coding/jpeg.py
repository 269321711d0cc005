"""Codes raw views as JPEG images: the baseline of sending pictures. The only such use of Pillow.

Axes: N samples, C image channels, H, W.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ddnn.errors import WireError
from ddnn.topology import Shape

QUALITY = 75
"""Pillow's default; its colours are at half the resolution."""
LENGTH = struct.Struct("<H")
MAX_BYTES = (1 << 16) - 1
_STEPS = np.float32(255)
_FOREIGN = (
    OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error, IndexError,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


@contextmanager
def _no_bombs() -> Iterator[None]:
    """Pillow's warning of a picture that claims too many pixels, as an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


class JpegCoder:
    """Codes the views of one device. What is decoded is near to what was encoded, not equal."""

    def __init__(self, shape: Shape) -> None:
        """shape: of 1 (grey) or 3 channels."""
        self._shape = shape

    @property
    def max_bytes(self) -> int:
        """No view takes more; noise takes about as many as its values."""
        return min(LENGTH.size + 2 * self._shape.values + 2048, MAX_BYTES)

    def encode(self, features_NFHW: NDArray[np.float32]) -> list[bytes]:
        """The views' codes: two bytes of length, then a JPEG file."""
        return [self._encode(view_FHW) for view_FHW in features_NFHW]

    def _encode(self, view_FHW: NDArray[np.float32]) -> bytes:
        pixels_HWF = np.rint(view_FHW * _STEPS).astype(np.uint8).transpose(1, 2, 0)
        image = Image.fromarray(pixels_HWF.squeeze(2) if self._shape.F == 1 else pixels_HWF)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=QUALITY, optimize=True)
        content = file.getvalue()
        return LENGTH.pack(len(content)) + content

    def decode(self, data: bytes, rows: int) -> NDArray[np.float32]:
        """The views of `rows` samples whose codes fill `data`.

        Raises WireError when they do not.
        """
        views_NFHW = np.zeros((rows, *self._shape), np.float32)
        place = 0
        for row in range(rows):
            if len(data) < place + LENGTH.size:
                raise WireError("bad-length", f"views in {len(data)} bytes, want more")
            (length,) = LENGTH.unpack_from(data, place)
            place += LENGTH.size
            views_NFHW[row] = self._decode(data[place : place + length])
            place += length
        if place != len(data):
            raise WireError("bad-length", f"views in {len(data)} bytes, want {place}")
        return views_NFHW

    def _decode(self, content: bytes) -> NDArray[np.float32]:
        """(C, H, W). The size is looked at before a pixel is decoded."""
        channels, height, width = self._shape
        mode = "L" if channels == 1 else "RGB"
        try:
            with _no_bombs(), Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
                if image.size != (width, height) or image.mode != mode:
                    raise WireError("bad-value", f"a view of {image.size} {image.mode}")
                pixels = np.asarray(image)
        except _FOREIGN as error:
            raise WireError("bad-value", "no JPEG image") from error
        pixels_FHW = pixels.reshape(height, width, channels).transpose(2, 0, 1)
        return pixels_FHW.astype(np.float32) / _STEPS
