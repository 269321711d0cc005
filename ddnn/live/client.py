"""For programs beside a live system: hands views over. Needs nothing but Python's own library."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import DataError, TransportError

PNG = b"\x89PNG"
TIMEOUT_S = 10.0


def push(url: str, device: str, picture: NDArray[np.uint8] | bytes) -> None:
    """Hands a picture to a device whose source is `kind: push`, at its address http://HOST:PORT.

    picture: uint8 (H,W,3) RGB or (H,W) grey, or the content of a PNG or JPEG file.
    Raises TransportError where nobody listens there, DataError for a picture that it refuses.
    """
    body, headers = _request(picture)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", f"/push/{device}", body, headers)
        answer = connection.getresponse()
        words = answer.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise TransportError(f"{url}: {error}, want the address of a device's source") from error
    finally:
        connection.close()
    if answer.status != http.client.NO_CONTENT:
        raise DataError(f"{device}: {words or answer.reason}")


def _request(picture: NDArray[np.uint8] | bytes) -> tuple[bytes, dict[str, str]]:
    if isinstance(picture, bytes):
        kind = "image/png" if picture.startswith(PNG) else "image/jpeg"
        return picture, {"Content-Type": kind}
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise DataError(
            f"picture: got {picture.dtype} {picture.shape}, want uint8 (H,W,3) or (H,W)"
        )
    height, width, *channels = picture.shape
    shape = ",".join(map(str, (height, width, *(channels or [1]))))
    return picture.tobytes(), {"Content-Type": "application/octet-stream", "X-Shape": shape}
