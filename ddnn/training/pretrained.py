"""Weights to begin with: of modules, from safetensors files or torchvision; of a run, another's."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ddnn.bundle.load import load_bundle
from ddnn.errors import ConfigError, DdnnError
from ddnn.model.joint import Joint
from ddnn.model.onnx_block import OnnxBlock
from ddnn.model.own_module import ModuleBlock
from ddnn.paths import path_to_text
from ddnn.plainfile import read_plain
from ddnn.topology import TORCHVISION
from ddnn.training.checkpoint import State
from ddnn.training.settings import Settings

MAX_BYTES = 1 << 31
COUNTER = "num_batches_tracked"
"""Of batch norms: not in every file, and of no use in evaluation."""


def load_pretrained(joint: Joint) -> None:
    """Gives the modules of a new network the weights, and the models, that their blocks name.

    Each must be there under its name in the module, and of its shape; a file may hold more, as that
    of a whole network does for a part of it.
    Raises ConfigError for a file that is missing or damaged, or a weight that does not fit.
    """
    known: dict[str, State] = {}
    for module in joint.modules():
        if isinstance(module, OnnxBlock):
            module.take()
        if isinstance(module, ModuleBlock) and module.weights is not None:
            name = module.weights
            if name not in known:
                known[name] = _read(name)
            _take(module.net, name, known[name], module.factory)


def load_into(module: nn.Module, name: str, *, source: str) -> None:
    """The same for a module by itself. source: what made it, for messages."""
    _take(module, name, _read(name), source)


def _take(module: nn.Module, name: str, state: State, source: str) -> None:
    own: dict[str, Tensor] = module.state_dict()
    for key, value in own.items():
        if key not in state and not key.endswith(COUNTER):
            raise ConfigError(f"{name}: no {key}, want the weights of {source}")
        if key in state and state[key].shape != value.shape:
            got, wanted = tuple(state[key].shape), tuple(value.shape)
            raise ConfigError(f"{name}: {key}: has shape {got}, {source} wants {wanted}")
    module.load_state_dict({key: state[key] for key in own if key in state}, strict=False)


def _read(name: str) -> State:
    if name.startswith(TORCHVISION):
        return _of_torchvision(name)
    try:
        state: State = safetensors.torch.load(read_plain(Path(name), MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}, want a safetensors file") from error
    except SafetensorError as error:
        raise ConfigError(f"{name}: damaged, want a safetensors file ({error})") from error
    return state


def _of_torchvision(name: str) -> State:
    """Downloaded once, to torch's own folder (TORCH_HOME); nothing in them is run."""
    import torchvision  # noqa: PLC0415  # seconds

    try:
        weights = torchvision.models.get_weight(name.removeprefix(TORCHVISION))
        state: State = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # of network, disk, or a name that is not there
        words = str(error).splitlines() or [type(error).__name__]
        raise ConfigError(f"{name}: {words[0]}") from error
    return state


def starting_from(settings: Settings, folder: Path) -> Settings:
    """What is begun with by its absolute path, so that the run goes on from anywhere.

    It must be there, and not be what is replaced.
    """
    if settings.start_from is None:
        return settings
    start = Path(settings.start_from).resolve()
    try:
        load_bundle(start, nodes=())
    except DdnnError as error:
        raise ConfigError(f"--start-from {error}") from error
    if folder.resolve() in (start, start.parent):
        raise ConfigError(f"--start-from {start}: is to be replaced itself, want another --out")
    return settings.model_copy(update={"start_from": path_to_text(start)})
