"""Whether a bundle's graphs give what the torch network gives; and if not, from which layer on.

ddnn's own blocks are written so that they do (ddnn.bundle.graph). What torch's exporter makes of a
user's module is measured before the bundle is taken: both sides run the same validation samples.

Axes: N samples, V views, M members, K classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ddnn.bundle.layers import with_layers
from ddnn.bundle.manifest import ExitRule, exit_file, section_file
from ddnn.bundle.onnx_graph import OPSET
from ddnn.bundle.traced import traced
from ddnn.data.multiview import MultiView
from ddnn.decision import decide
from ddnn.errors import BundleError, ConfigError
from ddnn.model.aggregate import LearnedFusion
from ddnn.model.joint import Joint, JointOutput
from ddnn.model.onnx_block import OnnxBlock
from ddnn.model.own_module import ModuleBlock
from ddnn.model.sections import FeatureQuantizer
from ddnn.nodes.engine import Engine
from ddnn.topology import DEVICE
from ddnn.training.batches import view_tensors
from ddnn.training.predict import Logits, answer, taking_part

TOLERANCE = 1e-3
"""Of a sample's largest score, or of 1 where that is smaller."""
SCORES_WITHIN, VERDICTS_EQUAL = 0.99, 0.999
"""Least shares of the samples, but for those in which a value fell on the other side of a step."""
RARE = 0.001
"""A value of few bits that lies next to a step may be rounded up by one side and down by the other;
all that follows from it then differs by more than rounding. Such samples are set aside, as long as
no value differs by more than a step, and at most this share of the layer's values differs."""
TIE = 1e-4
"""Samples whose normalized entropy is so near to a threshold have no verdict to compare."""
SAMPLES = 512

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Equality:
    """What was measured, on all samples.

    largest_difference: of any score, in parts of the sample's largest. ties, steps_crossed: how
    many samples have no verdict to compare, and how many part where a value crossed a step.
    """

    samples: int
    tolerance: float
    scores_within: float
    largest_difference: float
    verdicts_equal: float
    ties: int
    steps_crossed: int


def is_traced(joint: Joint) -> bool:
    """Whether a part of the network is exported by torch itself."""
    foreign = ModuleBlock | OnnxBlock | LearnedFusion
    return any(isinstance(module, foreign) for module in joint.modules())


def check_exports(block: ModuleBlock) -> None:
    """Raises ConfigError where torch cannot export it: better before the training than after."""
    try:
        traced(block, block.input_shape, opset=OPSET)
    except ConfigError as error:
        raise ConfigError(f"{block.factory}: {error}") from error


@torch.no_grad()
def check_equality(
    folder: Path,
    joint: Joint,
    samples: MultiView,
    rules: Mapping[str, ExitRule],
    prior_class: int,
) -> Equality:
    """Runs the graphs in `folder` and the network on the first SAMPLES samples.

    Raises BundleError naming the node and layer from which they part, where fewer scores or
    verdicts are equal than is stated above.
    """
    part = samples.take(np.arange(min(SAMPLES, len(samples))))
    present_NV = taking_part(joint.topology, part)
    joint.eval()
    output = joint.fuse(joint.perceive(_views(part, joint)), _tensor(present_NV, joint))
    ours = {name: logits.cpu().numpy() for name, logits in output.logits.items()}
    theirs = _run_graphs(folder, joint, part, present_NV)
    both = [
        answer(logits, rules, samples=part, present_NV=present_NV, prior_class=prior_class)
        for logits in (ours, theirs)
    ]
    is_tie_N = _ties(ours, rules)
    equal_N = (both[0].predicted_N == both[1].predicted_N) & (both[0].exit_N == both[1].exit_N)
    apart_N = np.max([_apart(ours[name], theirs[name]) for name in ours], axis=0)
    within_N = apart_N <= TOLERANCE
    parted = np.flatnonzero(~within_N | ~(equal_N | is_tie_N))
    crossed_N, where = np.zeros(len(part), dtype=bool), "an exit"
    if len(parted):
        most = RARE * len(part)
        crossed_N[parted], where = _partings(
            folder, joint, part.take(parted), present_NV[parted], most
        )
    found = Equality(
        samples=len(part),
        tolerance=TOLERANCE,
        scores_within=_share(within_N),
        largest_difference=float(apart_N.max()),
        verdicts_equal=_share(equal_N[~is_tie_N]),
        ties=int(is_tie_N.sum()),
        steps_crossed=int(crossed_N.sum()),
    )
    scores, verdicts = _share(within_N[~crossed_N]), _share(equal_N[~crossed_N & ~is_tie_N])
    if scores < SCORES_WITHIN or verdicts < VERDICTS_EQUAL:
        raise BundleError(
            f"export: of {len(part)} validation samples {scores:.1%} have the scores of the torch "
            f"network and {verdicts:.1%} its verdicts, want {SCORES_WITHIN:.0%} and "
            f"{VERDICTS_EQUAL:.1%}; they part at {where}"
        )
    return found


