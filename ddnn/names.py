"""Names that people give: one normal form, numbers in them in the order of their values.

Two Unicode texts that look alike may differ in their code points: `é` is one of them, or an `e`
and an accent, as file systems of the Mac write it. Here both are the first (NFC).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_LETTERS = 100


def normal(name: str) -> str:
    """The name in Unicode's composed form: two names are the same where this is."""
    return unicodedata.normalize("NFC", name)


def in_order(names: Iterable[str]) -> list[str]:
    """Sorted as people do: `cam2` before `cam10`."""
    return sorted(names, key=natural)


def natural(name: str) -> tuple[list[str | int], str]:
    """Key to sort by: the numbers in a name count as such, then the name as it is.

    >>> sorted(["cam10", "cam2", "cam02"], key=natural)
    ['cam02', 'cam2', 'cam10']
    """
    pieces = re.split("([0-9]+)", normal(name))
    return [int(piece) if odd % 2 else piece for odd, piece in enumerate(pieces)], name


def is_showable(name: str) -> bool:
    """Whether a table's cell and one line of a message can hold the name."""
    return name.isprintable() and 1 <= len(name) <= MAX_LETTERS
