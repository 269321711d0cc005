"""Finds what an ONNX model keeps outside its file: no hash of the file covers it.

ONNX is protobuf: fields of a number and a wire type (0 varint, 1 eight bytes, 2 a length and as
many bytes, 5 four bytes). Only the messages that lead to a tensor are entered, see onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ddnn.errors import BundleError

_TENSOR = "tensor"
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
"""By message, which fields hold which messages."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MAX_VARINT = 10


def check_model(path: Path, content: bytes) -> None:
    """Raises BundleError unless the model is whole in its file. path: of the file."""
    try:
        outside = has_external_data(content)
    except ValueError as error:
        raise BundleError(f"{path}: not an ONNX model: {error}") from error
    if outside:
        raise BundleError(
            f"{path}: keeps weights in another file, which no hash covers; want them all in it"
        )


def has_external_data(content: bytes) -> bool:
    """Whether a tensor of the model is, or may be, in another file.

    Raises ValueError for what is no ONNX model.
    """
    waiting = [("model", memoryview(content))]
    while waiting:
        kind, message = waiting.pop()
        for number, value in _fields(message):
            if kind == _TENSOR and number in (_EXTERNAL_DATA, _DATA_LOCATION) and value != 0:
                return True
            inside = _INSIDE[kind].get(number)
            if inside is not None:
                if isinstance(value, int):
                    raise ValueError(f"field {number} of a {kind} is no message")
                waiting.append((inside, value))
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each; the value of a fixed-size number is left out as -1."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        if key >= 1 << 32:
            raise ValueError("a key of more than 32 bits")
        number, wire = key >> 3, key & 7
        value: int | memoryview = -1
        if wire == 0:
            value, place = _varint(message, place)
        elif wire == 2:
            length, place = _varint(message, place)
            value = message[place : place + length]
            place += length
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or place > len(message):
            raise ValueError("a field that is cut off")
        yield number, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """The number there and the place behind it."""
    value = 0
    for count in range(_MAX_VARINT):
        if place + count >= len(message):
            break
        byte = message[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError("a number that is cut off")