def _share(right_N: NDArray[np.bool_]) -> float:
    return float(right_N.mean()) if len(right_N) else 1.0


class _Recorder:
    """What every layer of every section gives, by node and layer, while the network runs."""

    def __init__(self, joint: Joint) -> None:
        self._joint = joint
        self.layers: dict[str, Arrays] = {name: {} for name in joint.topology.section_nodes}
        self.presence: dict[str, Tensor] = {}

    def run(self, views: Sequence[Tensor], present_NV: Tensor) -> JointOutput:
        """The network's output."""
        hooks = [
            module.register_forward_hook(self._note(node, layer))
            for node in self._joint.topology.section_nodes
            for layer, module in self._joint.sections[node].named_modules()
            if layer
        ]
        try:
            devices = self._joint.perceive(views)
            self.presence = self._joint.presence(devices, present_NV)
            return self._joint.fuse(devices, present_NV)
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, node: str, layer: str) -> Any:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self.layers[node][layer] = output.detach().cpu().numpy().copy()

        return note


def _run_graphs(
    folder: Path, joint: Joint, samples: MultiView, present_NV: NDArray[np.bool_]
) -> Logits:
    """The logits of all exits, each graph fed with what the ones below it give."""
    topology, outputs = joint.topology, dict[str, Arrays]()
    devices = joint.perceive(_views(samples, joint))
    presence = joint.presence(devices, _tensor(present_NV, joint))
    for name in topology.section_nodes:
        features = {child: outputs[child]["features"] for child in topology.children(name)}
        engine = Engine(folder / section_file(name))
        outputs[name] = engine.run(_inputs(joint, name, samples, features, presence))
    logits = {}
    for name in topology.exits:
        members = joint.exit_members(name)
        scores_NMK = np.stack([outputs[member]["scores"] for member in members], axis=1)
        present_NM = torch.stack([presence[member] for member in members], dim=1)
        inputs = {"scores": scores_NMK, "present": _float(present_NM)}
        logits[name] = Engine(folder / exit_file(name)).run(inputs)["logits"]
    return logits


def _inputs(
    joint: Joint,
    name: str,
    samples: MultiView,
    features: Mapping[str, NDArray[np.float32]],
    presence: Mapping[str, Tensor],
) -> dict[str, NDArray[Any]]:
    """What a section's graph gets, given its children's features."""
    topology = joint.topology
    if topology.nodes[name].role == DEVICE:
        array = samples.views.arrays[topology.view_number(name)]
        return {"views": np.ascontiguousarray(array)}
    arrived = {
        f"features_{place}": joint.sections[child].arrived(torch.from_numpy(value)).numpy()
        for place, (child, value) in enumerate(features.items())
    }
    return arrived | {"present": _float(joint.delivered(presence, name))}


