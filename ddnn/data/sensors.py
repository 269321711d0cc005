"""Source `sensors`: what four body-worn sensors read of people who stand, walk, run or climb.

No sensor tells all classes apart. The wrist's motion is often hidden (a hand in a pocket), the
ankle's tells steps but not whether they climb, only the air pressure knows heights, and it knows
nothing else; the microphone hears steps through other noise. Every person has a gait of their own.
All values are rounded to whole steps, so that every machine makes the same samples.

Axes: N samples, C channels, T readings in time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.data.card import SensorsCard
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.renderer.draws import Draws
from ddnn.data.source import Source
from ddnn.data.views import Views

Floats = NDArray[np.float64]
NAMES = ("wrist", "ankle", "microphone", "pressure")
WINDOW_S = 2.56
LENGTHS = {"wrist": 64, "ankle": 64, "microphone": 32, "pressure": 32}
"""Readings in a window."""
BANDS = 16
"""Of the microphone's spectrogram: its rows."""
STEPS_HZ = np.array([[0.0, 0.0], [1.5, 2.0], [2.5, 3.2], [1.2, 1.7]])
"""Steps a second, from and to, of each class: climbing overlaps with walking."""
STRENGTH = np.array([0.0, 1.0, 2.2, 0.9])
"""Of a class's steps."""
CLIMB_PA = np.array([0.0, 0.0, 0.0, 6.0])
"""How far the air pressure falls (upstairs) or rises within a window."""
UNITS = {"wrist": 256.0, "ankle": 1 / 256, "microphone": 1.0, "pressure": 1 / 64}
"""Wrist: int16 steps of 1/256 g. Ankle, pressure: float32 multiples of 1/256 g and 1/64 Pa."""


class People(NamedTuple):
    """A number for each sample, drawn once a person."""

    pace: Floats
    force: Floats
    tilt: Floats


def read(card: SensorsCard, card_file: Path) -> Source:  # noqa: ARG001 - as every source's
    """The samples of the card's size, number of people and seed."""
    draws = Draws.seeded(card.seed, card.samples)
    labels_N = np.floor(draws.uniform(0, len(card.classes))).astype(np.int64)
    labels_N[: len(card.classes)] = np.arange(len(card.classes))  # no class is empty
    subjects_N = np.arange(card.samples) % card.subjects
    own = Draws.seeded(card.seed + 1, card.subjects).rows(subjects_N)
    people = People(own.uniform(0.9, 1.1), own.uniform(0.8, 1.25), own.uniform(-0.6, 0.6))
    low_N, high_N = STEPS_HZ[labels_N].T
    steps_hz = (low_N + (high_N - low_N) * draws.uniform(0, 1)) * people.pace
    gait = Gait(steps_hz, STRENGTH[labels_N] * people.force, draws.uniform(0, 1))
    noise = np.random.PCG64(card.seed + 2)
    arrays = (
        _wrist(gait, people, draws, noise),
        _ankle(gait, people, noise),
        _microphone(gait, draws, noise),
        _pressure(CLIMB_PA[labels_N], draws, noise),
    )
    worn_NV = np.stack([~draws.chance(share) for share in (0.1, 0.1, 0.05, 0.05)], axis=1)
    worn_NV[~worn_NV.any(axis=1), 1] = True
    for array, worn_N in zip(arrays, worn_NV.T, strict=True):
        array[~worn_N] = 0
    samples = MultiView(
        views=Views(arrays),
        labels_NV=np.where(worn_NV, labels_N[:, None], ABSENT),
        classes=card.classes,
        view_names=NAMES,
    )
    return Source(samples=samples, subjects_N=subjects_N)


class Gait(NamedTuple):
    """Of each sample: steps a second, how hard they are, when in a step the window begins."""

    steps_hz: Floats
    strength: Floats
    phase: Floats

    def turns(self, readings: int) -> Floats:
        """(N, T) steps done since the first one began."""
        seconds_T = np.arange(readings) * (WINDOW_S / readings)
        turns: Floats = self.steps_hz[:, None] * seconds_T + self.phase[:, None]
        return turns


