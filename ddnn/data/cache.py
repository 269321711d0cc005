"""Keeps rendered samples on disk: checked when read, replaced in one step, never required."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.data.archive import read_array
from ddnn.data.storage import folder as folder
from ddnn.errors import DataError

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Views (N,V,C,H,W) and labels (N,V)."""


def fetch(path: Path) -> Arrays | None:
    """What `keep` wrote there; None where nothing is, or where it is damaged."""
    try:
        views, labels = read_array(path, "X"), read_array(path, "y")
        stored = read_array(path, "sha256")
    except DataError:
        return None
    if views.dtype != np.uint8 or labels.dtype != np.int64:
        return None
    return (views, labels) if stored.tobytes() == _digest(views, labels) else None


def keep(path: Path, arrays: Arrays) -> None:
    """Writes the arrays and their digest; a folder that cannot be written is left as it is."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_archive(path, X=arrays[0], y=arrays[1], sha256=_stored(_digest(*arrays)))


def write_archive(path: Path, **arrays: NDArray[np.generic]) -> None:
    """An .npz that appears whole or not at all, whoever else writes it at the same time."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type] # no array is named allow_pickle
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _digest(views: NDArray[np.uint8], labels: NDArray[np.int64]) -> bytes:
    digest = hashlib.sha256(repr(views.shape).encode())
    digest.update(views.tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return digest.digest()


def _stored(digest: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(digest, dtype=np.uint8)
