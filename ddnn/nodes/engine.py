"""Runs a bundle's ONNX file. The only file that imports onnxruntime.

Axes: N is the batch of every array.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.external import check_model
from ddnn.errors import BundleError

# From 1.29 on its import starts a thread that reports to its maker and keeps a database at home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort  # reads the line above, once

_NOTHING = (
    b"\x08\x08\x3a\x2f"  # an ONNX model of IR version 8: its graph is 47 bytes
    b"\x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity"  # one node, from x to y
    b"\x12\x01g"
    b"\x5a\x0b\x0a\x01x\x12\x06\x0a\x04\x08\x01\x12\x00"  # x is a float, and so is y
    b"\x62\x0b\x0a\x01y\x12\x06\x0a\x04\x08\x01\x12\x00"
    b"\x42\x02\x10\x11"  # operators of version 17
)


def begin_runtime() -> None:
    """Does what the first session of a process does once: a third of what a session costs.

    No thread is left.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    ort.InferenceSession(_NOTHING, options, providers=["CPUExecutionProvider"])


_TYPES: dict[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
}
"""Of inputs and outputs that can be bound; a model with others is run as it is."""


AT_ONCE = 8
"""Rows that a run takes at most. ONNX Runtime keeps the memory of its largest run: with all 64 rows
of a message the default cloud grew by 12.6 MB as batches grew, with 8 by 1.4, and a row costs no
less there (experiments/runtime/batches.py)."""


class Engine:
    """One loaded section or exit, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Loads the file. Raises BundleError naming it when ONNX Runtime refuses it.

        One thread, no spinning: with several nodes on one machine ONNX Runtime's defaults would
        burn every core in waiting.
        """
        self._path = path
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}") from error
        check_model(path, content)
        try:
            self._session = ort.InferenceSession(
                content,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["ConvMulFusion"],  # keeps sums of signs whole
            )
        except Exception as error:  # onnxruntime's errors share no other base
            raise BundleError(f"{path}: not an ONNX model: {str(error).splitlines()[0]}") from error
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        self.outputs = tuple(value.name for value in self._session.get_outputs())
        values = (*self._session.get_inputs(), *self._session.get_outputs())
        self._binds = all(map(_can_be_bound, values))
        self._alone: _BatchOfOne | None = None

    def check(
        self, *, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Raises BundleError unless these are what the model takes and gives.

        Shapes by name, without the batch axis.
        """
        both = (
            ("takes", self._session.get_inputs(), inputs),
            ("gives", self._session.get_outputs(), outputs),
        )
        for verb, values, shapes in both:
            found = {value.name: list(value.shape[1:]) for value in values}
            wanted = {name: list(shape) for name, shape in shapes.items()}
            if found != wanted:
                raise BundleError(f"{self._path}: {verb} {found}, want {wanted}")

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """The outputs by name, a row for each of the inputs' rows. An inner value of a graph that
        has none, such as a constant, comes as it is."""
        rows = len(inputs[self.inputs[0]])
        if rows <= AT_ONCE:
            return self._run(inputs)
        starts = range(0, rows, AT_ONCE)
        parts = [
            self._run({name: values[at : at + AT_ONCE] for name, values in inputs.items()})
            for at in starts
        ]
        counts = [min(AT_ONCE, rows - at) for at in starts]
        return {name: _joined([part[name] for part in parts], counts) for name in self.outputs}

    def _run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        if self._binds and len(inputs[self.inputs[0]]) == 1:
            if self._alone is None:
                self._alone = _BatchOfOne(self._session)
            return self._alone.run(inputs)
        values = self._session.run(None, dict(inputs))
        return dict(zip(self.outputs, values, strict=True))


def _can_be_bound(value: Any) -> bool:
    has_rows = bool(value.shape) and not isinstance(value.shape[0], int)
    return (
        value.type in _TYPES and has_rows and all(isinstance(size, int) for size in value.shape[1:])
    )


def _joined(parts: Sequence[NDArray[np.float32]], rows: Sequence[int]) -> NDArray[np.float32]:
    """What several runs gave for so many rows each; where that is no row each, the first one's."""
    if [part.shape[:1] for part in parts] != [(count,) for count in rows]:
        return parts[0]
    return np.concatenate(parts)


class _BatchOfOne:
    """A session whose inputs and outputs are bound once to buffers for a single row.

    So a run makes no values of ONNX Runtime's own: cold, that takes as long as a small section.
    """

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._inputs = {
            value.name: np.zeros((1, *value.shape[1:]), _TYPES[value.type])
            for value in session.get_inputs()
        }
        for name, buffer in self._inputs.items():
            self._binding.bind_cpu_input(name, buffer)
        self._outputs = {
            value.name: np.zeros((1, *value.shape[1:]), _TYPES[value.type])
            for value in session.get_outputs()
        }
        for name, buffer in self._outputs.items():
            place = buffer.ctypes.data
            self._binding.bind_output(name, "cpu", 0, buffer.dtype, buffer.shape, place)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See Engine. What is returned is the caller's own."""
        for name, buffer in self._inputs.items():
            buffer[:] = inputs[name]
        self._session.run_with_iobinding(self._binding)
        return {name: buffer.copy() for name, buffer in self._outputs.items()}
