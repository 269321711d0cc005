"""Saves and restores a training after each epoch: safetensors with JSON in its header, no pickle.

One file holds weights, those of the chosen epoch, optimizer state and history, so that they always
belong together; its header has the sha256 of all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ddnn.errors import DdnnError
from ddnn.model.joint import Joint
from ddnn.plainfile import check_plain
from ddnn.report.files import write_bytes

WEIGHTS, CHOSEN, OPTIMIZER = "weights/", "chosen/", "optimizer/"

State = Mapping[str, Tensor]
History = list[dict[str, Any]]


class Progress(NamedTuple):
    """chosen: the weights of the best epoch so far. history: a line an epoch."""

    chosen: State
    history: History


def state_of(module: nn.Module) -> State:
    """Weights and running statistics as they are now, on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def load_weights(content: bytes, module: nn.Module, *, source: Path) -> None:
    """Raises DdnnError naming the source when it is damaged or of another network."""
    tensors = _parse(content, source)
    _check(source, module, tensors)
    module.load_state_dict(tensors)


def load_known_weights(content: bytes, module: nn.Module, *, source: Path) -> None:
    """Takes over what agrees in name and shape; the rest stays as it is.

    Raises DdnnError naming the source when it is damaged, or nothing agrees.
    """
    own = module.state_dict()
    tensors = _parse(content, source)
    known = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if not known:
        raise DdnnError(f"{source}: nothing agrees in name and shape, want a run of the same nodes")
    module.load_state_dict(known, strict=False)


def save_checkpoint(
    path: Path, joint: Joint, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """All that is needed to go on, also on another number of processes."""
    tensors = {WEIGHTS + key: value for key, value in state_of(joint).items()}
    tensors |= {CHOSEN + key: value for key, value in progress.chosen.items()}
    tensors |= {OPTIMIZER + key: value for key, value in _optimizer_state(joint, optimizer)}
    history = json.dumps(progress.history)
    metadata = {"history": history, "sha256": _sha256(tensors, history)}
    write_bytes(path, safetensors.torch.save(tensors, metadata))


def load_checkpoint(path: Path, joint: Joint, optimizer: torch.optim.Optimizer) -> Progress:
    """Restores both and gives the progress back.

    Raises DdnnError naming the file when it is missing, damaged or of another network.
    """
    tensors, metadata = _read(path)
    wanted, history = metadata.get("sha256", "none"), metadata.get("history", "")
    if wanted != (found := _sha256(tensors, history)):
        raise DdnnError(f"{path}: damaged, sha256 {found[:12]}…, want {wanted[:12]}…")
    weights, chosen = _part(tensors, WEIGHTS), _part(tensors, CHOSEN)
    for state in (weights, chosen):
        _check(path, joint, state)
    states = _optimizer_states(path, joint, optimizer, _part(tensors, OPTIMIZER))
    groups = optimizer.state_dict()["param_groups"]
    joint.load_state_dict(weights)
    optimizer.load_state_dict({"state": states, "param_groups": groups})
    return Progress(chosen, json.loads(history))


def _optimizer_state(
    joint: Joint, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, Tensor]]:
    """As WEIGHT/KEY, each device's apart where all devices' weights are one tensor."""
    for names, weight in joint.weights_to_learn():
        for key, value in optimizer.state.get(weight, {}).items():
            found = torch.as_tensor(value).cpu()
            is_shared = len(names) > 1 and found.shape == weight.shape
            parts = found if is_shared else [found] * len(names)
            for name, part in zip(names, parts, strict=True):
                yield f"{name}/{key}", part.clone()


def _optimizer_states(
    path: Path, joint: Joint, optimizer: torch.optim.Optimizer, saved: State
) -> dict[int, dict[str, Tensor]]:
    """By the number of the weight in the optimizer. Takes what `_optimizer_state` gives."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    numbers = {id(weight): number for number, weight in enumerate(weights)}
    left, states = dict(saved), dict[int, dict[str, Tensor]]()
    for names, weight in joint.weights_to_learn():
        state = states.setdefault(numbers[id(weight)], {})
        for key in [key for key in saved if key.startswith(f"{names[0]}/")]:
            _, kind = key.split("/")
            parts = [left.pop(f"{name}/{kind}", None) for name in names]
            found = [part for part in parts if part is not None]
            value = torch.stack(found) if _are_all(found, names, weight) else found[0]
            if value.dim() > 0 and value.shape != weight.shape:
                got, wanted = tuple(value.shape), tuple(weight.shape)
                raise DdnnError(f"{path}: {kind} of {names[0]} has shape {got}, want {wanted}")
            state[kind] = value
    for key in left:
        raise DdnnError(f"{path}: optimizer state {key} is unknown, want the weights' of this run")
    return states


def _are_all(parts: Sequence[Tensor], names: Sequence[str], weight: Tensor) -> bool:
    """Whether these are each device's part of a value like the weight that all of them share."""
    each = weight.shape[1:]
    return len(names) > 1 and len(parts) == len(names) and all(p.shape == each for p in parts)


def _sha256(tensors: State, history: str) -> str:
    """Of names, types, shapes, values and history."""
    digest = hashlib.sha256(history.encode())
    for key in sorted(tensors):
        value = tensors[key]
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _part(tensors: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _parse(content: bytes, source: Path) -> State:
    try:
        state: State = safetensors.torch.load(content)
    except SafetensorError as error:
        raise DdnnError(f"{source}: damaged, want a safetensors file ({error})") from error
    return state


def _read(path: Path) -> tuple[State, dict[str, str]]:
    try:
        check_plain(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
    except FileNotFoundError as error:
        raise DdnnError(f"{path}: no such file, want one from ddnn train") from error
    except (OSError, SafetensorError) as error:
        raise DdnnError(f"{path}: damaged, want a safetensors file ({error})") from error


def _check(source: Path, module: nn.Module, tensors: State) -> None:
    """Whether the module can take them over."""
    own = module.state_dict()
    for key in sorted(own.keys() ^ tensors.keys()):
        word = "missing" if key in own else "unknown"
        raise DdnnError(f"{source}: {key} is {word}, want the weights of this topology")
    for key, value in own.items():
        if value.shape != tensors[key].shape:
            got, wanted = tuple(tensors[key].shape), tuple(value.shape)
            raise DdnnError(f"{source}: {key} has shape {got}, want {wanted}")
