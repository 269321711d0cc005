"""Source `rendered`: the embedded default, made by the renderer and kept in the cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ddnn.data import cache
from ddnn.data.card import RenderedCard
from ddnn.data.multiview import MultiView
from ddnn.data.renderer import images
from ddnn.data.renderer.look import Look
from ddnn.data.source import Source
from ddnn.data.views import Views
from ddnn.errors import DataError

STREET = Look()
"""Of the default card, and of `ddnn data render`."""


def read(card: RenderedCard, card_file: Path) -> Source:  # noqa: ARG001 - as every source's
    """The samples of the card's size and seed, from the cache where it has them."""
    look = Look(
        classes=card.classes,
        margin=card.margin,
        jitter=card.jitter,
        crowd=card.crowd,
        noise=card.noise,
    )
    views_NVCHW, labels_NV = _cached(card.samples, card.seed, look)
    samples = MultiView(views=Views.of(views_NVCHW), labels_NV=labels_NV, classes=card.classes)
    return Source(samples=samples)


def _cached(samples: int, seed: int, look: Look) -> cache.Arrays:
    path = cache_path(samples, seed, look)
    arrays = None if path is None else cache.fetch(path)
    if arrays is None:
        arrays = images.render(samples, seed, look)
        if path is not None:
            cache.keep(path, arrays)
    return arrays


def render_to(path: Path, *, samples: int, seed: int) -> str:
    """Writes rendered samples as an .npz that the source `npz` reads; returns its sha256.

    Raises DataError where the file cannot be written, or another one is there.
    """
    check_new(path)
    views_NVCHW, labels_NV = _cached(samples, seed, STREET)
    try:
        cache.write_archive(path, X=views_NVCHW, y=labels_NV)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def check_new(path: Path) -> None:
    """Raises DataError where a file is there: its arrays may be the only ones of a user's."""
    if os.path.lexists(path):
        raise DataError(f"{path}: exists, want a new name")


def cache_path(samples: int, seed: int, look: Look = STREET) -> Path | None:
    """Where these samples are kept; another renderer keeps its own elsewhere. None: nowhere."""
    folder = cache.folder()
    made = hashlib.sha256(f"{renderer_digest()} {look}".encode()).hexdigest()[:16]
    name = f"rendered-{samples}-{seed}-{made}.npz"
    return None if folder is None else folder / name


def renderer_digest() -> str:
    """sha256 over the renderer's source: samples of an older one are never taken for new."""
    digest = hashlib.sha256()
    for path in sorted(Path(images.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