def _partings(
    folder: Path, joint: Joint, samples: MultiView, present_NV: NDArray[np.bool_], most: float
) -> tuple[NDArray[np.bool_], str]:
    """Of samples that part: (N,), whether a value crossed a step; and where the others part first.

    Each layer gets what torch gives it, so a layer parts by itself.
    most: of a layer's values at one place, how many may cross.
    """
    seen = _Recorder(joint)
    output = seen.run(_views(samples, joint), _tensor(present_NV, joint))
    crossed_N, wrong = np.zeros(len(samples), dtype=bool), list[str]()
    open_N = ~crossed_N
    for name in joint.topology.section_nodes:
        features = {
            child: output.features[child].cpu().numpy() for child in joint.topology.children(name)
        }
        inputs = _inputs(joint, name, samples, features, seen.presence)
        for layer, given in _layers_of(folder / section_file(name), inputs).items():
            own = seen.layers[name].get(layer)
            if own is None or own.size != given.size or not _has_rows(len(samples), own, given):
                continue
            new_N = open_N & (_apart(own, given) > TOLERANCE)
            bits = _bits_of(joint.sections[name].get_submodule(layer))
            crossing_N = new_N & _crosses(own, given, bits, most)
            crossed_N |= crossing_N
            open_N &= ~new_N
            if (new_N & ~crossing_N).any():
                wrong.append(f"nodes.{name}: {layer}")
    return crossed_N, wrong[0] if wrong else "an exit"


def _has_rows(count: int, *values: NDArray[np.float32]) -> bool:
    """Whether these are a row a sample: a layer may give a table or a single number for all."""
    return all(value.shape[:1] == (count,) for value in values)


def _bits_of(layer: nn.Module) -> int:
    """Of what it gives; 32 where nothing is rounded."""
    if isinstance(layer, FeatureQuantizer):
        return layer.bits
    return int(getattr(layer, "output_bits", 32))


def _crosses(
    own: NDArray[np.float32], given: NDArray[np.float32], bits: int, most: float
) -> NDArray[np.bool_]:
    """(N,): whether no value differs by more than a step; nowhere if more than a few values do."""
    if bits == 32:
        return np.zeros(len(own), dtype=bool)
    step = 2.0 if bits == 1 else 1 / (2**bits - 1)
    steps = np.rint(np.abs(own - given).reshape(len(own), -1) / step)
    is_rare = (steps > 0).sum() <= max(1.0, most * steps.shape[1])
    return np.asarray((steps.max(axis=1) <= 1) & is_rare)


def _layers_of(path: Path, inputs: dict[str, NDArray[Any]]) -> Arrays:
    content, layers = with_layers(path.read_bytes())
    with tempfile.TemporaryDirectory(prefix="ddnn-layers-") as folder:
        opened = Path(folder) / path.name
        opened.write_bytes(content)
        found = Engine(opened).run(inputs)
    return {layer: found[value] for layer, value in layers.items()}


def _apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,): the largest difference of a sample, in parts of its largest value or of 1."""
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in (ours, theirs))
    difference = np.abs(a - b).max(axis=1) / np.maximum(np.abs(a).max(axis=1), 1)
    return np.asarray(np.nan_to_num(difference, nan=np.inf))


def _ties(logits: Logits, rules: Mapping[str, ExitRule]) -> NDArray[np.bool_]:
    """(N,): at some exit, the entropy lies next to the threshold."""
    near = [
        np.abs(decide(logits_NK, rules[name].temperature).entropy_N - threshold) < TIE
        for name, logits_NK in logits.items()
        for threshold in (rules[name].threshold, *rules[name].threshold_lost)
        if threshold is not None
    ]
    first = next(iter(logits.values()))
    return np.asarray(np.any(near, axis=0)) if near else np.zeros(len(first), dtype=np.bool_)


def _views(samples: MultiView, joint: Joint) -> tuple[Tensor, ...]:
    return view_tensors(samples.views, next(joint.parameters()).device)


def _tensor(array: NDArray[Any], joint: Joint) -> Tensor:
    return torch.from_numpy(array).to(next(joint.parameters()).device)


def _float(mask: Tensor) -> NDArray[np.float32]:
    return mask.float().cpu().numpy()
