"""Source `rendered`: the embedded default, made by the renderer and kept in the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ddnn.data import cache
from ddnn.data.card import RenderedCard
from ddnn.data.multiview import MultiView
from ddnn.data.renderer import images
from ddnn.data.source import Source


def read(card: RenderedCard, card_file: Path) -> Source:  # noqa: ARG001 - as every source's
    """The samples of the card's size and seed, from the cache where it has them."""
    path = cache_path(card.samples, card.seed)
    arrays = cache.fetch(path)
    if arrays is None:
        arrays = images.render(card.samples, card.seed)
        cache.keep(path, arrays)
    views_NVCHW, labels_NV = arrays
    samples = MultiView(views_NVCHW=views_NVCHW, labels_NV=labels_NV, classes=card.classes)
    return Source(samples=samples)


def cache_path(samples: int, seed: int) -> Path:
    """Where these samples are kept; another renderer keeps its own elsewhere."""
    return cache.folder() / f"rendered-{samples}-{seed}-{renderer_digest()[:16]}.npz"


def renderer_digest() -> str:
    """sha256 over the renderer's source: samples of an older one are never taken for new."""
    digest = hashlib.sha256()
    for path in sorted(Path(images.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
