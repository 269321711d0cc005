"""What launches are measured with and beside: random views, thresholds, sections alone.

Thresholds are set so that every sample leaves at the exit that is measured; the sections are the
run's own.
Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import MANIFEST
from ddnn.data import noise
from ddnn.data.multiview import MultiView
from ddnn.data.views import Views
from ddnn.nodes.engine import Engine
from ddnn.topology import Topology

CEILING_BATCH = 16


def compute(bundle: Bundle, views: Views) -> dict[str, float]:
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
            engine.run({"views": views.arrays[view][:batch]})
        scores = np.zeros((batch, len(devices), classes), np.float32)
        present = np.ones((batch, len(devices)), np.float32)
        fuse.run({"scores": scores, "present": present})

    return {
        "section_us": _median_s(lambda: once(1, devices[:1])) * 1e6,
        "ceiling_samples_per_s": CEILING_BATCH / _median_s(lambda: once(CEILING_BATCH, devices)),
    }


def random_views(topology: Topology, samples: int) -> MultiView:
    """Noise that fits the topology: what is in a view changes no time."""
    return MultiView(
        views=noise.random_views(topology, samples),
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
            other: rule if rule.threshold is None else rule.always(1.0 if other == name else 0.0)
            for other, rule in bundle.manifest.exits.items()
        }
        manifest = bundle.manifest.model_copy(update={"exits": rules})
        (copy / MANIFEST).write_bytes(manifest.to_bytes())
        yield load_bundle(copy)


def percentiles(times_s: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in microseconds."""
    values = np.percentile(np.array(times_s) * 1e6, (50, 95, 99))
    return dict(zip(("p50", "p95", "p99"), map(float, values), strict=True))


def _median_s(once: Callable[[], None], repeats: int = 300) -> float:
    times = []
    for number in range(repeats + 30):
        begun_s = time.perf_counter()
        once()
        if number >= 30:  # the first ones warm up
            times.append(time.perf_counter() - begun_s)
    return float(np.median(times))
