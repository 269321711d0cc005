"""ddnn's own layers as operators of an ONNX graph, with their weights as they are used.

Where a sign follows a batch norm the two become one comparison, `a x >= -b`, which rounds as
`a x + b >= 0` does. A batch norm after a layer of finer activations is folded into its weights,
unless these are of few bits and their sums exact. Each function gives the name of its result.
Axes: N samples, K classes, F filters.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from ddnn.bundle.onnx_graph import Graph
from ddnn.model.binary import FEW_BITS, whole_steps
from ddnn.model.blocks import Convolution, Linear, Norm1d, Norm2d, scale_and_shift
from ddnn.model.exits import FLOAT16_MAX
from ddnn.topology import INT8_STEPS, ScoreType


def rounded_scores(graph: Graph, scores: str, score_type: ScoreType) -> str:
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


def convolution_activate(graph: Graph, conv: Convolution, norm: Norm2d, x: str, bits: int) -> str:
    if bits == 1:  # keeps the sums of signs whole
        return norm_activate(graph, norm, convolution(graph, conv, x), bits)
    return activate(graph, convolution_norm(graph, conv, norm, x), bits)


def convolution_norm(graph: Graph, conv: Convolution, norm: Norm2d, x: str) -> str:
    """Folded, unless the convolution's sums are exact: signs of the result must be torch's."""
    if conv.bits == 32 and not conv.sums_pixels:
        return convolution(graph, conv, x, norm)
    a_F, b_F = (array[:, None, None] for array in _scale_and_shift(norm))
    scaled = graph.add("Mul", convolution(graph, conv, x), graph.constant(a_F))
    return graph.add("Add", scaled, graph.constant(b_F))


def convolution(graph: Graph, conv: Convolution, x: str, norm: Norm2d | None = None) -> str:
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


def linear(graph: Graph, linear: Linear, norm: Norm1d, x: str) -> str:
    """The layer with its batch norm folded in; x is (N, inputs)."""
    a_K, b_K = _scale_and_shift(norm)
    weight = graph.constant((_used(linear) * a_K[:, None]).T)
    return graph.add("Gemm", x, weight, graph.constant(b_K))


def norm_activate(graph: Graph, norm: Norm2d, x: str, bits: int) -> str:
    a_F, b_F = _scale_and_shift(norm)
    scaled = graph.add("Mul", x, graph.constant(a_F[:, None, None]))
    if bits == 1:
        return signs(graph, scaled, graph.constant(-b_F[:, None, None]))
    return activate(graph, graph.add("Add", scaled, graph.constant(b_F[:, None, None])), bits)


def activate(graph: Graph, x: str, bits: int) -> str:
    if bits == 32:
        return graph.add("Relu", x)
    if bits == 1:
        return signs(graph, x, graph.number(0.0))
    steps = graph.number(2**bits - 1)
    x = graph.add("Clip", x, graph.number(0.0), graph.number(1.0))
    return graph.add("Div", graph.add("Round", graph.add("Mul", x, steps)), steps)


def signs(graph: Graph, x: str, threshold: str) -> str:
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
