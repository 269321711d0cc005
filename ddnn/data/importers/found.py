"""What every importer finds: samples, and of each the pictures of the cameras that see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ddnn.data.source import TRAIN
from ddnn.errors import DataError
from ddnn.plainfile import read_plain

MAX_JSON_BYTES = 1 << 30


class Box(NamedTuple):
    """Corners in pixels; right and bottom are no longer inside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def is_one(self) -> bool:
        """Whether it has an inside."""
        return self.right - self.left >= 1 and self.bottom - self.top >= 1

    def overlaps(self, other: Box) -> bool:
        """Whether they share any place."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0 and down > 0


class Picture(NamedTuple):
    """A file, and where in it the object is; None: all of it."""

    file: Path
    box: Box | None = None


@dataclass(slots=True, kw_only=True)
class Sample:
    """One object at one time. pictures: by the camera's place; absent where it has none.

    part: TRAIN, VALIDATION or TEST, where the files say so.
    """

    label: int
    frame: int = 0
    object: int = 0
    part: int = TRAIN
    pictures: dict[int, Picture] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an importer has read. split_by: what the card will split by."""

    classes: tuple[str, ...]
    views: tuple[str, ...]
    samples: Sequence[Sample]
    split_by: Literal["frame", "file", "sample"]


def read_json_file(path: Path) -> Any:
    """What a file of others holds. Raises DataError naming it."""
    try:
        content = read_plain(path, MAX_JSON_BYTES + 1)
        if len(content) > MAX_JSON_BYTES:
            raise DataError(f"{path}: larger than {MAX_JSON_BYTES} bytes")
        return json.loads(content)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from error


def entry(place: object, record: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """A value of a JSON object. Raises DataError naming place, key and what was wanted."""
    value = record.get(key) if isinstance(record, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, kind):
        wanted = kind[0].__name__ if isinstance(kind, tuple) else kind.__name__
        raise DataError(f"{place}: {key}: got {str(value)[:40]!r}, want {wanted}")
    return value
