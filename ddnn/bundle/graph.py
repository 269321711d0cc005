"""Writes sections and exits as ONNX graphs, block by block, with their weights as they are used.

The graphs of ddnn's own blocks are built by hand and not traced: a handful of operators each, in
milliseconds. A module of the user's is traced (ddnn.bundle.traced) and put in its place. An
operator's name begins with the layer of the torch network that it belongs to.
Where a sign follows a batch norm the two become one comparison, `a x >= -b`, which rounds as
`a x + b >= 0` does. A batch norm after a layer of finer activations is folded into its weights,
unless these are of few bits and their sums exact.
Axes: N samples, M members, K classes, F filters, H, W.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ddnn.bundle.traced import foreign, traced
from ddnn.errors import ConfigError
from ddnn.model.aggregate import Fusion, LearnedFusion
from ddnn.model.binary import FEW_BITS, whole_steps
from ddnn.model.blocks import (
    BlockModule,
    ConvBlock,
    Convolution,
    ConvPBlock,
    FCBlock,
    Linear,
    Norm1d,
    Norm2d,
    ResidualBlock,
    scale_and_shift,
)
from ddnn.model.exits import FLOAT16_MAX, ExitFusion, Head
from ddnn.model.onnx_block import OnnxBlock
from ddnn.model.own_module import ModuleBlock
from ddnn.model.scaling import STEPS, Pixels, Readings
from ddnn.model.sections import Section
from ddnn.topology import INT8_STEPS, ScoreType, Shape, ViewType

OPSET, IR_VERSION = 18, 8
"""Read by every onnxruntime from 1.14 on; the lowest opset of torch's own exporter."""
AnyFusion = Fusion | LearnedFusion
LOWEST = float(np.finfo(np.float32).min)


