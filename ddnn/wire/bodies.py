"""The bodies of messages: a table of writers, one a type of message, and of readers, one a kind.

A writer gives the rows that the header tells and the body's bytes; a reader takes the whole part,
whose body begins after the header, and refuses what cannot be. The layout is drawn in `codec`.

Axes: N samples, V views, K classes, F filters, C image channels, H, W.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

import numpy as np

from ddnn.errors import WireError
from ddnn.wire.accounts import AccountCodec
from ddnn.wire.beats import BeatCodec
from ddnn.wire.bits import pack_views, unpack_views
from ddnn.wire.header import HEADER, Header
from ddnn.wire.messages import (
    MAX_ROWS,
    MAX_SIDE,
    NO_RUN,
    Account,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Hello,
    Kind,
    Message,
    Roll,
    Samples,
    Scores,
    Stop,
    Trigger,
    Verdict,
    View,
    Views,
    ViewState,
)
from ddnn.wire.payloads import Payloads, every_row, filled, filled_count

START = HEADER.size
SAMPLE_BYTES = 4
_THREE = struct.Struct("<QQQ")
_NOTHING = struct.Struct("")
_PICTURE = struct.Struct("<IBBBB")
CHANNELS = (1, 3)
"""Of a picture."""
MAX_VIEW_BYTES = _PICTURE.size + max(CHANNELS) * MAX_SIDE * MAX_SIDE
_SAMPLES = [struct.Struct(f"<{rows}I") for rows in range(MAX_ROWS + 1)]
_ANSWERS = [struct.Struct(f"<{rows}H{2 * rows}f{rows}B") for rows in range(MAX_ROWS + 1)]
_MASKS = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""By bytes of a row's views: how `struct` calls a number of that size."""

_VIEW_STATES = frozenset(map(int, ViewState))

Body = tuple[int, bytes]
"""Rows, 0 for a kind that has none, and the bytes."""
Writer = Callable[..., Body]
"""Of a message of its type, by a sender."""
Reader = Callable[[Header, bytes], Message]


