"""Multi-view data sets: `load` turns a data card into arrays and their split.

Importing this package costs numpy alone; the readers are imported when `load` is called.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ddnn.data.multiview import ABSENT, DataSet, MultiView, Split

if TYPE_CHECKING:
    from ddnn.data.card import Card

__all__ = ["ABSENT", "DataSet", "MultiView", "Split", "load", "load_card"]


def load(card: Path | str) -> DataSet:
    """The data set that a card describes.

    card: the path of a card, or the bare name of one in `datasets/`, such as "rendered".
    Raises ConfigError for a wrong card or a missing file, DataError for wrong content.
    """
    data_set: DataSet = import_module("ddnn.data.loading").load(card)
    return data_set


def load_card(card: Path | str) -> Card:
    """The card alone, checked; nothing of the data is read."""
    model: Card = import_module("ddnn.data.card").load_card(card)
    return model
