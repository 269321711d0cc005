"""Passwords of cameras: put into addresses where they are used, never shown.

`${NAME}` in an address stands for NAME's value in the environment, or in a file of NAME=VALUE
lines that nobody else can read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from ddnn.errors import ConfigError
from ddnn.plainfile import open_plain

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
MAX_BYTES = 1 << 16


def names_in(url: str) -> list[str]:
    """The names that stand for something in it."""
    return _NAME.findall(url)


def has_password(url: str) -> bool:
    """Whether there is one for all to read. A name in its place is none."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    _, colon, password = user.partition(":")
    return bool(at and colon and _NAME.sub("", password))


def shown(url: str) -> str:
    """The address without who asks and what for: fit for a log."""
    if "://" not in url:
        return url
    found = urlsplit(url)
    host = found.netloc.rpartition("@")[2]
    return f"{found.scheme}://{host}{found.path}"


def filled_in(url: str, secrets: Path | None) -> str:
    """The address with each name's value, so written that it cannot be taken for something else.

    Raises ConfigError for a name without a value.
    """
    values = _values(secrets)

    def value(match: re.Match[str]) -> str:
        return quote(_value(match[1], values), safe="")

    return _NAME.sub(value, url)


def check_secrets(wanted: Mapping[str, Iterable[str]], secrets: Path | None) -> None:
    """Raises ConfigError for the first name without a value. wanted: names, by device."""
    values = _values(secrets)
    for device, names in wanted.items():
        for name in names:
            try:
                _value(name, values)
            except ConfigError as error:
                raise ConfigError(f"devices.{device}.url: {error}") from error


def _value(name: str, values: Mapping[str, str]) -> str:
    found = os.environ.get(name, values.get(name))
    if found is None:
        raise ConfigError(
            f"${{{name}}}: not in the environment, nor in a file of secrets; want one"
        )
    return found


def _values(path: Path | None) -> dict[str, str]:
    """Raises ConfigError for a file that others can read."""
    if path is None:
        return {}
    try:
        with open_plain(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigError(f"secrets: {path}: of mode {mode:04o}, want 0600")
            text = file.read(MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"secrets: {path}: {why}, want a file of NAME=VALUE lines") from error
    values = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if line.strip() and not line.startswith("#"):
            if not equals:
                raise ConfigError(f"secrets: {path}: a line without =, want NAME=VALUE")
            values[name.strip()] = value.strip()
    return values
