"""What a bundle's network answers when only some nodes have a part in it, without any node.

The reference that verdicts are held against: the bundle's own ONNX files, masked by what a verdict
says took part. A whole run's verdicts are recomputed in one go, equal ones once.

Axes: N samples, R recorded views, V views, M children or members, K classes, C, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.coding.coders import coder_of
from ddnn.data.views import Views
from ddnn.decision import decide, is_sure
from ddnn.nodes.engine import Engine
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.topology import Topology

NEAR = 1e-4
"""Logits and entropies closer than this are equal: batches of other sizes sum in another order."""
BATCH = 256

Outputs = dict[str, NDArray[np.float32]]


class Recomputed(NamedTuple):
    """What an exit makes of each sample. margin_N: of the best logit over the second."""

    predicted_N: NDArray[np.int64]
    entropy_N: NDArray[np.float32]
    margin_N: NDArray[np.float32]


class MaskedModel:
    """The network of a bundle on recorded views: sample s is row s modulo their number.

    Who has a part is said as in a Verdict: bit v for view v, then one bit for each of
    Topology.bypassable that its children's features went past.
    """

    def __init__(
        self,
        bundle: Bundle,
        views: Views | NDArray[Any],
        *,
        load_engine: Callable[[Path], Engine] = Engine,
    ) -> None:
        """Looks at every view once. Raises BundleError for a damaged model file."""
        topology = bundle.topology
        self._manifest = bundle.manifest
        recorded = Views.of(views)
        self._recorded = len(recorded)
        self._network = _Network(
            topology=topology,
            sections={
                name: load_engine(bundle.section_path(name)) for name in topology.section_nodes
            },
            exits={name: load_engine(bundle.exit_path(name)) for name in topology.exits},
        )
        self._devices = {
            name: self._network.run(name, {"views": np.asarray(recorded.arrays[view])})
            for view, name in enumerate(topology.devices)
        }

    def unequal(self, answers: Iterable[Answer]) -> list[Answer]:
        """The answers that are not those of the network with just the parts that they name.

        Ties are equal. Where no exit answered, the commonest class is right. An exit that is not
        the last must have been sure where the answer is not degraded.
        """
        by_exit: dict[int, list[Answer]] = {}
        for answer in answers:
            by_exit.setdefault(answer.exit, []).append(answer)
        prior_class = self._manifest.prior_class
        wrong = [a for a in by_exit.pop(NO_EXIT, []) if a.predicted != prior_class]
        for number, found in by_exit.items():
            wrong += self._unequal_at(number, found)
        return sorted(wrong, key=lambda answer: answer.sample)

    def recompute(
        self, exit_name: str, samples_N: Sequence[int], views_N: Sequence[int]
    ) -> Recomputed:
        """What the exit makes of the samples when of each only the parts in views_N count."""
        asked = [(s % self._recorded, views) for s, views in zip(samples_N, views_N, strict=True)]
        place = {key: number for number, key in enumerate(dict.fromkeys(asked))}
        logits_NK = self._logits(exit_name, list(place))[[place[key] for key in asked]]
        decision = decide(logits_NK, self._manifest.exits[exit_name].temperature)
        best_N2 = np.sort(logits_NK, axis=1)[:, -2:]
        return Recomputed(*decision[:2], best_N2[:, 1] - best_N2[:, 0])

    def _unequal_at(self, number: int, answers: list[Answer]) -> list[Answer]:
        names = list(self._network.topology.exits)
        found = self.recompute(
            names[number], [a.sample for a in answers], [a.views for a in answers]
        )
        is_last = number == len(names) - 1
        everybody = (1 << self._network.topology.views) - 1
        lost_N = np.array([(everybody & ~answer.views).bit_count() for answer in answers])
        rule = self._manifest.exits[names[number]]
        threshold = None if is_last else rule.thresholds(lost_N)
        sure_N = is_sure(found.entropy_N - np.float32(NEAR), threshold)
        predicted_N = np.array([answer.predicted for answer in answers])
        entropy_N = np.array([answer.entropy for answer in answers])
        equal_N = (predicted_N == found.predicted_N) | (found.margin_N < NEAR)
        equal_N &= np.abs(entropy_N - found.entropy_N) < NEAR
        equal_N &= sure_N | np.array([answer.degraded for answer in answers])
        return [a for a, equal in zip(answers, equal_N.tolist(), strict=True) if not equal]

    def _logits(self, exit_name: str, asked: list[tuple[int, int]]) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(asked), BATCH):
            rows, views_N = zip(*asked[start : start + BATCH], strict=True)
            seen = {
                name: {key: values[list(rows)] for key, values in outputs.items()}
                for name, outputs in self._devices.items()
            }
            parts.append(_Batch(self._network, views_N, seen).logits(exit_name))
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    topology: Topology
    sections: Mapping[str, Engine]
    exits: Mapping[str, Engine]

    def run(self, name: str, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """What a node's section gives, its features as they arrive at the next node."""
        count = len(next(iter(inputs.values())))
        batches = [
            self.sections[name].run({key: v[i : i + BATCH] for key, v in inputs.items()})
            for i in range(0, count, BATCH)
        ]
        outputs = {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}
        is_lossy = self.topology.feature_code(name) == "jpeg"
        coder = coder_of(self.topology, name) if is_lossy else None
        if coder is not None:
            codes = coder.encode(outputs["features"])
            outputs["features"] = coder.decode(b"".join(codes), len(codes))
        return outputs


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some samples on their way up. views_N: who has a part in each. known: what nodes give."""

    network: _Network
    views_N: tuple[int, ...]
    known: dict[str, Outputs]
    present: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def logits(self, exit_name: str) -> NDArray[np.float32]:
        topology = self.network.topology
        tier = topology.exits[exit_name].name
        members = [name for name in topology.section_nodes if topology.nodes[name].role == tier]
        present_NM = np.stack([self._present(name) for name in members], axis=1)
        scores = [self._outputs(name)["scores"] for name in members]
        inputs = {
            "scores": np.stack(scores, axis=1) * present_NM[:, :, None].astype(np.float32),
            "present": present_NM.astype(np.float32),
        }
        return self.network.exits[exit_name].run(inputs)["logits"]

    def _outputs(self, name: str) -> Outputs:
        if name not in self.known:
            counted_NM = self._counted(name).astype(np.float32)
            inputs = {"present": counted_NM}
            for place, child in enumerate(self.network.topology.children(name)):
                counted_N = counted_NM[:, place, None, None, None]
                inputs[f"features_{place}"] = self._outputs(child)["features"] * counted_N
            self.known[name] = self.network.run(name, inputs)
        return self.known[name]

    def _counted(self, name: str) -> NDArray[np.bool_]:
        """(N, M): which children a node fuses; a stand-in only where its parent is missing."""
        children = self.network.topology.children(name)
        columns = [
            self._present(child)
            if parent is None
            else self._present(child) & ~self._present(children[parent])
            for child, parent in zip(children, self.network.topology.stands_in(name), strict=True)
        ]
        return np.stack(columns, axis=1)

    def _present(self, name: str) -> NDArray[np.bool_]:
        """(N,): whether the node has a part."""
        topology = self.network.topology
        if name not in self.present:
            if name in topology.devices:
                present_N = self._has_bit(topology.devices.index(name))
            else:
                present_N = np.logical_or.reduce(self._counted(name), axis=1)
            if name in topology.bypassable:
                present_N = present_N & ~self._has_bit(
                    topology.views + topology.bypassable.index(name)
                )
            self.present[name] = present_N
        return self.present[name]

    def _has_bit(self, bit: int) -> NDArray[np.bool_]:
        return np.array([views >> bit & 1 for views in self.views_N], dtype=bool)
