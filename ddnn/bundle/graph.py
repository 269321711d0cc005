"""Writes sections and exits as ONNX graphs, block by block.

The graphs of ddnn's own blocks are built by hand and not traced: a handful of operators each, in
milliseconds. A module of the user's is traced (ddnn.bundle.traced) and put in its place. An
operator's name begins with the layer of the torch network that it belongs to.
Axes: N samples, M members, K classes, F filters, H, W.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto
from torch import nn

from ddnn.bundle.onnx_graph import OPSET, Graph
from ddnn.bundle.operators import (
    activate,
    convolution,
    convolution_activate,
    convolution_norm,
    linear,
    norm_activate,
    rounded_scores,
)
from ddnn.bundle.traced import foreign, traced
from ddnn.errors import ConfigError
from ddnn.model.aggregate import Fusion, LearnedFusion
from ddnn.model.blocks import BlockModule, ConvBlock, ConvPBlock, FCBlock, ResidualBlock
from ddnn.model.exits import ExitFusion, Head
from ddnn.model.onnx_block import OnnxBlock
from ddnn.model.own_module import ModuleBlock
from ddnn.model.scaling import STEPS, Pixels, Readings
from ddnn.model.sections import Section
from ddnn.topology import Shape

AnyFusion = Fusion | LearnedFusion
LOWEST = float(np.finfo(np.float32).min)


def section_graph(
    section: Section,
    *,
    name: str,
    inputs: list[Shape],
    features: Shape,
    classes: int,
) -> bytes:
    """A node's section; `inputs` are its children's feature shapes, or its one view's."""
    graph = Graph(name)
    if section.scaling is not None:
        views = graph.input("views", tuple(inputs[0]), section.view_type)
        x = _scaled(graph, section.scaling, views)
    else:
        x = _fused_maps(graph, section.fusion, inputs)
    x = _blocks(graph, section.blocks, x, "blocks")
    scores = None if section.head is None else _head(graph, section.head, x)
    if section.quantizer is not None:
        graph.layer = "quantizer"
        x = norm_activate(graph, section.quantizer.norm, x, section.quantizer.bits)
    if section.sends_features:
        graph.output("features", x, tuple(features))
    if scores is not None:
        graph.output("scores", scores, (classes,))
    return graph.build()


def exit_graph(fusion: ExitFusion, *, name: str, members: int, classes: int) -> bytes:
    """An exit: the members' scores to logits."""
    graph = Graph(name)
    scores = graph.input("scores", (members, classes))
    present = graph.input("present", (members,))
    graph.layer = "fusion"
    fused = _fused(graph, fusion.fusion, scores, present, axes=1)
    graph.layer = "linear"
    if fusion.linear is not None and fusion.norm is not None:
        fused = linear(graph, fusion.linear, fusion.norm, fused)
    graph.output("logits", fused, (classes,))
    return graph.build()


def _scaled(graph: Graph, scaling: Pixels | Readings, views: str) -> str:
    x = graph.add("Cast", views, to=TensorProto.FLOAT)
    if isinstance(scaling, Pixels):
        return graph.add("Div", x, graph.number(scaling.scale))
    mean, factor = (
        graph.constant(values_C.cpu().numpy()[:, None, None])
        for values_C in (scaling.mean_C, scaling.factor_C)
    )
    x = graph.add("Mul", graph.add("Sub", x, mean), factor)
    if not scaling.rounds:
        return x
    steps = graph.number(STEPS)
    codes = graph.add("Round", graph.add("Mul", x, steps))
    return graph.add("Div", graph.add("Clip", codes, graph.number(-128), graph.number(127)), steps)


def _fused_maps(graph: Graph, fusion: AnyFusion | None, inputs: list[Shape]) -> str:
    features = [graph.input(f"features_{m}", tuple(shape)) for m, shape in enumerate(inputs)]
    present = graph.input("present", (len(inputs),))
    graph.layer = "fusion"
    if isinstance(fusion, Fusion) and fusion.name == "concat":
        if len({shape[1:] for shape in inputs}) > 1:
            features = [_in_a_row(graph, maps) for maps in features]
            inputs = [Shape(shape.values, 1, 1) for shape in inputs]
        together = graph.add("Concat", *features, axis=1) if len(inputs) > 1 else features[0]
        owner = np.repeat(np.arange(len(inputs)), [shape.F for shape in inputs])
        mask = graph.add("Gather", present, graph.constant(owner), axis=1)
        mask = graph.add("Unsqueeze", mask, graph.constant(np.array([2, 3])))
        return graph.add("Mul", together, mask)
    axis = graph.constant(np.array([1]))
    stacked = graph.add("Concat", *(graph.add("Unsqueeze", f, axis) for f in features), axis=1)
    assert fusion is not None
    return _fused(graph, fusion, stacked, present, axes=3)


