"""Looks into a bundle's graph: what each layer gives, by the layer's name in the torch network."""

from __future__ import annotations

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
