"""What a network must beat to be worth its devices: simple answers to the same samples.

Some are fitted to the data set's training samples, the views as they are, all in one place; the
others use what the network's devices say without fusing their maps.
Axes: N samples, V views, K classes, P pixel values of all views.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.data.multiview import DataSet, MultiView
from ddnn.data.statistics import channel_statistics
from ddnn.data.storage import usable_bytes
from ddnn.data.views import blocks
from ddnn.report.verdicts import wilson_interval
from ddnn.training.predict import perceive, taking_part
from ddnn.training.run import Run

COMMONEST, NEAREST, LINEAR = "commonest_class", "nearest_pixels", "linear"
BEST_CAMERA, LATE_FUSION = "best_camera", "late_fusion"
FITTED_TO, FITTED_BYTES = 5000, 384 << 20
"""Training samples, and bytes of them as float32, at most that are compared or fitted with; fewer
bytes where the process may use less than 12 GB."""
ENOUGH = 1000
"""Training samples: rather than see fewer, every second or third of their pixels is seen."""
COMPONENTS = 128
"""Principal components of the pixels that the linear classifier sees."""
STRENGTH = 0.1
"""Of its regularisation, scikit-learn's C: components are whitened, so small ones are noise."""
MOST_STEP = 64
BLOCK = 500
"""Samples that are looked at at once: bounds memory."""


class Baseline(NamedTuple):
    """Classes of the samples, (N,); name: of the class or camera that was chosen."""

    predicted_N: NDArray[np.int64]
    name: str = ""


Baselines = dict[str, Baseline]


def report(simple: Baselines, samples: MultiView) -> dict[str, dict[str, Any]]:
    """`baselines` of a report: by name, accuracy with its interval, and what was chosen."""
    document: dict[str, dict[str, Any]] = {}
    for name, baseline in simple.items():
        right = int((baseline.predicted_N == samples.fused_labels_N).sum())
        part = {"accuracy": right / len(samples), "interval": wilson_interval(right, len(samples))}
        document[name] = part | ({"name": baseline.name} if baseline.name else {})
    return document


def found(run: Run, data: DataSet, samples: MultiView) -> Baselines:
    """All of them, for samples of the data set that are not trained on; no device is lost."""
    return fitted(data.part("train"), samples) | unfused(run, data, samples)


