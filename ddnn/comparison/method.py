"""What a method is: devices that send bytes, and somebody who answers from what arrives.

A method is a function that is given `Material` and returns something that is `Trained`. It never
sees a test label, nor a view or message of a device that is lost; what its devices send is counted
and damaged as bytes. An installed package adds one:

    [project.entry-points."ddnn.methods"]
    mine = "my_package.rival:train"

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.data.multiview import MultiView


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What a method may learn from. folder: a place of its own, to keep what is trained."""

    train: MultiView
    validation: MultiView
    seed: int
    folder: Path


class Decoded(NamedTuple):
    """What one device's messages say, (N, ...), and which could be read, (N,)."""

    values: NDArray[Any]
    readable_N: NDArray[np.bool_]


class Answer(NamedTuple):
    """Classes (N,), and for which samples no more need be sent (N,)."""

    predicted_N: NDArray[np.int64]
    sure_N: NDArray[np.bool_]


class Trained(Protocol):
    """A method after its training. Devices send in rounds: of each sample that a round leaves
    unsure, those that could be read in it send their message of the next."""

    @property
    def rounds(self) -> int:
        """How often devices may send, at least 1."""

    def encode(self, device: int, views_NCHW: NDArray[np.uint8]) -> Sequence[Sequence[bytes]]:
        """By round, by sample: what this device sends of what it sees; b"": nothing."""

    def decode(self, device: int, round_number: int, messages: Sequence[bytes]) -> Decoded:
        """What its messages of a round say, one a sample; bits of them may have flipped."""

    def answer(
        self, round_number: int, decoded: Sequence[Sequence[Decoded]], present_NV: NDArray[np.bool_]
    ) -> Answer:
        """From what has arrived so far. decoded: by round, by device. present_NV: whose messages
        arrived and could be read in all rounds so far; the others' are to be left out."""


Train = Callable[[Material], Trained]
