"""Joint training: prepare, then fit -> run_epoch -> train_step.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddnn.bundle.load import load_bundle, read_weights
from ddnn.bundle.manifest import WEIGHTS
from ddnn.data.checks import check_fits
from ddnn.data.multiview import DataSet, MultiView
from ddnn.errors import DataError
from ddnn.model.joint import Joint
from ddnn.paths import text_to_path
from ddnn.report.files import write_bytes
from ddnn.runfolder import CHECKPOINT, HISTORY
from ddnn.topology import Topology
from ddnn.training.batches import Batch, Everything, batches, drop_bypassed, tensors
from ddnn.training.checkpoint import (
    History,
    Progress,
    State,
    load_checkpoint,
    load_known_weights,
    save_checkpoint,
    state_of,
)
from ddnn.training.epoch import NOT_JUDGED, Epoch, OnEpoch, check_finite, judge
from ddnn.training.loss import JointLoss
from ddnn.training.optimizer import clip_weights, freeze, learning_rate, make_optimizer
from ddnn.training.parallel import ALONE, Group, current
from ddnn.training.pretrained import load_pretrained
from ddnn.training.scaling import fit_scaling
from ddnn.training.settings import Settings
from ddnn.training.threads import threads_for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """A network about to be trained: whatever can be refused has been.

    chosen, history: of the epochs done; none before the first.
    """

    joint: Joint
    optimizer: torch.optim.Optimizer
    loss_of: JointLoss
    train: Everything
    validation: MultiView
    seed: int
    chosen: State
    history: History
    group: Group


def prepare(
    data: DataSet,
    topology: Topology,
    settings: Settings,
    *,
    seed: int,
    checkpoint: Path | None = None,
) -> Training:
    """A new network, or one that goes on from a checkpoint; nothing is written.

    Raises ConfigError for settings or data that do not fit the topology, DataError for too few
    samples or a damaged checkpoint.
    """
    check_fits(topology, data.samples)
    train, validation = data.part("train"), data.part("validation")
    if len(train) < 2:
        raise DataError(f"{data.name}: {len(train)} training samples, want at least 2")
    torch_device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    joint = Joint(topology).to(torch_device)
    fit_scaling(joint, train)
    freeze(joint, settings.freeze)
    current().adopt(joint)
    if current().world == 1:  # of several processes, norms are synchronised one by one
        joint.learn_together()
    optimizer = make_optimizer(joint, settings)
    progress = Progress({}, [])
    if checkpoint is not None:
        progress = load_checkpoint(checkpoint, joint, optimizer)
    else:
        load_pretrained(joint)
    if checkpoint is None and settings.start_from is not None:
        start = load_bundle(Path(text_to_path(settings.start_from)), nodes=())
        load_known_weights(read_weights(start), joint, source=start.folder / WEIGHTS)
    everything = tensors(train, torch_device)
    return Training(
        joint=joint,
        optimizer=optimizer,
        loss_of=JointLoss(topology, settings, everything.fused_N),
        train=everything,
        validation=validation if len(validation) else train,
        seed=seed,
        chosen=progress.chosen,
        history=progress.history,
        group=current(),
    )


def fit(training: Training, folder: Path, on_epoch: OnEpoch = lambda _: None) -> Joint:
    """The trained network; `folder` gets a checkpoint and history after each epoch, from rank 0 of
    several processes.

    Equal arguments give equal weights on the same machine, resumed or not.
    Raises DataError where the loss is no longer finite; the epochs before it are kept.
    """
    joint, settings = training.joint, training.loss_of.settings
    chosen, history = training.chosen, training.history
    for number in range(len(history), settings.epochs):
        epoch = _epoch(training, number, history)
        check_finite(epoch)
        history.append(_as_json(epoch))
        none_judged = all(line["trend"] is None for line in history)
        if settings.keep == "last" or epoch.is_best or none_judged:
            chosen = state_of(joint)
        if training.group.leads:
            _save(folder, training, Progress(chosen, history))
            on_epoch(epoch)
    joint.load_state_dict(chosen)
    return joint.eval()


def _epoch(training: Training, number: int, history: History) -> Epoch:
    joint, settings = training.joint, training.loss_of.settings
    started_s = time.perf_counter()
    torch.manual_seed(_epoch_seed(training.seed, number))
    with threads_for(joint):
        loss = run_epoch(training, number)
        is_due = (number + 1) % settings.evaluate_every == 0 or number + 1 == settings.epochs
        judged = judge(joint, training.validation, history) if is_due else NOT_JUDGED
    return Epoch(
        epoch=number + 1,
        seconds=time.perf_counter() - started_s,
        loss=loss,
        learning_rate=max(group["lr"] for group in training.optimizer.param_groups),
        **judged._asdict(),
    )


def _save(folder: Path, training: Training, progress: Progress) -> None:
    save_checkpoint(folder / CHECKPOINT, training.joint, training.optimizer, progress)
    lines = "".join(json.dumps(line) + "\n" for line in progress.history)
    write_bytes(folder / HISTORY, lines.encode())


def train_mode(joint: Joint) -> None:
    """Batch norms take statistics of the batch, except where all weights are frozen."""
    joint.train()
    for module in joint.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()


def run_epoch(training: Training, number: int) -> float:
    """One pass over the training samples; gives the mean loss."""
    joint, settings = training.joint, training.loss_of.settings
    train_mode(joint)
    losses, samples = [], len(training.train.fused_N)
    updates = math.ceil(samples / (settings.batch or samples))
    for update, batch in enumerate(batches(training.train, settings)):
        rate = learning_rate(settings, number + update / updates)
        for group in training.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        losses.append(
            train_step(joint, training.optimizer, batch, training.loss_of, training.group)
        )
    training.group.finish_epoch()
    return float(torch.stack(losses).mean())


def train_step(
    joint: Joint,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    loss_of: JointLoss,
    group: Group = ALONE,
) -> Tensor:
    """One update on one batch, each process of the group on its rows; gives its loss."""
    share = loss_of.settings.device_dropout
    gone = drop_bypassed(joint.topology, batch.present_NV, share) if share else None
    batch, gone, weight = group.share(batch, gone)
    with forward_precision(loss_of.settings, batch.fused_N.device):
        devices = joint.perceive(batch.views)
        output = joint.fuse(devices, batch.present_NV, gone, last_exit=loss_of.last_exit)
        if loss_of.settings.distillation:
            whole = joint.fuse(devices, last_exit=loss_of.last_exit)
    loss = loss_of(output, batch)
    if loss_of.settings.distillation:
        loss = loss + loss_of.exits(whole, batch) + loss_of.distilled(output, whole)
    optimizer.zero_grad(set_to_none=True)
    (loss * weight).backward()  # type: ignore[no-untyped-call]
    loss = group.summed(joint, loss.detach() * weight)
    optimizer.step()
    clip_weights(joint, norms=loss_of.settings.clip_norms)
    return loss


def forward_precision(
    settings: Settings, torch_device: torch.device
) -> AbstractContextManager[Any]:
    """What the forward pass, and the backward pass behind it, compute in."""
    if settings.precision == "float32":
        return nullcontext()
    return torch.autocast(torch_device.type, torch.bfloat16)


def _as_json(epoch: Epoch) -> dict[str, Any]:
    return {name: getattr(epoch, name) for name in Epoch.__slots__}


def _epoch_seed(seed: int, epoch: int) -> int:
    """Different for every seed and epoch; known again after a restart."""
    return (seed * 1_000_003 + epoch + 1) % 2**63