def fitted(train: MultiView, samples: MultiView) -> Baselines:
    """Classes by what is fitted to training samples: the commonest class, that of the nearest
    pixels, and a linear classifier on them."""
    room, enough = min(FITTED_BYTES, usable_bytes() // 32), min(len(train), ENOUGH)
    step = 1
    while step < MOST_STEP and room < 4 * enough * _values(train, step):
        step += 1
    count = min(len(train), FITTED_TO, max(2, room // (4 * _values(train, step))))
    chosen = np.linspace(0, len(train) - 1, count).astype(np.int64)
    known, labels_N = train.take(chosen), train.fused_labels_N
    commonest = int(np.bincount(labels_N).argmax())
    found = {
        COMMONEST: Baseline(np.full(len(samples), commonest), samples.classes[commonest]),
        NEAREST: Baseline(nearest(known, samples, step)),
    }
    if len(np.unique(labels_N)) > 1:
        found[LINEAR] = Baseline(linear(known, samples, step))
    return found


def nearest(known: MultiView, samples: MultiView, step: int = 1) -> NDArray[np.int64]:
    """The class of the known sample whose pixels, each `step`th of all views, are nearest."""
    scales = _scales(known)
    known_NP = _pixels(known, scales, step)
    squares_N = np.einsum("np,np->n", known_NP, known_NP)
    found = [
        (squares_N - 2 * block_NP @ known_NP.T).argmin(axis=1)
        for block_NP in _blocks(samples, scales, step)
    ]
    return np.asarray(known.fused_labels_N[np.concatenate(found)])


def linear(known: MultiView, samples: MultiView, step: int = 1) -> NDArray[np.int64]:
    """Logistic regression on the principal components of all views, of each `step`th pixel."""
    from sklearn.decomposition import PCA  # noqa: PLC0415 a second of start-up
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415

    scales = _scales(known)
    pixels_NP = _pixels(known, scales, step)
    count = min(COMPONENTS, *(size - 1 for size in pixels_NP.shape))
    parts = PCA(max(count, 1), whiten=True, svd_solver="randomized", random_state=0)
    model = make_pipeline(parts, LogisticRegression(C=STRENGTH, max_iter=1000))
    model.fit(pixels_NP, known.fused_labels_N)
    found = [model.predict(block_NP) for block_NP in _blocks(samples, scales, step)]
    return np.concatenate(found).astype(np.int64)


def unfused(run: Run, data: DataSet, samples: MultiView) -> Baselines:
    """Classes by the devices' own scores, where they have an exit: of the camera that is best on
    validation samples, and by the mean of all devices' log probabilities."""
    if "local" not in run.topology.exits:
        return {}
    judged = data.part("validation" if len(data.split.validation) else "train")
    own_NV = own_scores(run, judged).argmax(axis=2)
    best = int((own_NV == judged.fused_labels_N[:, None]).mean(axis=0).argmax())
    scores_NVK = own_scores(run, samples)
    present_NV = taking_part(run.topology, samples)
    fused_NK = np.where(present_NV[..., None], scores_NVK, 0).sum(axis=1)
    nobody_N = ~present_NV.any(axis=1)
    return {
        BEST_CAMERA: Baseline(scores_NVK[:, best].argmax(axis=1), samples.view_names[best]),
        LATE_FUSION: Baseline(np.where(nobody_N, run.prior_class, fused_NK.argmax(axis=1))),
    }


def own_scores(run: Run, samples: MultiView) -> NDArray[np.float32]:
    """(N, V, K) log probabilities of each device's own classifier on its own view."""
    devices = perceive(run.joint, samples)
    found = (devices[name].scores for name in run.topology.devices)
    stacked_NVK = torch.stack([each for each in found if each is not None], dim=1)
    scores: NDArray[np.float32] = torch.log_softmax(stacked_NVK, dim=2).cpu().numpy()
    return scores


Scales = list[NDArray[np.float32]]
"""Of each view, what its values are divided by: (1, 1, 1), or (C, 1, 1) for a sensor's."""


def _scales(known: MultiView) -> Scales:
    """255 for pixels; a sensor's deviation among known samples."""
    return [
        np.full((1, 1, 1), 255, np.float32) if array.dtype == np.uint8 else _deviations(array)
        for array in known.views.arrays
    ]


def _deviations(array_NCHW: NDArray[Any]) -> NDArray[np.float32]:
    _, deviation_C = channel_statistics(array_NCHW)
    return np.where(deviation_C > 0, deviation_C, np.float32(1))[:, None, None]


def _values(samples: MultiView, step: int) -> int:
    """Of a sample, where each `step`th pixel of a row, and each `step`th row, is seen."""
    return sum(C * -(-H // step) * -(-W // step) for C, H, W in samples.views.shapes)


def _blocks(samples: MultiView, scales: Scales, step: int) -> Iterator[NDArray[np.float32]]:
    """The pixels of a few samples at a time."""
    count = max(1, min(BLOCK, FITTED_BYTES // (16 * _values(samples, 1))))
    for start in range(0, len(samples), count):
        rows = np.arange(start, min(start + count, len(samples)))
        yield _pixels(samples.take(rows), scales, step)


def _pixels(samples: MultiView, scales: Scales, step: int) -> NDArray[np.float32]:
    """(N, P), pixels from 0 to 1; an absent view is all 0."""
    columns = []
    for array, scale in zip(samples.views.arrays, scales, strict=True):
        seen = [block[..., ::step, ::step] for block in blocks(array)]
        scaled = np.concatenate(seen).astype(np.float32) / scale
        columns.append(scaled.reshape(len(samples), -1))
    return np.concatenate(columns, axis=1)
