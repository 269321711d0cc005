"""What every source hands over, and how it finds the files that a card names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.names import spelled

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Values of `parts_N`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """The samples of a data set and what its files know for splitting them.

    frames_N: when each sample was taken, for a split by frame.
    parts_N: TRAIN, VALIDATION or TEST, for a split by file.
    objects_N: which object each sample shows, for a split by object.
    subjects_N: of whom each sample is, for a split by subject.
    order: all sample indices in the order of the authors' split.
    """

    samples: MultiView
    frames_N: NDArray[np.int64] | None = None
    parts_N: NDArray[np.int64] | None = None
    objects_N: NDArray[np.int64] | None = None
    subjects_N: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None


def resolve(card_file: Path, path: str, *, key: str = "path") -> Path:
    """The file or folder that a card's `key` names: beside the card, else in $DDNN_DATA.

    Raises ConfigError naming the places that were tried.
    """
    beside = card_file.parent / path
    root = os.environ.get("DDNN_DATA")
    tried = [beside, Path(root) / path] if root else [beside]
    try:
        for candidate in map(spelled, tried):
            if candidate.exists():
                return candidate
    except OSError as error:  # too long, or in a folder that is closed to us
        raise ConfigError(f"{card_file}: {key}: {path[:60]!r}: {error.strerror}") from error
    places = f"beside the card or in $DDNN_DATA ({root})" if root else "beside the card"
    hint = "" if root else "; set DDNN_DATA to the folder that holds it"
    raise ConfigError(f"{card_file}: {key}: no {path!r} {places}{hint}")


def require(module: str, purpose: str, *, extra: str = "train") -> Any:
    """An optional library, imported now.

    Raises ConfigError saying what to install, where it is missing.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{purpose} needs {module.partition('.')[0]}: want the extra `{extra}`, pip install "
            f"'.[{extra}]' in a checkout of ddnn ({error})"
        ) from error
