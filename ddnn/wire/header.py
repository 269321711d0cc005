"""The header of 16 bytes that each message begins with; drawn in `codec`."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ddnn.wire.messages import Kind

VERSION = 4
HEADER = struct.Struct("<BBBBHHII")
ROWS_AT = 2
"""Where a header's rows stand."""
CHECKSUM = struct.Struct("<I")
CHECKSUM_AT = HEADER.size - CHECKSUM.size
WHOLE_32 = 0xFFFFFFFF


class Header(NamedTuple):
    """The first 16 bytes, but for the version."""

    kind: Kind
    sender: str
    rows: int
    session: int
    sequence: int
    checksum: int
