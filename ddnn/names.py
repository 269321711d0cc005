"""Names that people give: one normal form, numbers in them in the order of their values.

Two Unicode texts that look alike may differ in their code points: `é` is one of them, or an `e`
and an accent, as file systems of the Mac write it. Here both are the first (NFC).
"""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

MAX_LETTERS = 100
MAX_FILE_NAME_BYTES = 200
"""File systems take 255, an ending and what marks an unfinished file among them."""
RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)))
)
"""Devices of Windows, whatever the ending."""


def normal(name: str) -> str:
    """The name in Unicode's composed form: two names are the same where this is."""
    return unicodedata.normalize("NFC", name)


def name_of(path: Path) -> str:
    """The last name of a path as a text in its normal form, whatever the locale: bytes of file
    names are UTF-8. What is no UTF-8 stays as Python reads it."""
    try:
        return normal(os.fsencode(path.name).decode("utf-8"))
    except UnicodeError:
        return normal(path.name)


def spelled(path: Path) -> Path:
    """The path as the file system has it, where its accents are written in the other way."""
    found = Path(path.anchor)
    for piece in path.relative_to(found).parts:
        found = found / (piece if (found / piece).exists() else _alike(found, piece))
    return found


def _alike(folder: Path, name: str) -> str:
    """What the folder holds under the same name in another form; else the name as it is."""
    if name.isascii():
        return name
    with contextlib.suppress(OSError):
        for other in os.listdir(folder):
            if name_of(Path(other)) == name_of(Path(name)):
                return other
    return name


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


def can_name_a_file(name: str) -> bool:
    """Whether a file NAME.png can be made anywhere, seen, and in no other folder."""
    device = name.split(".", maxsplit=1)[0].strip().lower() in RESERVED
    return (
        is_showable(name)
        and not device
        and not name.startswith(".")
        and not set(name) & set("/\\")
        and len(name.encode()) <= MAX_FILE_NAME_BYTES
    )


def is_showable(name: str) -> bool:
    """Whether a table's cell and one line of a message can hold the name, and show all of it."""
    return name.isprintable() and name == name.strip() and 1 <= len(name) <= MAX_LETTERS
