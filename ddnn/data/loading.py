"""From a card to a data set: reads the source, splits it, checks and digests the result."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ddnn import shipped
from ddnn.data.card import AuthorsSplit, Card, ObjectSplit, load_card
from ddnn.data.multiview import DataSet, MultiView, Split
from ddnn.data.objects import tracks
from ddnn.data.source import Source, resolve
from ddnn.data.split import divide, read_order
from ddnn.errors import DataError


def load(card: Path | str) -> DataSet:
    """The data set of the card at this path, or of this bare name in `datasets/`.

    Raises ConfigError for a wrong card or a missing file, DataError for wrong content.
    """
    return build(load_card(card), shipped.find("datasets", card))


def build(card: Card, card_file: Path) -> DataSet:
    """As `load`, from a checked card; paths in it are relative to `card_file`."""
    try:
        source = _read(card, card_file)
        _check_classes(source.samples)
        source = _with_objects(_with_order(source, card, card_file), card)
        split = divide(source, card.split)
    except DataError as error:
        raise DataError(f"{card_file}: {error}") from error
    return DataSet(
        name=card.name,
        samples=source.samples,
        split=split,
        digest=digest(source.samples, split),
        objects_N=source.objects_N,
    )


def digest(samples: MultiView, split: Split) -> str:
    """sha256 over classes, views, labels and split: equal on every machine for equal data."""
    result = samples.content()
    for array in (split.train, split.validation, split.test):
        result.update(array.astype("<i8").tobytes())
    return result.hexdigest()


def _read(card: Card, card_file: Path) -> Source:
    """The module `ddnn.data.KIND` reads cards of that kind, and is imported for them only."""
    module: Any = import_module(f"ddnn.data.{card.kind}")
    source: Source = module.read(card, card_file)
    return source


def _with_order(source: Source, card: Card, card_file: Path) -> Source:
    """The source with the order that the card names, where it has none of its own."""
    order = card.split.order if isinstance(card.split, AuthorsSplit) else None
    if order is None or source.order is not None:
        return source
    return replace(source, order=read_order(resolve(card_file, order, key="split.order")))


def _with_objects(source: Source, card: Card) -> Source:
    """The source with near-copies joined to one object, for a split by object."""
    if not isinstance(card.split, ObjectSplit):
        return source
    return replace(source, objects_N=tracks(source, near=card.split.near))


def _check_classes(samples: MultiView) -> None:
    counts = np.bincount(samples.fused_labels_N, minlength=len(samples.classes))
    for name, count in zip(samples.classes, counts, strict=True):
        if not count:
            raise DataError(f"class {name!r} has no sample, want at least one")
