"""Paths kept in files of ddnn: in UTF-8, whatever encoding the locale has for names."""

from __future__ import annotations

import os
from pathlib import Path

from ddnn.errors import ConfigError


def path_to_text(path: Path) -> str:
    """The path, to be kept. Raises ConfigError where it is not UTF-8: JSON could not hold it."""
    content = os.fsencode(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = content.decode("utf-8", "backslashreplace")
        raise ConfigError(f"{shown}: not UTF-8, want a path that a run can keep") from error


def text_to_path(text: str) -> str:
    """What was kept, as this process names the file."""
    return os.fsdecode(text.encode("utf-8"))