class Bodies:
    """Writers and readers for one topology.

    head_bytes: of a row before its payload: sample and views.
    """

    def __init__(
        self,
        *,
        mask_bytes: int,
        part_bits: int,
        classes: int,
        accounts: AccountCodec,
        beats: BeatCodec,
    ) -> None:
        """mask_bytes: of a row's views and bypassed nodes, which are part_bits many."""
        self.head_bytes = SAMPLE_BYTES + mask_bytes
        self._mask_bytes = mask_bytes
        self._part_bits = part_bits
        self._classes = classes
        self._accounts = accounts
        self._beats = beats
        mask = _MASKS.get(mask_bytes)
        self._heads = [struct.Struct(f"<{n}I{n}{mask}") for n in range(MAX_ROWS + 1) if mask]

    def writers(self, payloads: Payloads) -> dict[type, tuple[Kind, Writer]]:
        """By type of message: its kind, and what writes its body."""

        def scores(message: Scores, sender: str) -> Body:
            packed = payloads.pack_scores(sender, filled(message.scores_NK, message.views_N))
            return len(message.samples_N), self._head(message.samples_N, message.views_N) + packed

        def features(message: Features, sender: str) -> Body:
            values = filled(message.features_NFHW, message.views_N)
            packed = payloads.pack_features(sender, values)
            return len(message.samples_N), self._head(message.samples_N, message.views_N) + packed

        return {
            Capture: (Kind.CAPTURE, _samples),
            Ask: (Kind.ASK, _samples),
            Scores: (Kind.SCORES, scores),
            Features: (Kind.FEATURES, features),
            Expect: (Kind.EXPECT, self._expect),
            Verdict: (Kind.VERDICT, self._verdict),
            Heartbeat: (Kind.HEARTBEAT, self._beat),
            Hello: (Kind.HELLO, _hello),
            Roll: (Kind.ROLL, _roll),
            Stop: (Kind.STOP, _nothing),
            Trigger: (Kind.TRIGGER, _nothing),
            View: (Kind.VIEW, _view),
            Account: (Kind.ACCOUNT, self._account),
        }

    def readers(self, payloads: Payloads) -> dict[Kind, Reader]:
        """By kind: what reads a part. Each raises WireError for a body that cannot be."""

        def scores(header: Header, data: bytes) -> Scores:
            samples_N, views_N, start = self._data_head(header, data)
            wanted = payloads.wanted_bytes(Kind.SCORES, header.sender, filled_count(views_N))
            _check_length(data, start - START + (wanted or 0))
            scores_RK = payloads.unpack_scores(header.sender, memoryview(data)[start:])
            return Scores(samples_N, views_N, every_row(scores_RK, views_N))

        def features(header: Header, data: bytes) -> Features:
            samples_N, views_N, start = self._data_head(header, data)
            rows = filled_count(views_N)
            wanted = payloads.wanted_bytes(Kind.FEATURES, header.sender, rows)
            if wanted is not None:
                _check_length(data, start - START + wanted)
            payload = memoryview(data)[start:]
            values = payloads.unpack_features(header.sender, payload, rows)
            return Features(samples_N, views_N, every_row(values, views_N))

        return {
            Kind.CAPTURE: lambda header, data: Capture(_read_samples(header, data)),
            Kind.ASK: lambda header, data: Ask(_read_samples(header, data)),
            Kind.SCORES: scores,
            Kind.FEATURES: features,
            Kind.EXPECT: self._read_expect,
            Kind.VERDICT: self._read_verdict,
            Kind.HEARTBEAT: lambda header, data: self._beats.decode(data[START:], header.sender),
            Kind.HELLO: lambda _, data: Hello(*_exactly(_THREE, data)),
            Kind.ROLL: _read_roll,
            Kind.STOP: lambda _, data: Stop(*_exactly(_NOTHING, data)),
            Kind.TRIGGER: lambda _, data: Trigger(*_exactly(_NOTHING, data)),
            Kind.VIEW: _read_view,
            Kind.ACCOUNT: self._read_account,
        }

    def _head(self, samples_N: Samples, views_N: Views) -> bytes:
        if self._heads:
            return self._heads[len(samples_N)].pack(*samples_N, *views_N)
        return _SAMPLES[len(samples_N)].pack(*samples_N) + pack_views(views_N, self._mask_bytes)

    def _read_head(self, rows: int, data: bytes) -> tuple[Samples, Views]:
        if self._heads:
            both = self._heads[rows].unpack_from(data, START)
            samples_N, views_N = both[:rows], both[rows:]
        else:
            samples_N = _SAMPLES[rows].unpack_from(data, START)
            start = START + SAMPLE_BYTES * rows
            masks = memoryview(data)[start : start + self._mask_bytes * rows]
            views_N = unpack_views(masks, self._mask_bytes)
        if max(views_N) >> self._part_bits:
            raise WireError("bad-flag", f"a part beyond {self._part_bits - 1}")
        return samples_N, views_N

    def _data_head(self, header: Header, data: bytes) -> tuple[Samples, Views, int]:
        """Samples, views, and where what they bring begins: the head says how long it is."""
        head_bytes = header.rows * self.head_bytes
        start = START + head_bytes
        if len(data) < start:
            _check_length(data, head_bytes)
        return *self._read_head(header.rows, data), start

    def _expect(self, message: Expect, _sender: str) -> Body:
        return len(message.samples_N), self._head(message.samples_N, message.views_N)

    def _read_expect(self, header: Header, data: bytes) -> Expect:
        _check_length(data, header.rows * self.head_bytes)
        return Expect(*self._read_head(header.rows, data))

    def _verdict(self, message: Verdict, _sender: str) -> Body:
        rows = len(message.samples_N)
        shares_N = (*message.entropy_N, *message.probability_N)
        answers = _ANSWERS[rows].pack(*message.predicted_N, *shares_N, *message.final_N)
        return rows, self._head(message.samples_N, message.views_N) + answers

    def _read_verdict(self, header: Header, data: bytes) -> Verdict:
        rows = header.rows
        _check_length(data, rows * (self.head_bytes + _ANSWERS[1].size))
        samples_N, views_N = self._read_head(rows, data)
        answers = _ANSWERS[rows].unpack_from(data, START + rows * self.head_bytes)
        predicted_N, shares_N = answers[:rows], answers[rows : 3 * rows]
        final_N = answers[3 * rows :]
        if max(predicted_N) >= self._classes:
            raise WireError("bad-value", f"class {max(predicted_N)}, want < {self._classes}")
        _check_shares(shares_N)
        if max(final_N) > 1:
            raise WireError("bad-flag", f"final {max(final_N)}, want 0 or 1")
        final_N = tuple(map(bool, final_N))
        return Verdict(samples_N, views_N, predicted_N, shares_N[:rows], final_N, shares_N[rows:])

    def _beat(self, message: Heartbeat, _sender: str) -> Body:
        return 0, self._beats.encode(message)

    def _account(self, message: Account, _sender: str) -> Body:
        return 0, self._accounts.encode(message)

    def _read_account(self, header: Header, data: bytes) -> Account:
        body = memoryview(data)[START:]
        _check_length(data, AccountCodec.wanted_bytes(body))
        return self._accounts.decode(body, header.sender)


