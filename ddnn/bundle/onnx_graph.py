"""An ONNX graph under construction: operators, constants and names; knows no layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ddnn.topology import ViewType

OPSET, IR_VERSION = 18, 8
"""Read by every onnxruntime from 1.14 on; the lowest opset of torch's own exporter."""


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
