"""Networks of the DDNN paper's shape as methods: scores first, maps of what the gateway is unsure
of. And the networks that other methods of ddnn's own are made of, trained once.

Axes: N samples, V views, K classes, F filters, H, W.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.comparison.method import Answer, Decoded
from ddnn.comparison.task import Task
from ddnn.decision import decide, is_sure
from ddnn.errors import WireError
from ddnn.runfolder import is_finished, is_run
from ddnn.topology import Topology, read_topology
from ddnn.training.predict import arrived, fuse, perceive_one
from ddnn.training.run import Run, open_run, read_config, resume_run, train_run, versions
from ddnn.training.settings import PresetName, Settings, settings_for
from ddnn.wire.payloads import Payloads

LOCAL, CLOUD = "local", "cloud"


def cameras(task: Task, name: str) -> Topology:
    """A shipped topology of six cameras for as many as the task has, its classes and views."""
    document = read_topology(name).model_dump(mode="json")
    channels, height, width = task.data.samples.views_NVCHW.shape[2:]
    nodes: dict[str, dict[str, Any]] = {}
    for place, (node, entry) in enumerate(document["nodes"].items()):
        if entry["role"] not in ("device", "view"):
            nodes[node] = entry | {"endpoint": f"tcp://127.0.0.1:{7000 + place}"}
    above = {entry["role"]: entry["parent"] for entry in document["nodes"].values()}
    for view in range(task.devices):
        device = {"role": "device", "view": view, "endpoint": f"tcp://127.0.0.1:{7100 + view}"}
        parent = f"view{view}" if "view" in above else above["device"]
        nodes[f"cam{view}"] = device | {"parent": parent}
        if "view" in above:
            endpoint = f"tcp://127.0.0.1:{7200 + view}"
            nodes[parent] = {"role": "view", "parent": above["view"], "endpoint": endpoint}
    document |= {"nodes": nodes, "classes": list(task.data.samples.classes)}
    document["view"] = {"channels": channels, "height": height, "width": width}
    return Topology.model_validate(document)


def trained(
    task: Task, topology: str, preset: PresetName, *, seed: int, epochs: int | None, folder: Path
) -> Run:
    """The network, trained; opened or gone on with where an equal one lies in the folder."""
    settings = settings_for(preset, epochs=epochs)
    shape = cameras(task, topology)
    place = folder / f"{task.name}-{topology}-{preset}-{settings.epochs}-{seed}"
    if _is_of(place, task, shape, settings):
        return open_run(place) if is_finished(place) else resume_run(place, data=task.data)
    return train_run(
        place, shape, task.card, settings, seed=seed, overwrite=is_run(place), data=task.data
    )


def _is_of(place: Path, task: Task, shape: Topology, settings: Settings) -> bool:
    """Whether what lies there was begun with the same task, shape, settings and versions."""
    if not is_run(place):
        return False
    found = read_config(place)
    known = (found.data_digest, found.topology, found.settings, found.versions)
    return known == (task.data.digest, shape, settings, versions())


class Staged:
    """Scores for the local exit, then maps for the cloud of what it is unsure of."""

    rounds = 2

    def __init__(self, run: Run) -> None:
        self._run = run
        self._names = run.topology.devices
        self._payloads = Payloads(run.topology, {})

    def encode(self, device: int, views_NCHW: NDArray[np.uint8]) -> list[list[bytes]]:
        """See Trained: payloads as they travel in a launch."""
        name = self._names[device]
        made = perceive_one(self._run.joint, name, views_NCHW)
        assert made.scores is not None
        assert made.features is not None
        scores_NK, features_NFHW = made.scores.numpy(), made.features.numpy()
        return [
            [self._payloads.pack_scores(name, row[None]) for row in scores_NK],
            [self._payloads.pack_features(name, row[None]) for row in features_NFHW],
        ]

    def decode(self, device: int, round_number: int, messages: Sequence[bytes]) -> Decoded:
        """See Trained: a score that is no number makes its message unreadable."""
        name, payloads, topology = self._names[device], self._payloads, self._run.topology
        if round_number == 0:
            shape: Sequence[int] = (len(topology.classes),)
            return decoded(messages, shape, lambda x: payloads.unpack_scores(name, memoryview(x)))
        return decoded(
            messages,
            topology.feature_shape(name),
            lambda x: payloads.unpack_features(name, memoryview(x), 1),
        )

    def answer(
        self, round_number: int, decoded: Sequence[Sequence[Decoded]], present_NV: NDArray[np.bool_]
    ) -> Answer:
        """See Trained: by the run's own temperatures and thresholds."""
        name = (LOCAL, CLOUD)[round_number]
        scores_V = [one.values for one in decoded[0]]
        maps_V = [one.values for one in decoded[-1]] if round_number else self._no_maps(scores_V)
        outputs = {
            device: arrived(map_NFHW, scores_NK)
            for device, map_NFHW, scores_NK in zip(self._names, maps_V, scores_V, strict=True)
        }
        logits_NK = fuse(self._run.joint, outputs, present_NV)[name]
        rule = self._run.rules[name]
        found = decide(logits_NK, rule.temperature)
        lost_N = np.asarray((~present_NV).sum(axis=1))
        threshold = None if name == CLOUD else rule.thresholds(lost_N)
        return Answer(found.predicted_N, is_sure(found.entropy_N, threshold))

    def _no_maps(self, scores_V: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Before any was asked for: zeros, which the local exit does not look at."""
        shapes = [self._run.topology.feature_shape(name) for name in self._names]
        return [
            np.zeros((len(scores_NK), *shape), np.float32)
            for scores_NK, shape in zip(scores_V, shapes, strict=True)
        ]


def decoded(
    messages: Sequence[bytes], shape: Sequence[int], read: Callable[[bytes], NDArray[np.float32]]
) -> Decoded:
    """Each message read; zeros of this shape, not to be used, where it cannot be."""
    values = np.zeros((len(messages), *shape), np.float32)
    readable_N = np.zeros(len(messages), dtype=bool)
    for number, message in enumerate(messages):
        if not message:
            continue
        with contextlib.suppress(WireError):
            values[number] = read(message)
            readable_N[number] = True
    return Decoded(values, readable_N)