def _wrist(gait: Gait, people: People, draws: Draws, noise: np.random.PCG64) -> NDArray[Any]:
    """Six channels: acceleration and turning, at half the pace of the steps. int16."""
    swing = 2 * np.pi * gait.turns(LENGTHS["wrist"]) / 2
    hidden_N = draws.chance(0.35)
    strength = np.where(hidden_N, 0.1, 0.6) * gait.strength
    tilt = people.tilt[:, None] + draws.uniform(-0.5, 0.5)[:, None]
    along, across = np.sin(swing), 0.4 * np.sin(2 * swing + 1)
    gravity = np.cos(tilt), np.sin(tilt), 0.3 * np.cos(2 * tilt)
    channels = [
        strength[:, None] * part + g
        for part, g in zip((along, across, along**2), gravity, strict=True)
    ]
    channels += [2 * strength[:, None] * np.cos(swing + shift) for shift in (0.0, 0.7, 1.9)]
    values = np.stack(channels, axis=1) + 0.12 * _noise(noise, len(swing), 6, swing.shape[1])
    return _whole(values * UNITS["wrist"], np.int16)


def _ankle(gait: Gait, people: People, noise: np.random.PCG64) -> NDArray[Any]:
    """Three channels of acceleration with the blow of each step."""
    turns = gait.turns(LENGTHS["ankle"])
    blow = np.exp(-12 * (turns % 1.0)) * gait.strength[:, None]
    swing = np.sin(2 * np.pi * turns) * gait.strength[:, None]
    tilt = people.tilt[:, None]
    channels = [1.5 * blow + np.cos(tilt), 0.5 * swing + np.sin(tilt), 0.4 * blow - 0.3 * swing]
    values = np.stack(channels, axis=1) + 0.25 * _noise(noise, len(turns), 3, turns.shape[1])
    whole = _whole(values / UNITS["ankle"], np.float32)
    return np.asarray(whole * np.float32(UNITS["ankle"]))


def _microphone(gait: Gait, draws: Draws, noise: np.random.PCG64) -> NDArray[Any]:
    """A spectrogram, bands from 0 to 255: steps are low, other noise is anywhere."""
    turns = gait.turns(LENGTHS["microphone"])
    steps = np.exp(-6 * (turns % 1.0)) * np.minimum(gait.strength[:, None], 1.5)
    bands_B = np.exp(-np.arange(BANDS) / 4.0)
    loud_N = draws.uniform(10, 70)
    hum_N = np.floor(draws.uniform(0, BANDS)).astype(np.int64)
    values = 90 * steps[:, None, :] * bands_B[:, None]
    values += (
        loud_N[:, None, None]
        * np.exp(-(((np.arange(BANDS) - hum_N[:, None]) / 2.0) ** 2))[..., None]
    )
    values += 40 + 18 * _noise(noise, len(turns), BANDS, turns.shape[1])
    return _whole(np.clip(values, 1, 255), np.uint8, rows=BANDS)


def _pressure(climb_N: Floats, draws: Draws, noise: np.random.PCG64) -> NDArray[Any]:
    """One channel: pascal above or below a slow mean."""
    readings = LENGTHS["pressure"]
    upwards_N = np.where(draws.chance(0.5), -1.0, 1.0)
    drift_N = draws.uniform(-2, 2)
    slope = (climb_N * upwards_N)[:, None] * np.linspace(0, 1, readings)
    values = drift_N[:, None] + slope + 0.8 * _noise(noise, len(climb_N), 1, readings)[:, 0]
    whole = _whole(values[:, None] / UNITS["pressure"], np.float32)
    return np.asarray(whole * np.float32(UNITS["pressure"]))


def _noise(noise: np.random.PCG64, count: int, channels: int, readings: int) -> Floats:
    """(N, C, T), of deviation 1: the sum of four even draws of 16 bits, the same everywhere."""
    words = np.asarray(noise.random_raw(count * channels * readings), dtype=np.uint64)
    parts = [(words >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
    total = sum(part.astype(np.float64) for part in parts) / 2**16 - 2
    return np.asarray(total * np.sqrt(3.0)).reshape(count, channels, readings)


def _whole(values_NCT: Floats, kind: type, *, rows: int = 1) -> NDArray[Any]:
    """Rounded, (N, C, H, W)."""
    count, channels, readings = values_NCT.shape
    found: NDArray[Any] = np.rint(values_NCT).astype(kind)
    return found.reshape(count, channels // rows, rows, readings)
