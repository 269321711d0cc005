"""Tries a trained method: every set of lost devices, at several bit error rates.

Axes: N samples, V views, S sets of lost devices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ddnn.comparison.method import Decoded, Trained
from ddnn.comparison.task import Task
from ddnn.errors import ConfigError
from ddnn.wire.bitflips import with_errors

RATES = (0.0, 1e-4, 1e-3, 1e-2)
"""Of bit errors: each bit that is sent flips with this probability."""
DRAWS = 2000

Messages = Sequence[Sequence[Sequence[bytes]]]
"""By device, round and sample."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One seed at one rate. lost: sets of lost devices, fewest first, without that of all.

    right_SN: whether each sample is answered rightly. bytes_S: sent a device and sample, lost
    devices counted as sending nothing.
    """

    lost: tuple[tuple[int, ...], ...]
    right_SN: NDArray[np.bool_]
    bytes_S: NDArray[np.float64]


def sent(trained: Trained, task: Task) -> Messages:
    """What every device sends of every test sample, in all rounds.

    Raises ConfigError where that is not one message a round and sample.
    """
    samples = len(task.test)
    found = []
    for device, views_NCHW in enumerate(task.test.views.arrays):
        rounds = trained.encode(device, views_NCHW.copy())
        counts = [len(messages) for messages in rounds]
        if counts != [samples] * trained.rounds:
            raise ConfigError(
                f"{task.name}: encode gives {counts} messages, want {samples} in each of "
                f"{trained.rounds} rounds"
            )
        found.append(rounds)
    return found


def trial(trained: Trained, task: Task, messages: Messages, *, rate: float, seed: int) -> Trial:
    """Every set of lost devices, at one bit error rate. seed: of which bits flip."""
    decoded = [
        [
            trained.decode(device, number, damaged(messages[device][number], rate, seed, device))
            for device in range(task.devices)
        ]
        for number in range(trained.rounds)
    ]
    sizes_RVN = np.array(
        [
            [
                [len(message) for message in messages[device][number]]
                for device in range(task.devices)
            ]
            for number in range(trained.rounds)
        ]
    )
    sets = [x for count in range(task.devices) for x in combinations(range(task.devices), count)]
    tried = [_with_lost(trained, task, decoded, sizes_RVN, lost=lost) for lost in sets]
    return Trial(
        lost=tuple(sets),
        right_SN=np.stack([right_N for right_N, _ in tried]),
        bytes_S=np.array([size for _, size in tried]),
    )


def damaged(messages: Sequence[bytes], rate: float, seed: int, device: int) -> list[bytes]:
    """Each message with its own bits flipped, the same ones for the same seed."""
    if not rate:
        return list(messages)
    found = []
    for number, message in enumerate(messages):
        text = f"{seed} {device} {number} {len(message)}".encode()
        own = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        found.append(with_errors(message, rate=rate, seed=own) if message else message)
    return found


def _with_lost(
    trained: Trained,
    task: Task,
    decoded: Sequence[Sequence[Decoded]],
    sizes_RVN: NDArray[np.int64],
    *,
    lost: tuple[int, ...],
) -> tuple[NDArray[np.bool_], float]:
    """Which samples are right, and the bytes sent a device and sample."""
    count = len(task.test)
    present_NV = np.tile([device not in lost for device in range(task.devices)], (count, 1))
    predicted_N = np.full(count, task.commonest, dtype=np.int64)
    open_N, total = np.ones(count, dtype=bool), 0.0
    for number in range(trained.rounds):
        total += float((sizes_RVN[number].T * (present_NV & open_N[:, None])).sum())
        readable_NV = np.stack([one.readable_N for one in decoded[number]], axis=1)
        present_NV = present_NV & readable_NV
        there_N = open_N & present_NV.any(axis=1)
        found = trained.answer(number, decoded[: number + 1], present_NV)
        predicted_N[there_N] = found.predicted_N[there_N]
        open_N = there_N & ~found.sure_N
    right_N = predicted_N == task.test.fused_labels_N
    return right_N, total / (count * task.devices)


def by_count(task: Task, found: Trial, values_S: NDArray[np.float64]) -> list[float]:
    """The mean over all sets of 0, 1, ... lost devices."""
    sizes_S = np.array([len(lost) for lost in found.lost])
    return [float(values_S[sizes_S == count].mean()) for count in range(task.devices)]


def survival_N(task: Task, found: Trial) -> NDArray[np.float64]:
    """Of each sample, the chance to be right when each device is there with a probability that
    may be anything from 0 to 1: the area under its curve of accuracy against survival.

    Every number of lost devices, 0 to V, is then equally likely: the integral of a binomial's
    term over its probability is 1 / (V + 1).
    """
    sizes_S = np.array([len(lost) for lost in found.lost])
    none_left_N = task.test.fused_labels_N == task.commonest
    means = [found.right_SN[sizes_S == count].mean(axis=0) for count in range(task.devices)]
    return np.asarray(np.mean([*means, none_left_N], axis=0))


def interval(task: Task, values_N: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the weighted mean: bootstrap over the things that samples show, equal draws each
    time."""
    clusters_N = task.clusters_N
    means = np.bincount(clusters_N, values_N) / np.bincount(clusters_N)
    draws = np.random.default_rng(0).integers(len(means), size=(DRAWS, len(means)))
    low, high = np.percentile(means[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
