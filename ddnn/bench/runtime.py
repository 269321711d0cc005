"""The launched system beside its floor, its ceiling and the naive way, as ratios.

Latency is of one sample at a time, throughput with as many in flight as there may be. Thresholds
are set so that every sample leaves at the exit that is measured; the sections are the run's own.
Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bench import floor
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import MANIFEST
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.nodes.engine import Engine
from ddnn.nodes.gather import SLOTS
from ddnn.run.hosts import check_host
from ddnn.run.launcher.launch import Options, launch
from ddnn.runfolder import is_run
from ddnn.topology import Topology

CEILING_BATCH = 16
IDLE_S = 5.0
Say = Callable[[str], None]


def measure(run: Path, *, samples: int, rounds: int, say: Say) -> dict[str, Any]:
    """Everything once. samples: for each latency. rounds: of 500 samples for throughput.

    Raises ConfigError for a topology that one machine cannot play without keys.
    """
    bundle = load_bundle(run)
    check_host(bundle.topology, None)
    if bundle.topology.security.curve:
        raise ConfigError(f"{run}: its topology has security.curve, want one without")
    if bundle.topology.tiers[0].exit is None:
        raise ConfigError(
            f"{run}: its devices have no exit, want one: the local answer is measured"
        )
    views = random_views(bundle.topology, 500)
    say("plain TCP, bare pyzmq")
    result: dict[str, Any] = {
        "tcp_round_trip_us": percentiles(floor.tcp_round_trips(samples)),
        "tcp_scatter_gather_us": percentiles(floor.tcp_scatter_gather(samples)),
        "zmq_scatter_gather_us": percentiles(floor.zmq_scatter_gather(samples)),
        **compute(bundle, views.views_NVCHW),
    }
    latency = {}
    for name in bundle.topology.exits:
        say(f"latency of the {name} exit, one sample at a time")
        latency[name] = _latency(bundle, views, name, samples)
    say("throughput of the local exit with a full window")
    report = _launch(
        bundle, views, first_exit(bundle.topology), window=SLOTS, rounds=rounds, idle_s=IDLE_S
    )
    result |= {
        "latency_us": latency,
        "throughput_samples_per_s": report["throughput_samples_per_s"],
        "throughput_window": SLOTS,
        "degraded": report["degraded"],
        "idle_core_share": report["idle_core_share"],
        "ready_s": report["ready_s"],
        "device_resident_mb": max(
            report["nodes"][name]["resident_mb"] or 0.0 for name in bundle.topology.devices
        ),
    }
    say("the naive way")
    result["naive_samples_per_s"] = _naive(run, views.views_NVCHW[:200])
    result["ratios"] = ratios(result, first_exit(bundle.topology))
    return result


def ratios(result: dict[str, Any], local: str) -> dict[str, float | None]:
    """The figures that transfer between machines."""
    floor_us = result["zmq_scatter_gather_us"]["p50"] + result["section_us"]
    naive = result["naive_samples_per_s"]
    throughput = result["throughput_samples_per_s"]
    return {
        "latency_over_floor": result["latency_us"][local]["p50"] / floor_us,
        "throughput_over_ceiling": throughput / result["ceiling_samples_per_s"],
        "throughput_over_naive": throughput / naive if naive else None,
    }


def compute(bundle: Bundle, views_NVCHW: NDArray[np.uint8]) -> dict[str, float]:
    """Time of the sections alone, in this process, one thread.

    section_us: one device's section, then the local exit, one sample. ceiling_samples_per_s: all
    devices' sections and the local exit, batches of CEILING_BATCH: what one core can do.
    """
    topology = bundle.topology
    devices = [Engine(bundle.section_path(name)) for name in topology.devices]
    fuse = Engine(bundle.exit_path(first_exit(topology)))
    classes = len(topology.classes)

    def once(batch: int, used: list[Engine]) -> None:
        for view, engine in enumerate(used):
            engine.run({"views": views_NVCHW[:batch, view]})
        scores = np.zeros((batch, len(devices), classes), np.float32)
        present = np.ones((batch, len(devices)), np.float32)
        fuse.run({"scores": scores, "present": present})

    return {
        "section_us": _median_s(lambda: once(1, devices[:1])) * 1e6,
        "ceiling_samples_per_s": CEILING_BATCH / _median_s(lambda: once(CEILING_BATCH, devices)),
    }


def random_views(topology: Topology, samples: int) -> MultiView:
    """Noise that fits the topology: what is in a view changes no time."""
    rng = np.random.default_rng(0)
    shape = (samples, topology.views, *topology.view.shape)
    return MultiView(
        views_NVCHW=rng.integers(0, 256, shape, dtype=np.uint8),
        labels_NV=np.zeros((samples, topology.views), dtype=np.int64),
        classes=topology.classes,
    )


def first_exit(topology: Topology) -> str:
    """The exit nearest to the devices."""
    return next(iter(topology.exits))


@contextmanager
def leaving_at(bundle: Bundle, name: str) -> Iterator[Bundle]:
    """The same bundle with thresholds under which every sample leaves at exit `name`."""
    with tempfile.TemporaryDirectory(prefix="ddnn-bench-") as folder:
        copy = Path(folder) / "bundle"
        shutil.copytree(bundle.folder, copy)
        rules = {
            other: rule
            if rule.threshold is None
            else rule.model_copy(update={"threshold": 1.0 if other == name else 0.0})
            for other, rule in bundle.manifest.exits.items()
        }
        manifest = bundle.manifest.model_copy(update={"exits": rules})
        (copy / MANIFEST).write_bytes(manifest.to_bytes())
        yield load_bundle(copy)


def percentiles(times_s: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in microseconds."""
    values = np.percentile(np.array(times_s) * 1e6, (50, 95, 99))
    return dict(zip(("p50", "p95", "p99"), map(float, values), strict=True))


def _latency(bundle: Bundle, views: MultiView, name: str, samples: int) -> dict[str, float]:
    report = _launch(bundle, views, name, window=1, rounds=max(1, samples // len(views)))
    return {key: 1000 * value for key, value in report["latency_ms"][name].items()}


def _launch(
    bundle: Bundle,
    views: MultiView,
    name: str,
    *,
    rounds: int,
    window: int | None = None,
    idle_s: float = 0.0,
) -> dict[str, Any]:
    options = Options(rounds=rounds, window=window, free_ports=True, idle_s=idle_s)
    with leaving_at(bundle, name) as changed:
        return launch(changed, views, options).report


def _naive(run: Path, views_NVCHW: NDArray[np.uint8]) -> float | None:
    """None without torch, or for a bundle alone."""
    if not is_run(run):
        return None
    try:
        naive = import_module("ddnn.bench.naive")
    except ModuleNotFoundError:
        return None
    return float(naive.samples_per_s(run, views_NVCHW))


def _median_s(once: Callable[[], None], repeats: int = 300) -> float:
    times = []
    for number in range(repeats + 30):
        begun_s = time.perf_counter()
        once()
        if number >= 30:  # the first ones warm up
            times.append(time.perf_counter() - begun_s)
    return float(np.median(times))
