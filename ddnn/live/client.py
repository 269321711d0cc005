"""For programs beside a live system: hands views over, follows verdicts. Needs nothing but Python's
own library and NumPy."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ConfigError, DataError, TransportError

PNG = b"\x89PNG"
VERDICT_S = 40.0
"""For a verdict that was asked for."""
TIMEOUT_S = 10.0
"""Without an answer, or a sign of the system while verdicts are followed."""


def push(url: str, device: str, picture: NDArray[np.uint8] | bytes) -> None:
    """Hands a picture to a device whose source is `kind: push`.

    url: of the device's own address, or `ddnn serve --listen`'s.
    picture: uint8 (H,W,3) RGB or (H,W) grey, or the content of a PNG or JPEG file.
    Raises ConfigError for another url, TransportError where nobody listens there, DataError for a
    picture that it refuses.
    """
    body, headers = _request(picture)
    connection = _connection(url, timeout_s=TIMEOUT_S)
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


def ask(url: str, views: Mapping[str, NDArray[np.uint8] | bytes]) -> dict[str, Any]:
    """The verdict on these views: one object, say, as several cameras see it.

    url: of `ddnn serve --listen`. views: as `push` takes them, by device, each of `kind: push` and
    `once: true`; a device without one has no part. One call at a time: views of two would mix.
    Raises ConfigError for another url, TransportError where no live system is there, DataError for
    a view that it refuses.
    """
    for device, picture in views.items():
        push(url, device, picture)
    connection = _connection(url, timeout_s=VERDICT_S)
    try:
        connection.request("POST", "/verdict", b"")
        answer = connection.getresponse()
        words = answer.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise TransportError(f"{url}: {error}, want the address of a live system") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise TransportError(f"{url}: {words or answer.reason}")
    verdict: dict[str, Any] = json.loads(words)
    return verdict


def watch(url: str) -> Iterator[dict[str, Any]]:
    """The verdicts of a live system (`ddnn serve --listen`) from now on, until it ends.

    url: http://HOST:PORT. Each is a dict with the keys of docs/live.md; whoever reads too slowly
    gets {"lost": COUNT} in place of those that it missed.
    Raises ConfigError for another url, TransportError where no live system is there, or it has
    gone.
    """
    connection = _connection(url, timeout_s=TIMEOUT_S)
    try:
        connection.request("GET", "/verdicts")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise TransportError(f"{url}: {answer.read().decode('utf-8', 'replace').strip()}")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise TransportError(f"{url}: {error}, want the address of a live system") from error
    return _verdicts(url, connection, answer)


def _connection(url: str, *, timeout_s: float) -> http.client.HTTPConnection:
    """Raises ConfigError for what is no address."""
    try:
        found = urlsplit(url)
        is_address, port = found.scheme == "http" and bool(found.hostname), found.port
    except ValueError:
        is_address, port = False, None
    if not is_address:
        raise ConfigError(f"got {url!r}, want http://HOST:PORT")
    return http.client.HTTPConnection(found.hostname or "", port, timeout=timeout_s)


def _verdicts(
    url: str, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
) -> Iterator[dict[str, Any]]:
    try:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
    except (OSError, http.client.HTTPException) as error:
        raise TransportError(f"{url}: {error}, the live system has gone") from error
    finally:
        connection.close()


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
