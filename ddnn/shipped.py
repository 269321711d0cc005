"""Finds the files that come with ddnn (data cards, topologies, failure plans) by a bare name.

In a checkout they lie beside the package, in an installed wheel under `ddnn/share/`.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

from ddnn.errors import ConfigError
from ddnn.names import spelled
from ddnn.plainfile import check_plain

Kind = Literal["datasets", "topologies", "topologies/plans"]


def folder(kind: Kind) -> Path:
    """Where the shipped files of this kind lie."""
    package = Path(__file__).resolve().parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind


def names(kind: Kind) -> list[str]:
    """The bare names that `find` knows, sorted."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml"))


def find(kind: Kind, name: str | Path) -> Path:
    """The file that `name` means: an existing path as it is, else a shipped file's bare name.

    Raises ConfigError listing the known names.
    """
    path = spelled(Path(name))
    if path.is_file():
        return path
    known = names(kind)
    if str(name) in known:
        return folder(kind) / f"{name}.yaml"
    if path.exists():
        try:
            check_plain(path)
        except OSError as error:
            raise ConfigError(f"{name}: {error.strerror or error}, want a YAML file") from error
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"{name}: no such file and no name in {kind} ({hint}known: {', '.join(known) or 'none'})"
    )