class Graph:
    """An ONNX graph under construction. Values are known by their names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.layer = ""
        """Of the torch network, which the operators that follow belong to: begins their names."""

    def input(self, name: str, shape: tuple[int, ...], kind: ViewType = "float32") -> str:
        """Declares an input; the batch axis goes in front."""
        element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, element, ["N", *shape]))
        return name

    def output(self, name: str, value: str, shape: tuple[int, ...]) -> None:
        """Gives a value the name of an output; the batch axis goes in front."""
        for node in self._nodes:
            for names in (node.input, node.output):
                for index, old in enumerate(names):
                    if old == value:
                        names[index] = name
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
        self._outputs.append(info)

    def constant(self, array: NDArray[Any]) -> str:
        """A weight or other fixed array."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, value: float, *shape: int) -> str:
        """A float32 constant of one value."""
        return self.constant(np.full(shape, value, dtype=np.float32))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Appends an operator; gives the name of its result."""
        name = f"v{len(self._nodes)}"
        label = f"{self.layer}/{operator}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=label, **attributes))
        return name

    def inline(self, model: onnx.ModelProto, *inputs: str) -> str:
        """Appends all operators of a model that takes these inputs; gives the name of its result.

        The operators' names are those of the model's own layers.
        """
        prefix = f"m{len(self._nodes)}_"
        inner = onnx.compose.add_prefix(model, prefix, rename_nodes=False).graph
        for number, node in enumerate(inner.node, start=len(self._nodes)):
            layer = f"{self.layer}.{node.name}".removesuffix(".")
            node.name = f"{layer}/{node.op_type}.{number}"
        self._nodes += [
            helper.make_node("Identity", [x], [value.name], name=f"{self.layer}/in{place}")
            for place, (x, value) in enumerate(zip(inputs, inner.input, strict=True))
        ]
        self._nodes += inner.node
        self._constants += inner.initializer
        return str(inner.output[0].name)

    def build(self) -> bytes:
        """The checked model, serialized."""
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ddnn",
        )
        onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content


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
        x = _norm_activate(graph, section.quantizer.norm, x, section.quantizer.bits)
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
        fused = _linear(graph, fusion.linear, fusion.norm, fused)
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
            x = _convolution(graph, block.conv, x)
            step = block.pool_stride
            x = graph.add(
                "MaxPool",
                x,
                kernel_shape=block.pool,
                strides=[step, step],
                pads=block.pool_padding * 2,
            )
            return _norm_activate(graph, block.norm, x, block.output_bits)
        case ConvBlock():
            return _convolution_activate(graph, block.conv, block.norm, x, block.output_bits)
        case ResidualBlock():
            return _residual(graph, block, x)
        case FCBlock():
            x = graph.add("Flatten", x, axis=1)
            x = _linear(graph, block.linear, block.norm, x)
            x = _activate(graph, x, block.output_bits)
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
    y = x if block.norm0 is None else _norm_activate(graph, block.norm0, x, bits)
    y = _convolution_activate(graph, block.conv1, block.norm1, y, bits)
    y = _convolution_norm(graph, block.conv2, block.norm2, y)
    if block.shortcut is not None:
        x = _convolution(graph, block.shortcut, x, block.shortcut_norm)
    return graph.add("Relu", graph.add("Add", x, y))


def _head(graph: Graph, head: Head, x: str) -> str:
    x = _blocks(graph, head.blocks, x, "head.blocks")
    graph.layer = "head"
    if head.pool != (1, 1):
        x = graph.add("AveragePool", x, kernel_shape=head.pool, strides=head.pool)
    scores = _linear(graph, head.linear, head.norm, graph.add("Flatten", x, axis=1))
    return _rounded_scores(graph, scores, head.score_type)


def _rounded_scores(graph: Graph, scores: str, score_type: ScoreType) -> str:
    match score_type:
        case "float32":
            return scores
        case "float16":
            limits = graph.number(-FLOAT16_MAX), graph.number(FLOAT16_MAX)
            half = graph.add("Cast", graph.add("Clip", scores, *limits), to=TensorProto.FLOAT16)
            return graph.add("Cast", half, to=TensorProto.FLOAT)
        case "int8":
            steps = graph.number(INT8_STEPS)
            codes = graph.add("Round", graph.add("Mul", scores, steps))
            limits = graph.number(-128), graph.number(127)
            return graph.add("Div", graph.add("Clip", codes, *limits), steps)


def _convolution_activate(graph: Graph, conv: Convolution, norm: Norm2d, x: str, bits: int) -> str:
    if bits == 1:  # keeps the sums of signs whole
        return _norm_activate(graph, norm, _convolution(graph, conv, x), bits)
    return _activate(graph, _convolution_norm(graph, conv, norm, x), bits)


def _convolution_norm(graph: Graph, conv: Convolution, norm: Norm2d, x: str) -> str:
    """Folded, unless the convolution's sums are exact: signs of the result must be torch's."""
    if conv.bits == 32 and not conv.sums_pixels:
        return _convolution(graph, conv, x, norm)
    a_F, b_F = (array[:, None, None] for array in _scale_and_shift(norm))
    scaled = graph.add("Mul", _convolution(graph, conv, x), graph.constant(a_F))
    return graph.add("Add", scaled, graph.constant(b_F))


def _convolution(graph: Graph, conv: Convolution, x: str, norm: Norm2d | None = None) -> str:
    """The convolution, with a batch norm folded in where one is given."""
    weight, constants = _used(conv), []
    if conv.bits in FEW_BITS:
        x = graph.add("Mul", x, graph.number(whole_steps(conv.bits)))
    if norm is not None:
        a_F, b_F = _scale_and_shift(norm)
        weight = weight * a_F[:, None, None, None]
        constants = [graph.constant(b_F)]
    return graph.add(
        "Conv",
        x,
        graph.constant(weight),
        *constants,
        kernel_shape=weight.shape[2:],
        strides=[conv.stride] * 2,
        pads=conv.padding * 2,
    )


def _linear(graph: Graph, linear: Linear, norm: Norm1d, x: str) -> str:
    """The layer with its batch norm folded in; x is (N, inputs)."""
    a_K, b_K = _scale_and_shift(norm)
    weight = graph.constant((_used(linear) * a_K[:, None]).T)
    return graph.add("Gemm", x, weight, graph.constant(b_K))


def _norm_activate(graph: Graph, norm: Norm2d, x: str, bits: int) -> str:
    a_F, b_F = _scale_and_shift(norm)
    scaled = graph.add("Mul", x, graph.constant(a_F[:, None, None]))
    if bits == 1:
        return _signs(graph, scaled, graph.constant(-b_F[:, None, None]))
    return _activate(graph, graph.add("Add", scaled, graph.constant(b_F[:, None, None])), bits)


def _activate(graph: Graph, x: str, bits: int) -> str:
    if bits == 32:
        return graph.add("Relu", x)
    if bits == 1:
        return _signs(graph, x, graph.number(0.0))
    steps = graph.number(2**bits - 1)
    x = graph.add("Clip", x, graph.number(0.0), graph.number(1.0))
    return graph.add("Div", graph.add("Round", graph.add("Mul", x, steps)), steps)


def _signs(graph: Graph, x: str, threshold: str) -> str:
    """+1 where x >= threshold, else -1."""
    at_least = graph.add("GreaterOrEqual", x, threshold)
    return graph.add("Where", at_least, graph.number(1.0), graph.number(-1.0))


def _used(layer: Convolution | Linear) -> NDArray[np.float32]:
    with torch.no_grad():
        return layer.used_weight.cpu().numpy()


def _scale_and_shift(norm: Norm1d | Norm2d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """a and b of a trained batch norm as a x + b, in float32 as torch computes them."""
    with torch.no_grad():
        a_F, b_F = scale_and_shift(norm)
    return a_F.cpu().numpy(), b_F.cpu().numpy()
