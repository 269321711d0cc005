"""A job: a pure function and what it is given. Equal jobs have equal keys and equal results.

    key = sha256(function, inputs, code)

`code` names the sources of ddnn and the versions of what computes, so that a result is taken again
only where it would come out again. Everything that an engine carries is text, in JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

from ddnn import __version__
from ddnn.topology import Model

COMPUTES = ("numpy", "torch")
"""Distributions that results follow from."""
DIGITS = 12
"""Of a sha256 for a person."""


def digest(document: Any) -> str:
    """sha256 of what JSON can hold, whatever the order of keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_version() -> str:
    """Of ddnn's sources and what they compute with, the same on all machines that may join."""
    ours = f"ddnn {__version__} ({sources(Path(__file__).parents[1])[:DIGITS]})"
    return ", ".join([ours, f"python {python_version()}", *_versions(COMPUTES)])


def sources(folder: Path) -> str:
    """sha256 over the Python files of a folder and their names."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _versions(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"no {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """function: `module:name`, called with inputs and places, gives what JSON can hold.

    inputs: all that the result follows from. places: where to read and write on whatever machine
    runs it; what is read there is checked against digests among the inputs. label: for a person.
    """

    function: str
    inputs: Mapping[str, Any]
    label: str
    places: Mapping[str, str] = field(default_factory=dict)
    code: str = field(default_factory=code_version)

    @property
    def key(self) -> str:
        """The job's content hash, 64 hexadecimal digits."""
        return digest([self.function, self.inputs, self.code])

    def to_text(self) -> str:
        """For the way to whoever runs it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Job:
        """What `to_text` gave."""
        return cls(**json.loads(text))


class Answer(Model):
    """What became of a job: a result, or an error in one line.

    details: of an error that is none of ddnn's own, where it came from. seconds: of computing.
    host, pid: where.
    """

    result: Any = None
    error: str | None = None
    details: str = ""
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
