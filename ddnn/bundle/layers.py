"""Looks into graphs: what each layer gives, by the layer's name in the torch network."""

from __future__ import annotations

from collections.abc import Iterable

import onnx


def with_layers(content: bytes) -> tuple[bytes, dict[str, str]]:
    """The same model with what each layer gives as further outputs; and their names, by layer.

    In the order in which the layers are done. See ddnn.bundle.graph for the operators' names.
    """
    model = onnx.load_model_from_string(content)
    last: dict[str, str] = {}
    for node in model.graph.node:
        layer, _, operator = node.name.rpartition("/")
        if layer and not operator.startswith("in"):
            last.pop(layer, None)
            last[layer] = node.output[0]
    known = {value.name for value in model.graph.output}
    wanted = dict.fromkeys(name for name in last.values() if name not in known)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    return model.SerializeToString(), last


def ends_of(model: onnx.ModelProto, layers: Iterable[str]) -> dict[str, str]:
    """The value that each layer gives, its own layers' operators included; by the layer's name."""
    found = {}
    for node in model.graph.node:
        for layer in layers:
            if node.name == layer or node.name.startswith(f"{layer}."):
                found[layer] = node.output[0]
    return found


def up_to(model: onnx.ModelProto, value: str) -> bytes:
    """The part of a model, as `traced` gives it, that computes one value."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph, needed, nodes = part.graph, {value}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    del graph.node[:], graph.output[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    for node in graph.node:
        node.name = ""  # a layer's operators share theirs, which ONNX Runtime refuses
    graph.initializer.extend(x for x in model.graph.initializer if x.name in needed)
    graph.output.append(onnx.ValueInfoProto(name=value))
    content: bytes = part.SerializeToString()
    return content