def _in_a_row(graph: Graph, maps: str) -> str:
    """(N, F, H, W) -> (N, F H W, 1, 1)."""
    flat = graph.add("Flatten", maps, axis=1)
    return graph.add("Unsqueeze", flat, graph.constant(np.array([2, 3])))


def _fused(graph: Graph, fusion: AnyFusion, values: str, present: str, *, axes: int) -> str:
    """values (N, M, ...) with `axes` axes after M, present (N, M) -> (N, ...)."""
    if isinstance(fusion, LearnedFusion):
        return graph.inline(_traced(graph, fusion.net, *fusion.shapes), values, present)
    aggregator = fusion.name
    mask = graph.add("Unsqueeze", present, graph.constant(np.arange(2, 2 + axes)))
    if aggregator == "max":
        there = graph.add("Greater", mask, graph.number(0.5))
        masked = graph.add("Where", there, values, graph.number(LOWEST))
        member = graph.constant(np.array([1]))
        largest = graph.add("ReduceMax", masked, member, keepdims=0)
        return graph.add("Mul", largest, graph.add("ReduceMax", mask, member, keepdims=0))
    masked = graph.add("Mul", values, mask)
    if aggregator == "concat":
        return graph.add("Flatten", masked, axis=1)
    member = graph.constant(np.array([1]))
    total = graph.add("ReduceSum", masked, member, keepdims=0)
    count = graph.add("ReduceSum", mask, member, keepdims=0)
    return graph.add("Div", total, graph.add("Max", count, graph.number(1.0)))


def _blocks(graph: Graph, blocks: nn.Sequential, x: str, layer: str) -> str:
    for number, block in enumerate(blocks):
        graph.layer = f"{layer}.{number}"
        x = _block(graph, block, x)  # type: ignore[arg-type]  # Sequential holds modules
    return x


def _block(graph: Graph, block: BlockModule, x: str) -> str:
    match block:
        case ConvPBlock():
            x = convolution(graph, block.conv, x)
            step = block.pool_stride
            x = graph.add(
                "MaxPool",
                x,
                kernel_shape=block.pool,
                strides=[step, step],
                pads=block.pool_padding * 2,
            )
            return norm_activate(graph, block.norm, x, block.output_bits)
        case ConvBlock():
            return convolution_activate(graph, block.conv, block.norm, x, block.output_bits)
        case ResidualBlock():
            return _residual(graph, block, x)
        case FCBlock():
            x = graph.add("Flatten", x, axis=1)
            x = linear(graph, block.linear, block.norm, x)
            x = activate(graph, x, block.output_bits)
            return graph.add("Unsqueeze", x, graph.constant(np.array([2, 3])))
        case ModuleBlock():
            return graph.inline(_traced(graph, block, block.input_shape), x)
        case OnnxBlock():
            return _maps(graph, graph.inline(_foreign(graph, block), x), block.output_rank)


def _maps(graph: Graph, x: str, rank: int) -> str:
    """(N, F) or (N, F, L) as maps, see ddnn.model.own_module."""
    axes = {2: [2, 3], 3: [2], 4: []}[rank]
    return graph.add("Unsqueeze", x, graph.constant(np.array(axes))) if axes else x


def _foreign(graph: Graph, block: OnnxBlock) -> onnx.ModelProto:
    try:
        return foreign(block.model(), opset=OPSET)
    except ConfigError as error:
        raise ConfigError(f"{graph.name}: {graph.layer}: {block.file}: {error}") from error


def _traced(graph: Graph, module: nn.Module, *shapes: tuple[int, ...]) -> onnx.ModelProto:
    try:
        return traced(module, *shapes, opset=OPSET)
    except ConfigError as error:
        raise ConfigError(f"{graph.name}: {graph.layer}: {error}") from error


def _residual(graph: Graph, block: ResidualBlock, x: str) -> str:
    bits = block.inner_bits
    y = x if block.norm0 is None else norm_activate(graph, block.norm0, x, bits)
    y = convolution_activate(graph, block.conv1, block.norm1, y, bits)
    y = convolution_norm(graph, block.conv2, block.norm2, y)
    if block.shortcut is not None:
        x = convolution(graph, block.shortcut, x, block.shortcut_norm)
    return graph.add("Relu", graph.add("Add", x, y))


def _head(graph: Graph, head: Head, x: str) -> str:
    x = _blocks(graph, head.blocks, x, "head.blocks")
    graph.layer = "head"
    if head.pool != (1, 1):
        x = graph.add("AveragePool", x, kernel_shape=head.pool, strides=head.pool)
    scores = linear(graph, head.linear, head.norm, graph.add("Flatten", x, axis=1))
    return rounded_scores(graph, scores, head.score_type)
