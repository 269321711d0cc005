"""Where to cut a network between a device and a server: what each cut costs, measured.

A cut is a layer through which everything passes. Device times are those of ONNX Runtime with one
thread and one sample on this machine. Axes: N samples, C channels, F filters, H, W.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from ddnn.blocks import Bits, Module
from ddnn.bundle.layers import ends_of, up_to
from ddnn.bundle.onnx_graph import OPSET
from ddnn.bundle.traced import traced
from ddnn.coding.entropy import MapCoder, fit_table
from ddnn.errors import ConfigError, DataError
from ddnn.model.own_module import as_maps, make_module
from ddnn.model.part import Normalize, trace
from ddnn.model.scaling import PIXEL_SCALE
from ddnn.nodes.engine import Engine
from ddnn.topology import SCORE_BYTES, Shape
from ddnn.training.pretrained import load_into

CODED_SAMPLES = 8
"""As many are coded, by a table fitted to the others."""
ROUNDS = 20
"""Runs of a part; the median counts."""
VIEW, WHOLE = "(view)", "(whole)"
"""In place of a layer: nothing, or all of the network runs on the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One place, and what it costs a sample.

    layer: the last one on the device; `(view)`: none, `(whole)`: all. shape: of what is sent.
    device_ms, rest_ms: on the device and behind it. weight_bytes: on the device, float32.
    raw_bytes: what is sent at the bits asked for. coded_bytes: entropy-coded, mean; none where
    nothing is coded. log2_volume: log2 of the number of values that are not 0, mean over samples,
    which papers on cooperative perception give as communication volume (Where2comm, Hu et al.
    2022). break_even_kbps: a slower link makes this quicker than to send the view; none: no link
    does. early_share: part of the samples that an exit on the device has to answer for this to be
    quicker than to send the view over the link asked for; none: not even all of them do.
    """

    layer: str
    shape: tuple[int, ...]
    device_ms: float
    rest_ms: float
    weight_bytes: int
    raw_bytes: int
    coded_bytes: float | None
    log2_volume: float
    break_even_kbps: float | None
    early_share: float | None

    def total_ms(self, link_kbps: float, early_share: float = 0.0) -> float:
        """Mean time of a sample, that share of which the device answers by itself."""
        open_ms = 8 * self.raw_bytes / link_kbps + self.rest_ms
        return self.device_ms + (1 - early_share) * open_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """bits: of a value sent. server_speed: how many times as fast as the device the server is."""

    bits: Bits = 8
    link_kbps: float = 1000.0
    server_speed: float = 10.0


def find_cuts(model: nn.Module) -> tuple[fx.GraphModule, tuple[str, ...]]:
    """The model as one graph of its blocks, and the names of those through which all passes.

    Raises ConfigError for a model that cannot be traced, or has none.
    """
    graph = trace(model.eval(), _blocks(model))
    nodes = list(graph.nodes)
    place = {node: number for number, node in enumerate(nodes)}
    found = []
    for number, node in enumerate(nodes):
        earlier = (n for n in nodes[:number] if n.op != "get_attr")
        past = any(place[user] > number for other in earlier for user in other.users)
        if node.op == "call_module" and not past:
            found.append(str(node.target))
    cuts = tuple(dict.fromkeys(found))
    if len(cuts) < 2:
        raise ConfigError(f"{type(model).__name__}: no layer through which everything passes")
    return fx.GraphModule(model, graph), cuts


def measure_cuts(
    model: nn.Module, inputs_NCHW: Tensor, *, view_bytes: int, conditions: Conditions
) -> tuple[Cut, ...]:
    """Every cut, from the view alone to the whole network; the model is measured as it is.

    inputs_NCHW: float32, as the model wants them; more than CODED_SAMPLES. view_bytes: of a view as
    a device would send it. Raises ConfigError for a model that cannot be cut or exported, DataError
    for too few samples.
    """
    if len(inputs_NCHW) <= CODED_SAMPLES:
        raise DataError(f"cut: {len(inputs_NCHW)} samples, want more than {CODED_SAMPLES}")
    network, layers = find_cuts(model)
    shape = tuple(inputs_NCHW.shape[1:])
    exported = traced(network, shape, opset=OPSET)
    values = ends_of(exported, layers)
    recorded = _record(network, inputs_NCHW, set(values))
    whole_ms = _milliseconds(up_to(exported, exported.graph.output[0].name), inputs_NCHW)
    view = _Sent(VIEW, shape, 0.0, 0, view_bytes, None, _log2_volume(inputs_NCHW.numpy()))
    scores = recorded[layers[-1]]
    whole = _Sent(
        WHOLE, tuple(scores.shape[1:]), whole_ms, _weight_bytes(network, layers),
        SCORE_BYTES["float32"] * scores[0].size, None, _log2_volume(scores),
    )  # fmt: skip
    between = [
        replace(
            _sent(layer, recorded[layer], conditions.bits),
            device_ms=min(_milliseconds(up_to(exported, values[layer]), inputs_NCHW), whole_ms),
            weight_bytes=_weight_bytes(network, layers[: layers.index(layer) + 1]),
        )
        for layer in layers[:-1]
        if layer in values
    ]
    return tuple(_cut(sent, whole_ms, view_bytes, conditions) for sent in (view, *between, whole))


def network_of(factory: str, args: Mapping[str, Any], weights: str | None) -> nn.Module:
    """The module that a factory gives, with the weights of that name, if any.

    Raises ConfigError as a topology's block would.
    """
    made = make_module(Module(kind="module", factory=factory, args=dict(args)))
    if weights is not None:
        load_into(made, weights, source=factory)
    return made


def scaled_pixels(views_NCHW: NDArray[np.uint8], *, imagenet: bool) -> Tensor:
    """As a device's section gets them. imagenet: behind ddnn.model.part.Normalize."""
    inputs_NCHW = torch.from_numpy(views_NCHW.copy()).float() / PIXEL_SCALE
    scaled: Tensor = Normalize()(inputs_NCHW) if imagenet else inputs_NCHW
    return scaled


