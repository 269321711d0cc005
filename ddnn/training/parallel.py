"""One training on several processes, each with its rows of every batch, as torchrun starts them.

Every rank draws the same batches from the same seed and computes on its own rows. Losses are
weighed by the number of rows and gradients summed, so that an update is that of the whole batch,
and all ranks have equal weights. Batch norms are synchronised: they take statistics of the whole
batch. Only rank 0 reads a run's folder or writes.

Axes: N samples, F filters.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from platform import node
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import TCPStore

from ddnn.errors import DdnnError
from ddnn.training.batches import Batch

GRACE_S = 2.0
"""In which survivors of a lost rank say so to each other; torchrun kills them after 30 s."""
POLL_S = 0.05


class LostRankError(DdnnError):
    """A process of the training has ended: says which, and what is kept."""


Missing = dict[str, Tensor]
"""By node, (N,) where it is missing."""


class Share(NamedTuple):
    """Of a batch. weight: of its loss in that of the whole batch."""

    batch: Batch
    gone: Missing | None
    weight: float


class Group:
    """The processes of a training; of one process, all of it does nothing.

    rank, world: which of how many. epochs: finished by all.
    """

    rank, world, epochs = 0, 1, 0

    @property
    def leads(self) -> bool:
        """Whether this process reads and writes the run's folder."""
        return self.rank == 0

    def adopt(self, module: nn.Module) -> None:
        """Synchronises the batch norms of a network that is about to be trained."""

    def share(self, batch: Batch, gone: Missing | None) -> Share:
        """This rank's rows of a batch and of the nodes that are missing."""
        return Share(batch, gone, 1.0)

    def summed(self, module: nn.Module, loss: Tensor) -> Tensor:
        """Makes the gradients those of the whole batch, and gives its loss."""
        return loss

    def finish_epoch(self) -> None:
        """Called after each epoch."""

    def send(self, *parts: bytes) -> tuple[bytes, ...]:
        """What rank 0 sends, on every rank."""
        return parts


class Ranks(Group):
    """Of several processes."""

    def __init__(self, store: TCPStore, torch_device: torch.device) -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self._store, self._device = store, torch_device
        self._mark("name", f"process {os.getpid()} on {node()}")

    def adopt(self, module: nn.Module) -> None:
        """See Group."""
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                norm.forward = partial(synchronised, norm, norm.forward)  # type: ignore[method-assign]

    def share(self, batch: Batch, gone: Missing | None) -> Share:
        """See Group. A last batch too small for two rows a rank is computed by all of them."""
        total = len(batch.fused_N)
        if total < 2 * self.world:
            return Share(batch, gone, 1 / self.world)
        rows_N = torch.arange(self.rank, total, self.world, device=batch.fused_N.device)
        own = None if gone is None else {name: gone_N[rows_N] for name, gone_N in gone.items()}
        return Share(batch.take(rows_N), own, len(rows_N) / total)

    def summed(self, module: nn.Module, loss: Tensor) -> Tensor:
        """See Group."""
        found = [weight.grad for weight in module.parameters() if weight.grad is not None]
        flat = torch.cat([value.flatten().float() for value in (*found, loss)])
        dist.all_reduce(flat)
        start = 0
        for gradient in found:
            part = flat[start : start + gradient.numel()]
            gradient.copy_(part.reshape(gradient.shape))
            start += gradient.numel()
        return flat[start]

    def finish_epoch(self) -> None:
        """See Group."""
        self.epochs += 1

    def send(self, *parts: bytes) -> tuple[bytes, ...]:
        """See Group. Other ranks give as many parts, whatever is in them."""
        return tuple(self._sent(part) for part in parts)

    def _sent(self, content: bytes) -> bytes:
        size = torch.tensor([len(content)], device=self._device)
        dist.broadcast(size, src=0)
        values = torch.zeros(int(size), dtype=torch.uint8)
        if self.leads and content:
            values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        values = values.to(self._device)
        if len(values):
            dist.broadcast(values, src=0)
        return values.cpu().numpy().tobytes()

    def lost(self) -> list[str]:
        """Names of the ranks that do not say within GRACE_S that they are there.

        Called by each that notices; none: nobody is lost, or another rank names them.
        """
        self._mark("survived", "yes")
        until_s = time.monotonic() + GRACE_S
        while (missing := self._missing()) and time.monotonic() < until_s:
            time.sleep(POLL_S)
        names = [self._store.get(self._key("name", rank)).decode() for rank in missing]
        return [f"rank {rank} ({name})" for rank, name in zip(missing, names, strict=True)]

    def speaks(self) -> bool:
        """Whether this is the first rank of those that are left."""
        return self.rank == min(set(range(self.world)) - set(self._missing()))

    def _missing(self) -> list[int]:
        ranks = range(self.world)
        return [rank for rank in ranks if not self._store.check([self._key("survived", rank)])]

    def _mark(self, what: str, value: str) -> None:
        self._store.set(self._key(what, self.rank), value)

    def _key(self, what: str, rank: int) -> str:
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return f"ddnn/{attempt}/{what}/{rank}"


