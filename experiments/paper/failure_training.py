"""Trainings that know of failures, beside dropping devices at random: are they better?

    python experiments/paper/failure_training.py --data epfl-by-object --seeds 5

`robust` drops each device by itself. `count`: every number of lost devices, up to all but one, is
learnt as often as the others. `distilled`: samples are also seen whole, and what is left of them
is to answer as the whole does. `mask tokens`: in a concat, what stands for the maps of a device
that is lost is learned, a value a filter, in place of 0. `any camera's views`: views are mixed with
those of any camera, not the same one's alone. `views as they are`: neither mixing nor augmentation.
`16 filters, 32 bits`: what a device of far more memory and bytes could do.

Rows as those of ablation.py, with thresholds for each number of lost devices; `one_rule`: with one
for all losses, `rule_points`: what the others gain on it. `unseen N`: the same measure of samples
to choose by, which are neither trained nor tested on: validation samples, or rendered ones of
another seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView
from ddnn.model import exits, sections
from ddnn.model.aggregate import Fusion, LearnedFusion, build_fusion
from ddnn.topology import Topology
from ddnn.training import batches
from ddnn.training.failures import SubsetAccuracy, failure, subsets
from ddnn.training.predict import perceive
from ddnn.training.run import Run
from experiments.paper import ablation
from experiments.shared.launches import Rules
from experiments.shared.study import Experiment, Rows, Study, main
from experiments.shared.variants import cameras

UNSEEN = Path(__file__).with_name("rendered-unseen.yaml")
COUNT = {"dropout_by": "count", "device_dropout": 0.5}
AS_THEY_ARE = {"augment": "none", "view_mixing": 0.0}
COUNTS = (0, 1, 3, 5)
"""Devices lost in the rows `unseen`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """changes: of the preset `robust`. patch: holds while it is trained. floats: 16 filters of 32
    bits."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    patch: Callable[[], AbstractContextManager[None]] = nullcontext
    floats: bool = False


class Tokens(nn.Module):
    """Concat in which a member that is missing has learned values, one a filter."""

    def __init__(self, members: int, filters: int) -> None:
        super().__init__()
        self.tokens_MF = nn.Parameter(torch.zeros(members, filters))

    def forward(self, values: Tensor, present_NM: Tensor) -> Tensor:
        """(N, M, F, ...) -> (N, M F, ...)."""
        axes = [1] * (values.dim() - 3)
        here = present_NM.reshape(*present_NM.shape, 1, *axes)
        tokens = self.tokens_MF.reshape(1, *self.tokens_MF.shape, *axes)
        return (values * here + tokens * (1 - here)).flatten(1, 2)


@contextmanager
def with_tokens() -> Iterator[None]:
    """Networks built meanwhile have Tokens in place of concat."""

    def build(name: str, members: int, shape: tuple[int, ...]) -> Fusion | LearnedFusion:
        if name != "concat":
            return build_fusion(name, members, shape)
        return LearnedFusion(Tokens(members, shape[0]), shape, members)

    sections.build_fusion = exits.build_fusion = build
    try:
        yield
    finally:
        sections.build_fusion = exits.build_fusion = build_fusion


@contextmanager
def any_camera() -> Iterator[None]:
    """Views are mixed with those of a camera drawn for each batch."""
    ours, batches.mix_views = batches.mix_views, mix_any_views
    try:
        yield
    finally:
        batches.mix_views = ours


def mix_any_views(
    views: Sequence[Tensor], labels_NV: Tensor, fused_N: Tensor, share: float
) -> tuple[Tensor, ...]:
    """As `batches.mix_views`, from the camera that is so many further for the whole batch."""
    count, cameras_ = labels_NV.shape
    further = int(torch.randint(cameras_, ()))
    same_NN = fused_N[:, None] == fused_N[None]
    partner_N = torch.rand(count, count).masked_fill(~same_NN, -1).argmax(dim=1)
    swap_NV = (torch.rand(labels_NV.shape) < share) & (labels_NV >= 0)
    swap_NV &= labels_NV[partner_N].roll(further, 1) >= 0
    return tuple(
        torch.where(
            swap_NV[:, v, None, None, None], views[(v - further) % cameras_][partner_N], view
        )
        for v, view in enumerate(views)
    )


WAYS: Mapping[str, Way] = {
    "robust": Way(),
    "robust, views as they are": Way(changes=AS_THEY_ARE),
    "robust, count": Way(changes=COUNT),
    "robust, distilled": Way(changes={"distillation": 1.0}),
    "robust, count, distilled": Way(changes=COUNT | {"distillation": 1.0}),
    "robust, mask tokens": Way(patch=with_tokens),
    "robust, any camera's views": Way(patch=any_camera),
    "robust, 16 filters, 32 bits": Way(floats=True),
}


def measure(study: Study, setting: str, seed: int) -> Rows:
    """See ablation.measure."""
    way = WAYS[setting]
    own = study if way.patch is nullcontext else replace(study, runs=study.runs / setting)
    with way.patch():
        run = own.train(network(study.data, way), seed=seed, preset="robust", **way.changes)
    rows = {name: dict(row) for name, row in ablation.rows_of_run(study, run).items()}
    test, card = study.data.part("test"), study.data
    for count, value in by_count(run, card, "test", test, one_rule(run.rules)).items():
        own = rows[str(count)].get("per_object", rows[str(count)]["overall"])
        rows[str(count)] |= {"one_rule": value, "rule_points": own - value}
    data, part = (load(UNSEEN), "test") if card.name == "rendered" else (card, "validation")
    found = by_count(run, data, part, data.part(part), run.rules)
    return rows | {f"unseen {count}": {"right": value} for count, value in found.items()}


def network(data: DataSet, way: Way) -> Topology:
    """The paper's network, or its like in floats."""
    if not way.floats:
        return cameras(data)
    document = cameras(data, filters=(16,)).model_dump(mode="json")
    for tier in document["tiers"]:
        tier["section"] |= {"weight_bits": 32, "activation_bits": 32}
    return Topology.model_validate(document)


def one_rule(rules: Rules) -> Rules:
    """The threshold of one lost device for any number."""
    return {
        name: rule.model_copy(update={"threshold_lost": rule.threshold_lost[:1]})
        for name, rule in rules.items()
    }


def by_count(
    run: Run, data: DataSet, part: str, samples: MultiView, rules: Rules
) -> dict[int, float]:
    """Per cent right, each object alike where they are known, over all sets of so many lost."""
    devices = perceive(run.joint, samples)
    found: dict[int, list[SubsetAccuracy]] = {count: [] for count in COUNTS}
    for lost in subsets(run.topology):
        if len(lost) in found:
            found[len(lost)].append(
                failure(run.joint, devices, samples, rules, lost=lost, prior_class=run.prior_class)
            )
    return {count: right(data, part, each) for count, each in found.items() if each}


def right(data: DataSet, part: str, found: Sequence[SubsetAccuracy]) -> float:
    """The mean of several sets of lost devices."""
    right_N = np.mean([subset.correct_N for subset in found], axis=0)
    if data.objects_N is None:
        return 100 * float(right_N.mean())
    objects_N = data.objects_N[getattr(data.split, part)]
    return 100 * float(np.mean([right_N[objects_N == n].mean() for n in np.unique(objects_N)]))


EXPERIMENT = Experiment(
    name="failure-training",
    about=__doc__ or "",
    settings=lambda study: study.options.only,
    measure=measure,
    draw=ablation.draw,
    published={},
    seeds=5,
    options=lambda parser: parser.add_argument(
        "--only", nargs="+", choices=WAYS, default=list(WAYS)
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
