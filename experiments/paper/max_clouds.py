"""Why a cloud that pools its devices' maps by max is wrong so often here: one cause at a time.

    python experiments/paper/max_clouds.py --seeds 3

MP-MP of table I with 16 filters, as it is; with the authors' gradient, where members that tie for
the maximum each get all of it, not a share; with devices that say nothing of a black view
(`absent: skip`), whose maps then take no part; and with both. Rows: with the statistics that batch
norms kept while training (`running`), and with those of the trained network over all training
samples (`re-estimated`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ddnn.model.aggregate import FUSE
from ddnn.model.blocks import Norm1d, Norm2d
from ddnn.model.joint import Joint
from ddnn.topology import Topology
from experiments.paper.table1 import FILTERS, LOCAL_CLOUD
from experiments.shared.measures import at_exits, evaluated
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

PAIR = "MP-MP"
AS_IS, TIES, SKIP, BOTH = "as is", "authors' ties", "absent: skip", "both"
SETTINGS = (AS_IS, TIES, SKIP, BOTH)
RUNNING, ESTIMATED = "running", "re-estimated"
BATCH = 128


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Both exits, with both kinds of statistics."""
    topology = cameras(study.data, filters=(FILTERS,), local="max", cloud="max")
    if setting in (SKIP, BOTH):
        topology = silent(topology)
    if setting in (TIES, BOTH):
        with all_tied():
            run = replace(study, runs=study.runs / "authors-ties").train(topology, seed=seed)
    else:
        run = study.train(topology, seed=seed)
    test = study.data.part("test")
    fresh = replace(run, joint=re_estimated(run.joint, study))
    found = {RUNNING: run, ESTIMATED: fresh}
    return {row: at_exits(evaluated(each, test)) for row, each in found.items()}


def silent(topology: Topology) -> Topology:
    """The same, whose devices say of a black view only that they see nothing."""
    document = topology.model_dump(mode="json")
    document["tiers"][0]["absent"] = "skip"
    return Topology.model_validate(document)


class Tied(torch.autograd.Function):
    """The largest of M members on axis 1, (N, M, ...) -> (N, ...); all that tie get the gradient,
    as in the authors' framework (Chainer's maximum over arrays)."""

    @staticmethod
    def forward(context: Any, stacked: Tensor) -> Tensor:
        largest = stacked.amax(dim=1)
        context.save_for_backward(stacked, largest)
        return largest

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        stacked, largest = context.saved_tensors
        return (stacked == largest[:, None]) * gradients[0][:, None]


def fuse_tied(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """As `ddnn.model.aggregate.fuse_max`, but for the gradient."""
    stacked = torch.stack(list(values), dim=1)
    mask = present_NM.bool().reshape(*present_NM.shape, *[1] * (stacked.dim() - 2))
    largest = Tied.apply(stacked.masked_fill(~mask, -torch.inf))
    return largest.masked_fill(~mask.any(dim=1), 0.0)


@contextmanager
def all_tied() -> Iterator[None]:
    """Every max then has the authors' gradient."""
    ours = FUSE["max"]
    FUSE["max"] = fuse_tied
    try:
        yield
    finally:
        FUSE["max"] = ours


@torch.no_grad()
def re_estimated(joint: Joint, study: Study) -> Joint:
    """A copy whose batch norms have the mean statistics over batches of training samples, weights
    as they are."""
    joint = copy.deepcopy(joint)
    norms = [module for module in joint.modules() if isinstance(module, Norm1d | Norm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    joint.train()
    views = torch.from_numpy(study.data.part("train").views_NVCHW)
    for batch in views.split(BATCH):
        if len(batch) > 1:
            joint(batch, present_of(joint, batch))
    return joint.eval()


def present_of(joint: Joint, views_NVCHW: Tensor) -> Tensor:
    """(N, V): all devices, or those that see something where the others are silent."""
    seen_NV = views_NVCHW.flatten(2).any(dim=2)
    return seen_NV if joint.topology.skips_absent else torch.ones_like(seen_NV)


def draw(figure: Figure, means: Means) -> None:
    """The cloud's exit, by setting and statistics."""
    axes = figure.subplots()
    rows = {f"{s}\n{row}": found for s, by_row in means.items() for row, found in by_row.items()}
    bars(axes, rows, ("local", "cloud"))
    axes.tick_params(axis="x", labelsize=6)
    finish(axes, title=f"{PAIR}, {FILTERS} filters; black: published", xlabel="")


EXPERIMENT = Experiment(
    name="max-clouds",
    about=__doc__ or "",
    settings=lambda _: list(SETTINGS),
    measure=measure,
    draw=draw,
    published={
        (setting, row): dict(zip(("local", "cloud"), LOCAL_CLOUD[PAIR], strict=True))
        for setting in SETTINGS
        for row in (RUNNING, ESTIMATED)
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
