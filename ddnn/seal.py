"""A JSON file that says its own hash: no byte of it changes unnoticed.

{
  "schema_version": 2,
  ...
  "manifest_sha256": "..."   the last key: sha256 of the file's bytes, these 64 digits as zeros
}
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

KEY = "manifest_sha256"
_BLANK = b"0" * 64
_END = re.compile(rb'(,?)\n  "' + KEY.encode() + rb'": "([0-9a-f]{64})"\n}\n\Z')


def seal(document: dict[str, Any]) -> bytes:
    """The document as JSON with its hash. NaN and infinity are refused."""
    text = json.dumps(document | {KEY: _BLANK.decode()}, indent=2, allow_nan=False)
    content = f"{text}\n".encode()
    digest = hashlib.sha256(content).hexdigest().encode()
    return _END.sub(lambda end: end[0].replace(_BLANK, digest), content)


def is_sealed(content: bytes) -> bool:
    """Whether this is what `seal` gave, to the byte."""
    end = _END.search(content)
    if end is None:
        return False
    blank = content[: end.start(2)] + _BLANK + content[end.end(2) :]
    return hashlib.sha256(blank).hexdigest().encode() == end[2]


def without_seal(content: bytes) -> bytes:
    """The document alone, as JSON."""
    return _END.sub(b"\n}\n", content)
