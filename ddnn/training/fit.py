"""Joint training: prepare, then fit -> run_epoch -> train_step.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ddnn.bundle.load import load_bundle, read_weights
from ddnn.bundle.manifest import WEIGHTS
from ddnn.data.checks import check_fits
from ddnn.data.multiview import DataSet, MultiView
from ddnn.errors import ConfigError, DataError
from ddnn.model.blocks import Norm1d, Norm2d
from ddnn.model.joint import Joint
from ddnn.model.together import are_alike, can_train_together
from ddnn.paths import text_to_path
from ddnn.report.files import write_bytes
from ddnn.runfolder import CHECKPOINT, HISTORY
from ddnn.topology import Topology, exit_name
from ddnn.training.batches import Batch, Everything, batches, drop_bypassed, drop_devices, tensors
from ddnn.training.checkpoint import (
    History,
    Progress,
    State,
    load_checkpoint,
    load_known_weights,
    save_checkpoint,
    state_of,
)
from ddnn.training.loss import JointLoss
from ddnn.training.parallel import ALONE, Group, current
from ddnn.training.predict import Logits, classes_at, fuse, perceive
from ddnn.training.pretrained import load_pretrained
from ddnn.training.scaling import fit_scaling
from ddnn.training.settings import Settings
from ddnn.training.threads import threads_for

WARM_UP = 0.25
"""Share of a one-cycle training in which the learning rate rises."""
TREND_STEP = 0.2
"""Share of the newest epoch in the running mean that `keep: best` compares."""
TRUNK = ".trunk"
"""In `freeze`: a tier without its exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One line of history.jsonl.

    accuracy: of each exit on the validation samples, all devices present.
    validation_loss: mean cross entropy over the exits, with all devices and with random ones
        lost. `keep: best` compares its `trend`, a running mean: on few samples accuracy is soon
        1, and the loss of one epoch may be low by luck.
    """

    epoch: int
    seconds: float
    loss: float
    learning_rate: float
    accuracy: dict[str, float]
    validation_loss: float
    trend: float
    is_best: bool


OnEpoch = Callable[[Epoch], None]


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
        started_s = time.perf_counter()
        torch.manual_seed(_epoch_seed(training.seed, number))
        with threads_for(joint):
            loss = run_epoch(training, number)
        epoch = _judge(
            joint,
            training.validation,
            history,
            loss=loss,
            learning_rate=max(group["lr"] for group in training.optimizer.param_groups),
            started_s=started_s,
        )
        _check_finite(epoch)
        history.append(_as_json(epoch))
        if epoch.is_best or settings.keep == "last":
            chosen = state_of(joint)
        if training.group.leads:
            _save(folder, training, Progress(chosen, history))
            on_epoch(epoch)
    joint.load_state_dict(chosen)
    return joint.eval()


def _save(folder: Path, training: Training, progress: Progress) -> None:
    save_checkpoint(folder / CHECKPOINT, training.joint, training.optimizer, progress)
    lines = "".join(json.dumps(line) + "\n" for line in progress.history)
    write_bytes(folder / HISTORY, lines.encode())


def make_optimizer(joint: Joint, settings: Settings) -> torch.optim.Optimizer:
    """Adam with the paper's constants, or SGD with Nesterov's momentum; of what is not frozen.

    Raises ConfigError where everything is.
    """
    weights = _groups(joint, settings)
    if not weights:
        raise ConfigError(
            f"training: freeze: got {', '.join(settings.freeze)}, want a part left to train"
        )
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=rate, momentum=0.9, weight_decay=decay, nesterov=True, fused=True
        )
    return torch.optim.Adam(
        weights, lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay, fused=True
    )


def _groups(joint: Joint, settings: Settings) -> list[dict[str, Any]]:
    """What is trained, by learning rate: its share of the training's own is the group's `share`.

    Raises ConfigError for a tier that the topology does not have.
    """
    known = [tier.name for tier in joint.topology.tiers]
    for tier in settings.tier_rates:
        if tier not in known:
            raise ConfigError(f"training: tier_rates: got {tier!r}, want any of {', '.join(known)}")
    by_share: dict[float, list[Tensor]] = {}
    for name, weight in joint.named_parameters():
        kind, owner, _ = name.split(".", 2)
        topology = joint.topology
        tier = topology.nodes[owner].role if kind == "sections" else topology.exits[owner].name
        if weight.requires_grad:
            by_share.setdefault(settings.tier_rates.get(tier, 1.0), []).append(weight)
    return [
        {"params": weights, "share": share, "lr": share * settings.learning_rate}
        for share, weights in by_share.items()
    ]


def freeze(joint: Joint, parts: tuple[str, ...]) -> None:
    """Keeps the weights and statistics of these parts as they are.

    parts: TIER, its exit included, or TIER.trunk, without the exit.
    Raises ConfigError for a tier that the topology does not have.
    """
    known = [tier.name for tier in joint.topology.tiers]
    wanted = [name + part for name in known for part in ("", TRUNK)]
    for part in parts:
        if part not in wanted:
            raise ConfigError(f"training: freeze: got {part!r}, want any of {', '.join(wanted)}")
        tier = part.removesuffix(TRUNK)
        for node in joint.topology.members(tier):
            section = joint.sections[node]
            section.requires_grad_(False)
            if part != tier and section.head is not None:
                section.head.requires_grad_(True)
        if part == tier and exit_name(tier) in joint.topology.exits:
            joint.exits[exit_name(tier)].requires_grad_(False)


def train_mode(joint: Joint) -> None:
    """Batch norms take statistics of the batch, except where all weights are frozen.

    Devices that are alike run in one pass, but not on several processes: norms are synchronised
    one by one.
    """
    joint.train()
    for module in joint.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()
    devices = [joint.sections[name] for name in joint.topology.devices]
    joint.together = (
        current().world == 1 and are_alike(joint.topology) and can_train_together(devices)
    )


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


def learning_rate(settings: Settings, epoch: float) -> float:
    """At this point of the training.

    A cosine falls to 0 at the last epoch's end; one cycle rises for a quarter of the training and
    falls to 0 (Smith 2018), both in straight lines.
    """
    done = epoch / settings.epochs
    match settings.schedule:
        case "constant":
            share = 1.0
        case "cosine":
            share = (1 + math.cos(math.pi * done)) / 2
        case "one-cycle":
            share = min(done / WARM_UP, (1 - done) / (1 - WARM_UP))
    return settings.learning_rate * share


@torch.no_grad()
def clip_weights(joint: Joint, *, norms: bool) -> None:
    """Keeps weights of few bits in [-1, 1], where their gradient means something.

    norms: batch norm's parameters as well, as the authors' code does on a GPU.
    """
    found: list[Tensor] = []
    for module in joint.layers_and_norms:
        if not module.weight.requires_grad:
            continue  # frozen parts stay as they are
        if isinstance(module, Norm1d | Norm2d):
            found += [module.weight, module.bias] if norms else []
        elif module.bits != 32:
            found.append(module.weight)
    if found:
        torch._foreach_clamp_min_(found, -1.0)
        torch._foreach_clamp_max_(found, 1.0)


def accuracies(
    logits: Logits,
    samples: MultiView,
    present_NV: NDArray[np.bool_] | None = None,
    prior_class: int = 0,
) -> dict[str, float]:
    """Of each exit, answering every sample. All devices are present by default."""
    if present_NV is None:
        present_NV = np.ones(samples.labels_NV.shape, dtype=bool)
    found = classes_at(logits, present_NV, prior_class)
    return {name: float((k_N == samples.fused_labels_N).mean()) for name, k_N in found.items()}


def _judge(
    joint: Joint,
    samples: MultiView,
    history: History,
    *,
    loss: float,
    learning_rate: float,
    started_s: float,
) -> Epoch:
    """Validates after an epoch. The devices lost are the same each time."""
    devices = perceive(joint, samples)
    whole = np.ones(samples.labels_NV.shape, dtype=bool)
    generator = torch.random.get_rng_state()
    torch.manual_seed(0)
    lost = drop_devices(torch.from_numpy(whole), 0.3).numpy()
    torch.random.set_rng_state(generator)
    found = fuse(joint, devices, whole)
    both = list(found.values())
    if not lost.all():
        both += fuse(joint, devices, lost).values()
    labels = torch.from_numpy(samples.fused_labels_N)
    validation_loss = float(
        np.mean([F.cross_entropy(torch.from_numpy(logits_NK), labels).item() for logits_NK in both])
    )
    before = history[-1]["trend"] if history else validation_loss
    trend = before + (validation_loss - before) * TREND_STEP
    return Epoch(
        epoch=len(history) + 1,
        seconds=time.perf_counter() - started_s,
        loss=loss,
        learning_rate=learning_rate,
        accuracy=accuracies(found, samples),
        validation_loss=validation_loss,
        trend=trend,
        is_best=all(trend <= line["trend"] for line in history),
    )


def _check_finite(epoch: Epoch) -> None:
    """Raises DataError: weights that are no numbers are neither kept nor gone on with."""
    if not (math.isfinite(epoch.loss) and math.isfinite(epoch.validation_loss)):
        raise DataError(
            f"training: epoch {epoch.epoch}: the loss is {epoch.loss:g}, in validation "
            f"{epoch.validation_loss:g}, want finite ones; a lower learning rate may help"
        )


def _as_json(epoch: Epoch) -> dict[str, Any]:
    return {name: getattr(epoch, name) for name in Epoch.__slots__}


def _epoch_seed(seed: int, epoch: int) -> int:
    """Different for every seed and epoch; known again after a restart."""
    return (seed * 1_000_003 + epoch + 1) % 2**63