def _samples(message: Capture | Ask, _sender: str) -> Body:
    samples_N = message.samples_N
    return len(samples_N), _SAMPLES[len(samples_N)].pack(*samples_N)


def _read_samples(header: Header, data: bytes) -> Samples:
    _check_length(data, SAMPLE_BYTES * header.rows)
    return _SAMPLES[header.rows].unpack_from(data, START)


def _check_shares(shares_N: Sequence[float]) -> None:
    if any(map(math.isnan, shares_N)):
        raise WireError("not-finite", "NaN among entropies and probabilities")
    if min(shares_N) < 0 or max(shares_N) > 1:
        raise WireError("bad-value", "entropy or probability outside [0, 1]")


def _hello(message: Hello, _sender: str) -> Body:
    return 0, _THREE.pack(message.boot, message.run, message.data)


def _roll(message: Roll, _sender: str) -> Body:
    return 0, _THREE.pack(message.run, message.data, message.samples)


def _read_roll(_header: Header, data: bytes) -> Roll:
    run, digest, samples = _exactly(_THREE, data)
    if run == NO_RUN:
        raise WireError("bad-value", f"run {NO_RUN}, which is none")
    return Roll(run, digest, samples)


def _view(message: View, _sender: str) -> Body:
    pixels_CHW = message.pixels_CHW
    head = _PICTURE.pack(message.sample, message.state, *pixels_CHW.shape)
    return 0, head + pixels_CHW.tobytes()


def _read_view(_header: Header, data: bytes) -> View:
    if len(data) < START + _PICTURE.size:
        _check_length(data, _PICTURE.size)
    sample, state, channels, height, width = _PICTURE.unpack_from(data, START)
    _check_length(data, _PICTURE.size + channels * height * width)
    if state not in _VIEW_STATES:
        raise WireError("bad-value", f"state {state} of a view")
    is_picture = channels in CHANNELS and 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE
    if not is_picture and (channels or height or width):
        raise WireError("bad-value", f"a picture of {channels} x {height} x {width}")
    pixels = np.frombuffer(data, np.uint8, offset=START + _PICTURE.size)
    return View(sample, ViewState(state), pixels.reshape(channels, height, width))


def _nothing(_message: Stop | Trigger, _sender: str) -> Body:
    return 0, b""


def _exactly(layout: struct.Struct, data: bytes) -> tuple[int, ...]:
    _check_length(data, layout.size)
    return layout.unpack_from(data, START)


def announced_boot(data: bytes) -> int:
    """The boot id that a heartbeat brings. Raises WireError for one that is too short."""
    return BeatCodec.boot(data[START:])


def _check_length(data: bytes, wanted: int) -> None:
    """wanted: bytes of the body."""
    if len(data) - START != wanted:
        raise WireError("bad-length", f"{len(data) - START} bytes of body, want {wanted}")
