"""What ties a message to a bundle, a run and a start of its sender, in the 16 bytes of a header.

A run has 64 random bits, and so has each start of a node: its boot id. Neither counts nor clocks
say which is newer. Of bundle and run the header carries a hash of 24 bits, its session. Of the
boot id it carries nothing: the checksum is begun with a key that follows from bundle, run and
boot id, so that a message of another start fails it. A heartbeat tells the boot id, in the open.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import NamedTuple

_BOOT = struct.Struct("<Q")
_TWO = struct.Struct("<QQ")


class Seal(NamedTuple):
    """session: 24 bits, carried in the header. key: 32 bits, with which a checksum begins."""

    session: int
    key: int

    def of(self, boot: int) -> Seal:
        """The seal of one start of a sender."""
        return Seal(self.session, zlib.crc32(_BOOT.pack(boot), self.key))


def lobby_seal(bundle: int) -> Seal:
    """Of what is said outside runs. Its key is 0: nodes of another bundle can be told by name."""
    return Seal(_hash(bundle, 0).session, 0)


def run_seal(bundle: int, run: int) -> Seal:
    """Of what is said within a run (64 bits, not 0)."""
    return _hash(bundle, run)


def _hash(bundle: int, run: int) -> Seal:
    digest = hashlib.blake2b(_TWO.pack(bundle, run), digest_size=7, person=b"ddnn session").digest()
    return Seal(int.from_bytes(digest[:3], "little"), int.from_bytes(digest[3:], "little"))