ALONE = Group()
_groups = [ALONE]


class Summed(torch.autograd.Function):
    """The sum over all ranks, and of its gradients."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        """See autograd."""
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        """See autograd."""
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def synchronised(
    norm: nn.BatchNorm1d | nn.BatchNorm2d, alone: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    """A batch norm's output with the statistics of all ranks' rows; `alone` is how it works when
    it is not trained."""
    if not norm.training:
        return alone(x)
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    wide = x.float()
    count = wide.new_tensor([wide.numel() / wide.shape[1]])
    sums: Tensor = Summed.apply(torch.cat([wide.sum(axes), count]))
    mean_F = sums[:-1] / sums[-1]
    centred = wide - mean_F.reshape(shape)
    variance_F: Tensor = Summed.apply(centred.square().sum(axes)) / sums[-1]
    _remember(norm, mean_F.detach(), (variance_F * (sums[-1] / (sums[-1] - 1))).detach())
    scale_F: Tensor = norm.weight / torch.sqrt(variance_F + norm.eps)
    normed: Tensor = centred * scale_F.reshape(shape) + norm.bias.reshape(shape)
    return normed.to(x.dtype)


def _remember(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean_F: Tensor, variance_F: Tensor) -> None:
    """Moves the running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.running_mean.lerp_(mean_F, norm.momentum)
    norm.running_var.lerp_(variance_F, norm.momentum)
    norm.num_batches_tracked += 1


def current() -> Group:
    """The group that this process trains in."""
    return _groups[-1]


class _OrderedError(Exception):
    """torchrun has noticed before we did."""


@contextmanager
def joined() -> Iterator[Group]:
    """Joins the processes that torchrun has started; alone where it has not.

    Raises LostRankError, on the first rank that is left, when another has ended.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        yield current()
        return
    before = signal.signal(signal.SIGTERM, _ordered)
    ranks = _begin()
    _groups.append(ranks)
    try:
        yield ranks
    except (RuntimeError, _OrderedError) as error:
        with suppress(_OrderedError):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            lost, speaks = ranks.lost(), ranks.speaks()
        except RuntimeError:  # the store lies with rank 0
            lost, speaks = ["the machine of rank 0"], True
        if not lost:
            raise
        if not speaks:
            raise SystemExit(1) from error
        raise LostRankError(_said(lost, ranks.epochs)) from error
    finally:
        _groups.pop()
        signal.signal(signal.SIGTERM, before)
        with suppress(RuntimeError):  # what is lost cannot say goodbye
            dist.destroy_process_group()


def _said(lost: list[str], epochs: int) -> str:
    kept = f"the checkpoint of epoch {epochs} is kept, go on with --resume RUN"
    return (
        f"{' and '.join(lost)} ended in epoch {epochs + 1}, and the training with it; "
        f"{kept if epochs else 'no epoch was finished'}"
    )


def _begin() -> Ranks:
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if has_gpu else "gloo")
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(host, port, is_master=False)
    return Ranks(store, torch.device("cuda" if has_gpu else "cpu"))


def _ordered(_number: int, _frame: Any) -> None:
    raise _OrderedError
