"""Ways to train for failures: what each changes of the preset `robust`, or of what it has trained.

`robust` drops each device by itself. `count`: every number of lost devices, up to all but one, is
learnt as often as the others. `distilled`: samples are also seen whole, and what is left of them
is to answer as the whole does. `mean teacher`: as a running mean of the weights does of the whole.
`numbers in turn`: each batch has lost one number of devices, one number after another. `a tenth
dropped`: as many as are lost where each device survives with 0.9. `not balanced`: rare classes
weigh no more than others. `mask tokens`: in a concat, what
stands for the maps of a device that is lost is learned, a value a filter, in place of 0. `any
camera's views`: views are mixed with those of any camera, not the same one's alone. `views as they
are`: neither mixing nor augmentation. `16 filters, 32 bits`: what a device of far more memory and
bytes could do. `norms by number`, `prior where lost`: see `failure_afterwards`.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ddnn.model import exits, sections
from ddnn.model.aggregate import Fusion, LearnedFusion, build_fusion
from ddnn.model.joint import Joint
from ddnn.training import batches, fit
from ddnn.training.batches import Batch
from ddnn.training.loss import JointLoss
from ddnn.training.parallel import ALONE, Group
from experiments.paper.failure_afterwards import (
    After,
    as_trained,
    norms_by_number,
    prior_where_lost,
)

COUNT = {"dropout_by": "count", "device_dropout": 0.5}
AS_THEY_ARE = {"augment": "none", "view_mixing": 0.0}
KEPT = 0.99
"""Of the mean teacher's weights at an update: it follows over some 100 updates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """changes: of the preset `robust`. patch: holds while it is trained. floats: 16 filters of 32
    bits. after: what is made of the trained network for each number of lost devices."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    patch: Callable[[], AbstractContextManager[None]] = nullcontext
    floats: bool = False
    after: After = as_trained

    @property
    def has_own_code(self) -> bool:
        """So that its networks must not be taken for those of other scripts."""
        return self.patch is not nullcontext


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


def any_camera() -> AbstractContextManager[None]:
    """Views are mixed with those of a camera drawn for each batch."""
    return replaced(batches, "mix_views", mix_any_views)


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


def in_turn() -> AbstractContextManager[None]:
    """Each batch has lost one number of devices, none to all but one, one number after another."""
    numbers = itertools.count()

    def drop(present_NV: Tensor, _: float) -> Tensor:
        count, views = present_NV.shape
        place_NV = torch.rand(count, views).argsort(dim=1).argsort(dim=1)
        return present_NV & (place_NV >= next(numbers) % views).to(present_NV.device)

    return replaced(batches, "drop_devices", drop)


def mean_teacher() -> AbstractContextManager[None]:
    """What is left of a sample is to answer as a running mean of the weights does of the whole."""
    teachers: WeakKeyDictionary[Joint, Joint] = WeakKeyDictionary()

    def step(
        joint: Joint,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        loss_of: JointLoss,
        _: Group = ALONE,
    ) -> Tensor:
        if joint not in teachers:
            teachers[joint] = copy.deepcopy(joint).eval()
        teacher = teachers[joint]
        with torch.no_grad():
            whole = teacher(batch.views)
        output = joint(batch.views, batch.present_NV)
        loss: Tensor = loss_of(output, batch) + loss_of.distilled(output, whole)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        fit.clip_weights(joint, norms=loss_of.settings.clip_norms)
        follow(teacher, joint)
        return loss.detach()

    return replaced(fit, "train_step", step)


@torch.no_grad()
def follow(teacher: Joint, joint: Joint) -> None:
    """Moves the teacher's weights and statistics a step of 1 - KEPT towards the network's."""
    for mean, value in zip(teacher.state_dict().values(), joint.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - KEPT)


@contextmanager
def replaced(module: Any, name: str, value: object) -> Iterator[None]:
    """A function of a module is another meanwhile."""
    ours = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, ours)


WAYS: Mapping[str, Way] = {
    "robust": Way(),
    "robust, views as they are": Way(changes=AS_THEY_ARE),
    "robust, count": Way(changes=COUNT),
    "robust, distilled": Way(changes={"distillation": 1.0}),
    "robust, count, distilled": Way(changes=COUNT | {"distillation": 1.0}),
    "robust, mask tokens": Way(patch=with_tokens),
    "robust, any camera's views": Way(patch=any_camera),
    "robust, 16 filters, 32 bits": Way(floats=True),
    "robust, mean teacher": Way(changes={"distillation": 1.0}, patch=mean_teacher),
    "robust, numbers in turn": Way(patch=in_turn),
    "robust, a tenth dropped": Way(changes={"device_dropout": 0.1}),
    "robust, not balanced": Way(changes={"class_balance": False}),
    "robust, norms by number": Way(after=norms_by_number),
    "robust, prior where lost": Way(after=prior_where_lost),
    "robust, views as they are, prior where lost": Way(changes=AS_THEY_ARE, after=prior_where_lost),
}