def threshold_for(sweep: Sequence[Mapping[str, Any]], early_share: float) -> float | None:
    """The lowest threshold at which an exit answers that share; none: at no threshold.

    sweep: rows of a run's thresholds.csv.
    """
    enough = [
        float(row["threshold"]) for row in sweep if float(row.get("local_share", 0)) >= early_share
    ]
    return min(enough, default=None)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A cut before it is compared."""

    layer: str
    shape: tuple[int, ...]
    device_ms: float
    weight_bytes: int
    raw_bytes: int
    coded_bytes: float | None
    log2_volume: float


def _cut(sent: _Sent, whole_ms: float, view_bytes: int, conditions: Conditions) -> Cut:
    rest_ms = (whole_ms - sent.device_ms) / conditions.server_speed
    server_ms = whole_ms / conditions.server_speed
    saved_bits, lost_ms = 8 * (view_bytes - sent.raw_bytes), sent.device_ms + rest_ms - server_ms
    break_even = None
    if sent.layer != VIEW and saved_bits > 0:
        break_even = saved_bits / lost_ms if lost_ms > 0 else math.inf
    all_ms = 8 * view_bytes / conditions.link_kbps + server_ms
    open_ms = 8 * sent.raw_bytes / conditions.link_kbps + rest_ms
    share = 1 - (all_ms - sent.device_ms) / open_ms if open_ms > 0 else 0.0
    return Cut(
        layer=sent.layer,
        shape=sent.shape,
        device_ms=sent.device_ms,
        rest_ms=rest_ms,
        weight_bytes=sent.weight_bytes,
        raw_bytes=sent.raw_bytes,
        coded_bytes=sent.coded_bytes,
        log2_volume=sent.log2_volume,
        break_even_kbps=break_even,
        early_share=None if share > 1 else max(share, 0.0),
    )


def _blocks(model: nn.Module) -> set[str]:
    """Names of the largest modules that are no mere sequence of others."""
    found: set[str] = set()
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{other}.") for other in found)
        if name and not inside and type(module) not in (nn.Sequential, nn.ModuleList):
            found.add(name)
    return found


class _Recorder(fx.Interpreter):
    def __init__(self, network: fx.GraphModule, layers: set[str]) -> None:
        super().__init__(network)
        self.layers = layers
        self.found: dict[str, NDArray[np.float32]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "call_module" and str(n.target) in self.layers:
            self.found[str(n.target)] = as_maps(result).numpy()
        return result


@torch.no_grad()
def _record(
    network: fx.GraphModule, inputs_NCHW: Tensor, layers: set[str]
) -> dict[str, NDArray[np.float32]]:
    recorder = _Recorder(network.eval(), layers)
    recorder.run(inputs_NCHW)
    return recorder.found


def _sent(layer: str, maps_NFHW: NDArray[np.float32], bits: Bits) -> _Sent:
    shape = Shape(*maps_NFHW.shape[1:])
    raw_bytes, coded = math.ceil(shape.values * bits / 8), None
    if bits <= 8:
        steps = _quantized(maps_NFHW, bits)
        table = fit_table(steps[CODED_SAMPLES:], bits)
        codes = MapCoder(shape, bits, table).encode(steps[:CODED_SAMPLES])
        coded = sum(map(len, codes)) / len(codes)
    return _Sent(layer, tuple(shape), 0.0, 0, raw_bytes, coded, _log2_volume(maps_NFHW))


def _quantized(maps_NFHW: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """As features travel: signs about the median, or even steps between the extremes of all."""
    if bits == 1:
        return np.where(maps_NFHW >= np.median(maps_NFHW), 1, -1).astype(np.float32)
    low, high, steps = maps_NFHW.min(), maps_NFHW.max(), 2**bits - 1
    unit = (maps_NFHW - low) / max(high - low, np.float32(1e-12))
    return np.asarray(np.round(unit * steps) / steps, dtype=np.float32)


def _log2_volume(maps: NDArray[np.float32]) -> float:
    counts_N = np.count_nonzero(maps.reshape(len(maps), -1), axis=1)
    return float(np.log2(np.maximum(counts_N, 1)).mean())


def _weight_bytes(network: fx.GraphModule, layers: Sequence[str]) -> int:
    """Of the blocks up to the last of the layers, each weight once."""
    weights: dict[int, int] = {}
    for node in network.graph.nodes:
        if node.op == "call_module":
            for weight in network.get_submodule(str(node.target)).parameters():
                weights[id(weight)] = 4 * weight.numel()
        if str(node.target) == layers[-1]:
            break
    return sum(weights.values())


def _milliseconds(model: bytes, inputs_NCHW: Tensor) -> float:
    """Median over ROUNDS of one sample, after one that does not count."""
    with tempfile.TemporaryDirectory(prefix="ddnn-cut-") as folder:
        path = Path(folder) / "part.onnx"
        path.write_bytes(model)
        engine = Engine(path)
    times = []
    for number in range(ROUNDS + 1):
        x = inputs_NCHW[number % len(inputs_NCHW)][None].numpy()
        begun_s = time.perf_counter()
        engine.run({engine.inputs[0]: x})
        times.append(1000 * (time.perf_counter() - begun_s))
    return median(times[1:])
