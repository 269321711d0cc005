"""Saves and restores a training after each epoch: safetensors with JSON in its header, no pickle.

One file holds weights, optimizer state and progress, so that they always belong together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ddnn.errors import DdnnError
from ddnn.report.files import write_bytes

WEIGHTS, OPTIMIZER = "weights/", "optimizer/"


def save_weights(path: Path, module: nn.Module) -> None:
    """Weights and running statistics alone."""
    write_bytes(path, save(_state(module)))


def load_weights(path: Path, module: nn.Module) -> None:
    """Raises DdnnError naming the file when it is missing, damaged or for another network."""
    tensors, _ = _read(path)
    _fill(path, module, tensors)


def load_known_weights(path: Path, module: nn.Module) -> None:
    """Takes over what agrees in name and shape; the rest stays as it is.

    Raises DdnnError naming the file when it is missing, damaged, or nothing agrees.
    """
    tensors, _ = _read(path)
    own = module.state_dict()
    known = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if not known:
        raise DdnnError(f"{path}: nothing agrees in name and shape, want a run of the same nodes")
    module.load_state_dict(known, strict=False)


def save_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, progress: dict[str, Any]
) -> None:
    """progress: whatever else is needed to go on, as JSON."""
    tensors = {WEIGHTS + key: value for key, value in _state(module).items()}
    for number, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"{OPTIMIZER}{number}/{key}"] = torch.as_tensor(value).cpu().contiguous()
    write_bytes(path, save(tensors, metadata={"progress": json.dumps(progress)}))


def load_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Restores both and gives the progress back.

    Raises DdnnError naming the file when it is missing, damaged or for another network.
    """
    tensors, metadata = _read(path)
    weights = {k.removeprefix(WEIGHTS): v for k, v in tensors.items() if k.startswith(WEIGHTS)}
    _fill(path, module, weights)
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(OPTIMIZER):
            number, name = key.removeprefix(OPTIMIZER).split("/")
            states.setdefault(int(number), {})[name] = value
    try:
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": states, "param_groups": groups})
        progress: dict[str, Any] = json.loads(metadata["progress"])
    except (KeyError, ValueError) as error:
        raise DdnnError(f"{path}: damaged, want a checkpoint of ddnn train ({error})") from error
    return progress


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
    except FileNotFoundError as error:
        raise DdnnError(f"{path}: no such file, want one from ddnn train") from error
    except (OSError, SafetensorError) as error:
        raise DdnnError(f"{path}: damaged, want a safetensors file ({error})") from error


def _fill(path: Path, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    own = module.state_dict()
    for key in sorted(own.keys() ^ tensors.keys()):
        word = "missing" if key in own else "unknown"
        raise DdnnError(f"{path}: {key} is {word}, want the weights of this topology")
    for key, value in own.items():
        if value.shape != tensors[key].shape:
            got, wanted = tuple(tensors[key].shape), tuple(value.shape)
            raise DdnnError(f"{path}: {key} has shape {got}, want {wanted}")
    module.load_state_dict(tensors)
