"""A frozen section from an ONNX file: ONNX Runtime runs it in training too, without gradients.

The file itself is a buffer of the network, so that checkpoints and bundles hold it.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ddnn import blocks as described
from ddnn.blocks import MeasuredFile
from ddnn.bundle.external import check_model
from ddnn.errors import BundleError, ConfigError, ShapeError
from ddnn.model.own_module import as_maps
from ddnn.nodes.engine import Engine
from ddnn.plainfile import read_plain
from ddnn.topology import Shape

MAX_BYTES = 1 << 28
"""A section of a device's; checkpoints hold it twice."""


class OnnxBlock(nn.Module):
    """float32 maps in and out; nothing below it can learn."""

    def __init__(self, block: described.Onnx, shape: Shape) -> None:
        """Raises ConfigError before the file was measured."""
        super().__init__()
        if block.measured is None:
            raise ConfigError(f"{block.file}: not measured, want a topology that training has read")
        self.output_bits = 32
        self.input_shape = shape
        self.file = block.file
        self.sha256 = block.measured.sha256
        self._engine: Engine | None = None
        self.register_buffer("content", torch.zeros(block.measured.size, dtype=torch.uint8))

    def take(self) -> None:
        """Reads the file. Raises ConfigError where it is no longer the one that was measured."""
        content = read_model(self.file)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ConfigError(f"{self.file}: changed since it was measured")
        self.get_buffer("content").copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))

    def model(self) -> bytes:
        """The file's content. Raises BundleError where it is another's."""
        content = self.get_buffer("content").cpu().numpy().tobytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise BundleError(f"{self.file}: not the model that was measured")
        return content

    @property
    def output_rank(self) -> int:
        """Axes of what the model gives: 2 for (N, F), 3 for (N, F, L), 4 for maps."""
        engine = open_model(self.model(), self.file)
        return _run(engine, torch.zeros(1, *self.input_shape)).dim()

    def forward(self, x: Tensor) -> Tensor:
        """Raises ConfigError where something below it wants to learn."""
        if x.requires_grad:
            raise ConfigError(
                f"{self.file}: is frozen, and what lies below it cannot learn; want it first in a "
                "device's section, or freeze what is below"
            )
        if self._engine is None:
            self._engine = open_model(self.model(), self.file)
        return as_maps(_run(self._engine, x))


def measure_file(block: described.Onnx, shape: Shape) -> MeasuredFile:
    """Runs the file's model once for an input of this shape.

    Raises ConfigError where it is missing, too large, no whole ONNX model of one float32 input and
    output, fails, or takes one size of batch only.
    """
    content = read_model(block.file)
    engine = open_model(content, block.file)
    if len(engine.inputs) != 1 or len(engine.outputs) != 1:
        raise ConfigError(
            f"{block.file}: takes {len(engine.inputs)} inputs and gives {len(engine.outputs)} "
            "outputs, want one of each"
        )
    try:
        shapes = [tuple(as_maps(_run(engine, torch.zeros(n, *shape))).shape) for n in (1, 2)]
    except ShapeError as error:
        raise ConfigError(f"{block.file}: {error}") from error
    except Exception as error:  # ONNX Runtime's errors share no other base
        words = str(error).splitlines() or [""]
        size = "x".join(map(str, shape))
        raise ConfigError(
            f"{block.file}: run on 1 and 2 maps of {size}: {words[0]}; want float32 and a free "
            "batch"
        ) from error
    if [s[0] for s in shapes] != [1, 2]:
        raise ConfigError(f"{block.file}: gives {shapes} for 1 and 2 maps, want a free batch")
    found = MeasuredFile(
        shape=(shapes[0][1], shapes[0][2], shapes[0][3]),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    if block.measured is not None and block.measured.sha256 != found.sha256:
        raise ConfigError(f"{block.file}: changed since it was measured")
    return found


def read_model(file: str) -> bytes:
    """Raises ConfigError for a file that is missing, too large or not whole in itself."""
    path = Path(file)
    try:
        content = read_plain(path, MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}, want an ONNX model") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{file}: larger than {MAX_BYTES} bytes, want a smaller section")
    try:
        check_model(path, content)
    except BundleError as error:
        raise ConfigError(str(error)) from error
    return content


def open_model(content: bytes, file: str) -> Engine:
    """Raises ConfigError where ONNX Runtime does not take it."""
    with tempfile.TemporaryDirectory(prefix="ddnn-onnx-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        try:
            return Engine(path)
        except BundleError as error:
            raise ConfigError(f"{file}: {str(error).removeprefix(f'{path}: ')}") from error


def _run(engine: Engine, x: Tensor) -> Tensor:
    given = np.ascontiguousarray(x.detach().cpu().numpy())
    (name,) = engine.outputs
    return torch.from_numpy(engine.run({engine.inputs[0]: given})[name]).to(x.device)
