"""Messages that carry what they say beside their bytes, so that nobody has to parse them again.

The bytes are those of the real codec, sizes and checksums included: what is damaged on its way is
parsed, and refused, as it would be.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NamedTuple

from ddnn.errors import WireError
from ddnn.simulation.references import Store
from ddnn.topology import Topology
from ddnn.wire.codec import Codec
from ddnn.wire.header import Header
from ddnn.wire.messages import Features, Heartbeat, Message, Scores
from ddnn.wire.payloads import every_row, filled


class Author(NamedTuple):
    """Who really wrote a message, whatever it says of itself."""

    node: str
    boot: int
    run: int


class Parcel(bytes):
    """An encoded message with what it says. taken_by: boot id of the last start that believed
    it."""

    message: Message
    author: Author
    taken_by = 0


class ParcelCodec(Codec):
    """A codec whose features are references into a store."""

    author = Author("", 0, 0)

    def __init__(self, topology: Topology, bundle: int, store: Store) -> None:
        super().__init__(topology, bundle, payloads=store)

    def of(self, author: Author) -> ParcelCodec:
        """The same for one start of a node."""
        own = copy.copy(self)
        own.author = author
        return own

    def encode(self, message: Message, **of: Any) -> bytes:
        """See Codec."""
        parcel = Parcel(super().encode(message, **of))
        parcel.message, parcel.author = as_received(message), self.author
        return parcel

    def decode(self, header: Header, data: bytes, *, receiver: str) -> Message:
        """See Codec."""
        if not isinstance(data, Parcel):
            return super().decode(header, data, receiver=receiver)
        if (header.sender, receiver, header.kind) not in self._routes:
            raise WireError("bad-route", f"{header.kind.name} from {header.sender}")
        return data.message


def as_received(message: Message) -> Message:
    """A row in which no view has a part brings nothing but zeros. A heartbeat that its sender says
    again and again is another one each time."""
    if isinstance(message, Heartbeat):
        return replace(message)
    if isinstance(message, Scores) and 0 in message.views_N:
        scores_NK = every_row(filled(message.scores_NK, message.views_N), message.views_N)
        return replace(message, scores_NK=scores_NK)
    if isinstance(message, Features) and 0 in message.views_N:
        features_NFHW = every_row(filled(message.features_NFHW, message.views_N), message.views_N)
        return replace(message, features_NFHW=features_NFHW)
    return message
