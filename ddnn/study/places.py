"""Where a job finds what it reads, on whatever machine."""

from __future__ import annotations

from pathlib import Path

from ddnn.paths import path_to_text


def card_place(card: str | Path, *, beside: Path | None = None) -> str:
    """A card file by its absolute path, a shipped name as it is.

    beside: the file that names it.
    """
    path = Path(card) if beside is None else beside.parent / card
    return path_to_text(path.absolute()) if path.is_file() else str(card)
