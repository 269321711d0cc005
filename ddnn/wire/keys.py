"""Key files: who a node is, and who the others are, for CURVE. Makes no keys and knows no socket.

    FOLDER/            mode 0700; each host gets its own nodes' .key files and public.json
      NAME.key         mode 0600, JSON: name, public, secret; one a node, and collector.key
      public.json      JSON: the public key of every name; whom a node lets in, and only them

A key is 40 characters of Z85. What is read here never enters a message, a report or an error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import string
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ddnn.errors import ConfigError
from ddnn.plainfile import read_plain
from ddnn.runfolder import check_new

PUBLIC = "public.json"
MAX_FILE_BYTES = 1 << 20
Z85_DIGITS = string.digits + string.ascii_letters + ".-:+=^!/*?&<>()[]{}@%$#"
_Z85 = re.compile(f"[{re.escape(Z85_DIGITS)}]{{40}}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A node's own keys; printing it shows no secret."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """A node's own keys, and the public keys of all, its own included, by name."""

    own: KeyPair
    public: dict[str, str]


def write_keys(folder: Path, names: Sequence[str], make_pair: Callable[[], KeyPair]) -> None:
    """Makes the folder with a pair for each name, whole or not at all.

    Raises ConfigError when there is something in the folder (keys are never overwritten) or it
    cannot be written.
    """
    try:
        check_new(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))  # mode 0700
        try:
            _fill(new, {name: make_pair() for name in names})
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written, {error.strerror or error}") from error


def read_keys(folder: Path, name: str, names: Sequence[str]) -> KeyRing:
    """What node `name` of a topology with these names needs.

    Raises ConfigError, one line that shows no key, for files that are missing, open to others,
    damaged, or another node's.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder, want one made by `ddnn keys`")
    _check_mode(folder, 0o022, "others could change who is let in; want 0700")
    public = _read_public(folder / PUBLIC, names)
    own = _read_pair(folder / f"{name}.key", name)
    if public[name] != own.public:
        raise ConfigError(f"{folder / PUBLIC}: {name} has another key than in {name}.key")
    return KeyRing(own, {other: public[other] for other in names})


def _fill(folder: Path, pairs: dict[str, KeyPair]) -> None:
    for name, pair in pairs.items():
        entry = {"name": name, "public": pair.public, "secret": pair.secret}
        _write(folder / f"{name}.key", entry, 0o600)
    _write(folder / PUBLIC, {name: pair.public for name, pair in pairs.items()}, 0o644)


def _write(path: Path, content: dict[str, str], mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def _read_public(path: Path, names: Sequence[str]) -> dict[str, str]:
    _check_mode(path, 0o022, "others could change who is let in; want 0644")
    public = _read(path, "a name and a public key a line")
    missing = [name for name in names if name not in public]
    if missing:
        raise ConfigError(f"{path}: no key of {', '.join(missing)}, want one of every node")
    used = [public[name] for name in names]
    if len(set(used)) != len(used):
        raise ConfigError(f"{path}: two names have one key, want one each")
    for name in names:
        _check_key(path, name, public[name])
    return public


def _read_pair(path: Path, name: str) -> KeyPair:
    _check_mode(path, 0o077, "others can read the secret; want 0600")
    entry = _read(path, "name, public and secret")
    for key in ("name", "public", "secret"):
        if key not in entry:
            raise ConfigError(f"{path}: no {key}, want name, public and secret")
    if entry["name"] != name:
        raise ConfigError(f"{path}: the key of {entry['name'][:32]!r}, want that of {name!r}")
    _check_key(path, "public", entry["public"])
    _check_key(path, "secret", entry["secret"])
    return KeyPair(entry["public"], entry["secret"])


def _check_key(path: Path, what: str, key: str) -> None:
    groups = [key[place : place + 5] for place in range(0, len(key), 5)]
    if not _Z85.fullmatch(key) or any(_z85_value(group) >= 1 << 32 for group in groups):
        raise ConfigError(f"{path}: {what}: not a key, want 40 characters of Z85")


def _z85_value(group: str) -> int:
    """Of five characters: those of a key are 32 bits (rfc.zeromq.org/spec/32)."""
    value = 0
    for character in group:
        value = 85 * value + Z85_DIGITS.index(character)
    return value


def _check_mode(path: Path, forbidden: int, why: str) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}, want a file made by `ddnn keys`") from error
    if mode & forbidden:
        raise ConfigError(f"{path}: mode {mode:04o}, {why}")


def _read(path: Path, wanted: str) -> dict[str, str]:
    """The file's JSON object of texts. Nothing of its content gets into an error."""
    try:
        content = json.loads(read_plain(path, MAX_FILE_BYTES))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}, want a file made by `ddnn keys`") from error
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: not JSON, want {wanted}") from None
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise ConfigError(f"{path}: not an object of texts, want {wanted}")
    return content
