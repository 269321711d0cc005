"""Turns a module into an ONNX graph by torch's own exporter, for batches of any size."""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import onnx.version_converter
import torch
from torch import nn

from ddnn.errors import ConfigError

ROWS = 2
"""Of the example: torch takes a size of 1 for a constant."""
_SCOPES = "pkg.torch.onnx.name_scopes"


def traced(module: nn.Module, *shapes: tuple[int, ...], opset: int) -> onnx.ModelProto:
    """The module in evaluation as a model of one output, N free.

    shapes: of its inputs, without the batch, for example (F, H, W).

    Each operator's name is that of the layer that it comes from, for example `net.features.3`;
    nothing else of the exporter's notes is kept: they hold paths of this machine.
    Raises ConfigError where torch cannot export it, or only for one size of batch.
    """
    was_training = module.training
    device = next(_tensors(module)).device
    examples = tuple(torch.zeros(ROWS, *shape, device=device) for shape in shapes)
    rows = torch.export.Dim("N", min=1)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                examples,
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=tuple({0: rows} for _ in shapes),
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises of everything
        raise ConfigError(f"export: {_first_line(error)}") from error
    finally:
        module.train(was_training)
    assert program is not None
    model = program.model_proto
    _check(model, opset)
    for node in model.graph.node:
        node.name = _layer(node)
        _forget(node)
    del model.graph.value_info[:]
    return model


def foreign(content: bytes, *, opset: int) -> onnx.ModelProto:
    """Somebody else's model, to be put into a graph of this opset; its operators have no names.

    Raises ConfigError where it has operators that are not ONNX's own, or cannot be brought to this
    opset.
    """
    model = onnx.load_model_from_string(content)
    strange = sorted(
        {node.domain for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    )
    if strange or model.functions:
        raise ConfigError(f"uses {', '.join(strange) or 'functions'}, want ONNX's own operators")
    try:
        if any(entry.version != opset for entry in model.opset_import if not entry.domain):
            model = onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # of operators that the converter does not know
        raise ConfigError(f"cannot be brought to opset {opset}: {_first_line(error)}") from error
    constants = {value.name for value in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:], model.graph.value_info[:]
    model.graph.input.extend(inputs)
    for node in model.graph.node:
        node.name = ""
        _forget(node)
    return model


def _layer(node: onnx.NodeProto) -> str:
    """Of the module: the last scope that is one of its parts, not an operation."""
    notes = {note.key: note.value for note in node.metadata_props}
    scopes: list[str] = ast.literal_eval(notes.get(_SCOPES, "['']"))
    return scopes[-2] if len(scopes) > 1 else ""


def _forget(node: onnx.NodeProto) -> None:
    del node.metadata_props[:]
    node.doc_string = ""
    for attribute in node.attribute:
        inside = [attribute.g] if attribute.HasField("g") else []
        for graph in (*inside, *attribute.graphs):
            del graph.metadata_props[:]
            for inner in graph.node:
                _forget(inner)


def _check(model: onnx.ModelProto, opset: int) -> None:
    """Whether every runtime can run it."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    sizes = [
        value.type.tensor_type.shape.dim[0] for value in (*model.graph.input, *model.graph.output)
    ]
    if not sizes[0].dim_param or any(size.dim_param != sizes[0].dim_param for size in sizes):
        raise ConfigError("export: is for one size of batch only, want it to take any")
    used = {node.domain for node in model.graph.node if node.domain}
    if used or model.functions or versions.get("") != opset:
        strange = sorted(used) or [f"opset {versions.get('')}"]
        raise ConfigError(
            f"export: uses {', '.join(strange)}, want ONNX's own operators of opset {opset}"
        )


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
    yield torch.zeros(0)


def _first_line(error: BaseException) -> str:
    """What went wrong, of the error that is behind torch's own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints, warns and logs of what is no matter here."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
