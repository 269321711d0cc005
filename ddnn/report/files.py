"""Writes result files whole or not at all, in UTF-8, open to whom the user's umask says."""

from __future__ import annotations

import csv
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ddnn.errors import DdnnError


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file in one step: a reader sees the old content or the new, never a part.

    Raises DdnnError when it cannot be written; the old content then still stands.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        mode = mode_for(path, 0o666)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)  # else a power cut may leave the name without the content
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise DdnnError(f"{path}: cannot be written, {error.strerror or error}") from error


def mode_for(path: Path, wanted: int) -> int:
    """With which mode to make what takes the place of `path`; the umask takes its part of it.

    What is replaced may have been closed to others: then so is what comes after it.
    """
    try:
        return wanted & stat.S_IMODE(path.stat().st_mode)
    except OSError:  # there is none yet, or the place cannot be had: making it says why
        return wanted


def check_writable(folder: Path) -> None:
    """Raises DdnnError where files cannot be put there, before there is something to lose."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise DdnnError(f"{folder}: cannot be written, {there} is no folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise DdnnError(f"{folder}: cannot be written, {there}: {error.strerror}") from error


def write_json(path: Path, document: Any) -> None:
    """JSON, indented, keys in the given order. NaN and infinity are refused."""
    write_bytes(path, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Comma-separated, one header line."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode(errors="backslashreplace"))
