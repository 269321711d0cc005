"""What nodes say to each other, as plain values. The byte layout is in `codec`.

Most messages have one row, or few: numbers stand in plain sequences, only scores and features in
arrays. Nobody changes a message; those on a sample's way are not frozen, since to make one of them
would take twice as long.

views_N says of each row which views have a part in it: bit v for view v. Bits beyond the last view
are for the nodes of Topology.bypassable: 1 where the children's features went past it.

Axes: N samples (rows of the message), V views, K classes, F filters, C image channels, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 64
"""Rows (samples) of one message at most: bounds its size and a section's batch."""

NO_RUN = 0
"""In place of a run's id: none."""

MAX_SIDE = 64
"""Rows and columns of a picture that is shown at most."""

Samples = Sequence[int]
Views = Sequence[int]


class Kind(IntEnum):
    """First thing a message says of itself."""

    CAPTURE = 1
    SCORES = 2
    ASK = 3
    EXPECT = 4
    FEATURES = 5
    VERDICT = 6
    HEARTBEAT = 7
    STOP = 8
    ACCOUNT = 9
    HELLO = 10
    ROLL = 11
    TRIGGER = 12
    VIEW = 13

    @property
    def is_data(self) -> bool:
        """Carries what the byte equation counts; all else is control."""
        return self in DATA

    @property
    def is_of_a_run(self) -> bool:
        """Means nothing outside its run; the others lead into one."""
        return self not in LOBBY


DATA = frozenset({Kind.SCORES, Kind.FEATURES})
"""See Kind.is_data; a set is asked in half the time."""
LOBBY = frozenset({Kind.HELLO, Kind.ROLL})
"""Kinds that lead into a run, see Kind.is_of_a_run."""


@dataclass(slots=True, eq=False)
class Capture:
    """Collector to device: classify your view of these samples."""

    samples_N: Samples


@dataclass(slots=True, eq=False)
class Scores:
    """Section to the holder of its tier's exit: one float32 per class."""

    samples_N: Samples
    views_N: Views
    scores_NK: NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Ask:
    """Exit to the sections of its tier: send your features of these samples up."""

    samples_N: Samples


@dataclass(slots=True, eq=False)
class Expect:
    """Exit to the nodes of the next tier: features of these views are on their way to you."""

    samples_N: Samples
    views_N: Views


@dataclass(slots=True, eq=False)
class Features:
    """Section to its parent: the feature maps, at the section's bits per value on the wire."""

    samples_N: Samples
    views_N: Views
    features_NFHW: NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Verdict:
    """Exit to the collector: its answer. Not final: it holds only if no deeper exit answers.

    probability_N: of the predicted class, by the exit's temperature.
    """

    samples_N: Samples
    views_N: Views
    predicted_N: Sequence[int]
    entropy_N: Sequence[float]
    final_N: Sequence[bool]
    probability_N: Sequence[float]


@dataclass(frozen=True, slots=True)
class Hello:
    """Node to collector, outside any run: I am here.

    boot: 64 random bits, drawn when the node started. run: the one it takes part in, or NO_RUN.
    data: digest of the samples that its camera recorded, 0 where it sees nothing.
    """

    boot: int
    run: int = NO_RUN
    data: int = 0


@dataclass(frozen=True, slots=True)
class Roll:
    """Collector to node: take part in this run. What you know of another one is void.

    run: 64 random bits, never NO_RUN. data: digest of the recorded samples in their order, 0 where
    nobody knows it. samples: of how many of them the run consists, one round after the other; 0:
    of all.
    """

    run: int
    data: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """To everyone the node sends to, within a run: its loop turns.

    unreached: how many of its neighbours took nothing last time, or were not heard yet in this
    run; 255 at most. boot: 64 random bits, drawn when the node started; the collector's is the
    run itself. every: so many intervals may pass until the next one. gone: who fell silent among
    those that are idle and beat for the sender alone, see routes.keepers.
    """

    unreached: int = 0
    boot: int = 0
    every: int = 1
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stop:
    """Collector to node: send your account and end."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Device to collector: a new view is here, take a sample now. Only of a device whose views
    decide when samples are taken."""


class ViewState(IntEnum):
    """What a device found its view to be. NO_VIEW: there was none in time."""

    SEEN = 0
    BLACK = 1
    FROZEN = 2
    NO_VIEW = 3


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Device to collector, to be shown to a person: what its section was given for this sample.
    Sent and taken only where both were started to show views, and no sample waits for it.

    pixels_CHW: of at most MAX_SIDE rows and columns, one channel or three; none where the view is
    no picture, or not there.
    """

    sample: int
    state: ViewState
    pixels_CHW: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class LinkCount:
    """Traffic of one kind on one link, as the reporting node saw it.

    rows: of scores and features, those that bring some; a device may say that it sees nothing.
    information: bytes, the order-0 entropy of what was sent. payload: bytes of the paper's
    equation. zmtp: bytes of the messages with their ZeroMQ framing. ip: bytes with TCP/IP
    headers, estimated at one packet per 1448 bytes.
    """

    link: tuple[str, str]
    kind: Kind
    sent: bool
    messages: int = 0
    rows: int = 0
    information: float = 0.0
    payload: int = 0
    zmtp: int = 0
    ip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCount:
    """Bytes of a node's messages with their framing, beside what the kernel counted for them.

    zmtp: by the ledger, refused messages included. kernel: by TCP_INFO of the node's connections,
    handshakes left out. unread: connections that went before their count could be read.
    """

    connections: int = 0
    unread: int = 0
    sent_zmtp: int = 0
    sent_kernel: int = 0
    received_zmtp: int = 0
    received_kernel: int = 0

    @property
    def agrees(self) -> bool:
        """Every byte is accounted for."""
        return self.sent_zmtp == self.sent_kernel and self.received_zmtp == self.received_kernel


@dataclass(frozen=True, slots=True)
class Account:
    """Node to collector, at the end: everything it counted in this run.

    kernel: None where the kernel does not count, and over other transports than ZeroMQ.
    """

    links: tuple[LinkCount, ...]
    events: tuple[tuple[str, int], ...]
    kernel: KernelCount | None = None
    run: int = NO_RUN


Message = (
    Capture
    | Scores
    | Ask
    | Expect
    | Features
    | Verdict
    | Heartbeat
    | Stop
    | Account
    | Hello
    | Roll
    | Trigger
    | View
)

KINDS: dict[type, Kind] = {
    Capture: Kind.CAPTURE,
    Scores: Kind.SCORES,
    Ask: Kind.ASK,
    Expect: Kind.EXPECT,
    Features: Kind.FEATURES,
    Verdict: Kind.VERDICT,
    Heartbeat: Kind.HEARTBEAT,
    Stop: Kind.STOP,
    Account: Kind.ACCOUNT,
    Hello: Kind.HELLO,
    Roll: Kind.ROLL,
    Trigger: Kind.TRIGGER,
    View: Kind.VIEW,
}


def kind_of(message: Message) -> Kind:
    """The message's kind."""
    return KINDS[type(message)]


def row_count(message: Message) -> int:
    """Number of samples the message speaks of; 0 for one that speaks of none."""
    samples_N = getattr(message, "samples_N", None)
    return 0 if samples_N is None else len(samples_N)
