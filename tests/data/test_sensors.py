"""The source `sensors`: the same on every machine, and no sensor alone tells all classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ddnn.data import load
from ddnn.data.multiview import DataSet

CardWriter = Callable[..., Path]


def small(write_card: CardWriter, **keys: int) -> DataSet:
    return load(write_card(kind="sensors", **{"samples": 96, "subjects": 6} | keys))


def test_samples_are_those_of_the_seed(write_card: CardWriter) -> None:
    """Pinned: other machines make the same."""
    assert small(write_card).digest.startswith("a5809da966f3975098d0095b")
    assert small(write_card, seed=1).digest.startswith("94a06b12b7c1c1cc611c16c7")


def test_each_sensor_has_a_view_of_its_own(write_card: CardWriter) -> None:
    samples = small(write_card).samples
    assert samples.view_names == ("wrist", "ankle", "microphone", "pressure")
    assert samples.views.shapes == ((6, 1, 64), (3, 1, 64), (1, 16, 32), (1, 1, 32))
    assert samples.views.types == ("int16", "float32", "uint8", "float32")
    assert not samples.views.seen_NV[samples.absent_NV].any()
    assert samples.views.seen_NV[~samples.absent_NV].all()
    assert 0 < samples.absent_NV.mean() < 0.2


def test_nobody_is_in_two_parts(write_card: CardWriter) -> None:
    data = small(write_card)
    parts = (data.split.train, data.split.validation, data.split.test)
    people = [{*(part % 6).tolist()} for part in parts]
    assert [len(each) for each in people] == [4, 1, 1]
    assert len(set().union(*people)) == 6


def test_what_one_sensor_cannot_tell_another_can(write_card: CardWriter) -> None:
    """Climbing from walking by the air pressure, running from walking by the ankle."""
    samples = small(write_card, samples=600).samples
    labels_N, seen_NV = samples.fused_labels_N, ~samples.absent_NV
    _, ankle, _, pressure = samples.views.arrays
    blows_N = ankle[:, 0, 0].std(axis=1)
    rise_N = np.abs(pressure[:, 0, 0, 24:].mean(axis=1) - pressure[:, 0, 0, :8].mean(axis=1))
    still, walk, run, stairs = range(4)

    def mean(values_N: np.ndarray, label: int, view: int) -> float:
        return float(values_N[(labels_N == label) & seen_NV[:, view]].mean())

    assert mean(blows_N, still, 1) < 0.7 * mean(blows_N, walk, 1) < 0.5 * mean(blows_N, run, 1)
    assert mean(rise_N, stairs, 3) > 4 * mean(rise_N, walk, 3)
