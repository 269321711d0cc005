"""What a distributed network is to beat: pictures to the cloud, one camera alone, fused scores.

Axes: N samples, V views, K classes, C image channels, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ddnn.coding.jpeg import LENGTH, JpegCoder
from ddnn.comparison.method import Answer, Decoded
from ddnn.comparison.networks import CLOUD, decoded
from ddnn.comparison.task import Task
from ddnn.training.baselines import own_scores
from ddnn.training.predict import arrived, fuse, perceive_one
from ddnn.training.run import Run


class Pictures:
    """Every camera sends a JPEG file of every view (quality 75); the cloud runs the network."""

    rounds = 1

    def __init__(self, run: Run) -> None:
        """run: of devices without blocks, which send their views as they are."""
        self._run = run
        self._coder = JpegCoder(run.topology.view.shape)

    def encode(self, _device: int, views_NCHW: NDArray[np.uint8]) -> list[list[bytes]]:
        """See Trained: files alone, whose length their message tells."""
        pixels_NCHW = views_NCHW.astype(np.float32) / np.float32(255)
        return [[code[LENGTH.size :] for code in self._coder.encode(pixels_NCHW)]]

    def decode(self, _device: int, _round: int, messages: Sequence[bytes]) -> Decoded:
        """See Trained."""
        shape = self._run.topology.view.shape
        return decoded(messages, shape, lambda x: self._coder.decode(LENGTH.pack(len(x)) + x, 1))

    def answer(
        self, _round: int, found: Sequence[Sequence[Decoded]], present_NV: NDArray[np.bool_]
    ) -> Answer:
        """See Trained."""
        outputs = {
            name: arrived(one.values, None)
            for name, one in zip(self._run.topology.devices, found[0], strict=True)
        }
        logits_NK = fuse(self._run.joint, outputs, present_NV)[CLOUD]
        return Answer(logits_NK.argmax(axis=1), np.ones(len(present_NV), dtype=bool))


class FusedScores:
    """Cameras send the scores of their own classifiers, whose log probabilities are added up."""

    rounds = 1

    def __init__(self, run: Run, cameras: Sequence[int]) -> None:
        """cameras: those that send; the others say nothing."""
        self._run = run
        self._cameras = set(cameras)

    def encode(self, device: int, views_NCHW: NDArray[np.uint8]) -> list[list[bytes]]:
        """See Trained: float32, as ddnn sends scores."""
        if device not in self._cameras:
            return [[b""] * len(views_NCHW)]
        made = perceive_one(self._run.joint, self._run.topology.devices[device], views_NCHW)
        assert made.scores is not None
        return [[row.astype("<f4").tobytes() for row in made.scores.numpy()]]

    def decode(self, _device: int, _round: int, messages: Sequence[bytes]) -> Decoded:
        """See Trained."""
        classes = len(self._run.topology.classes)
        found = decoded(messages, (classes,), lambda x: np.frombuffer(x, "<f4"))
        return Decoded(found.values, found.readable_N & np.isfinite(found.values).all(axis=1))

    def answer(
        self, _round: int, found: Sequence[Sequence[Decoded]], present_NV: NDArray[np.bool_]
    ) -> Answer:
        """See Trained."""
        classes = len(self._run.topology.classes)
        total_NK = np.zeros((len(present_NV), classes))
        for camera in self._cameras:
            here_N, one = present_NV[:, camera], found[0][camera]
            if here_N.any():
                total_NK[here_N] += _log_probabilities(one.values[here_N])
        return Answer(total_NK.argmax(axis=1), np.ones(len(present_NV), dtype=bool))


def best_camera(run: Run, task: Task) -> int:
    """The camera whose own classifier is best on validation samples."""
    split = "validation" if len(task.data.split.validation) else "train"
    judged = task.data.part(split)
    own_NV = own_scores(run, judged).argmax(axis=2)
    return int((own_NV == judged.fused_labels_N[:, None]).mean(axis=0).argmax())


def _log_probabilities(scores_NK: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted_NK = scores_NK.astype(np.float64)
    shifted_NK -= shifted_NK.max(axis=1, keepdims=True)
    return np.asarray(shifted_NK - np.log(np.exp(shifted_NK).sum(axis=1, keepdims=True)))
