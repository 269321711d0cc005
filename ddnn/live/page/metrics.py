"""What Prometheus is told of a run, from the events of its feed. Names begin with `ddnn_`.

Counters are of what happened since the page began to look; those of links and nodes are what the
nodes counted themselves.
"""

from __future__ import annotations

import shutil
from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ddnn.live.events import BeginEvent, Event
from ddnn.live.page.batch import Batch
from ddnn.live.page.drift import Drift
from ddnn.live.page.health import ALIVE, FAILED, RESTARTING, SILENT, STARTING, Health
from ddnn.report.reference import Reference
from ddnn.topology import Topology
from ddnn.wire.accounts import SCORES

STATES = (ALIVE, SILENT, FAILED, RESTARTING, STARTING)
LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ENTROPY = tuple(step / 20 for step in range(1, 21))
NONE = "none"
"""In place of an exit where the commonest class answered."""
LEVELS = ("information", "payload", "zmtp", "ip")


class _Buckets:
    """A histogram: how many are at most each bound, and the sum of all."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self._sum = 0.0

    def add(self, values_N: NDArray[np.float64]) -> None:
        """More values."""
        places_N = np.searchsorted(self._bounds, values_N)
        self._counts += np.bincount(places_N, minlength=len(self._counts))
        self._sum += float(values_N.sum())

    def add_to(self, family: HistogramMetricFamily, name: str) -> None:
        """As Prometheus wants it."""
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(bounds, self._counts.cumsum().tolist(), strict=True))
        family.add_metric((name,), buckets, self._sum)


class Metrics:
    """Of one run. Verdicts are counted in plain numbers and named when somebody asks."""

    def __init__(
        self, topology: Topology, *, folder: Path | None = None, reference: Reference | None = None
    ) -> None:
        """folder: where results are written, whose disk may fill up. reference: of
        validation samples, None: nothing is known of them."""
        self._topology = topology
        self._folder = folder
        self._health = Health.of(topology)
        self._drift = Drift(reference, topology.devices)
        self._links: list[dict[str, Any]] = []
        self._refused: dict[str, dict[str, int]] = {}
        exits = (*topology.exits, NONE)
        self._verdicts = Counts(dict.fromkeys(((e, c) for e in exits for c in topology.classes), 0))
        self._missing = Counts(dict.fromkeys(topology.devices, 0))
        self._degraded = self._labelled = self._right = 0
        self._entropy = {name: _Buckets(ENTROPY) for name in exits}
        self._latency = {name: _Buckets(LATENCY_S) for name in exits}
        self._failures: Counts[tuple[str, str]] = Counts()
        self._lost = 0
        self._registry = CollectorRegistry()
        self._make_gauges()
        if reference is not None:
            self._show_reference(reference)
        self._registry.register(self)
        self._show_nodes()

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self._registry)

    def _make_gauges(self) -> None:
        """Of the run, its exits and its nodes."""
        gauge = self._gauge
        self._info = gauge("ddnn_run_info", "The run that is watched.", "topology", "bundle_sha256")
        self._running = gauge("ddnn_running", "1 while samples are answered.")
        self._threshold = gauge(
            "ddnn_exit_threshold", "Entropy below which the exit answers.", "exit"
        )
        self._up = gauge("ddnn_node_up", "1 while the node runs and is heard.", "node")
        self._state = gauge(
            "ddnn_node_state", "1 for the state in which the node is.", "node", "state"
        )
        self._starts = gauge(
            "ddnn_node_incarnation", "Which start of the node this is, from 1 on.", "node"
        )
        self._memory = gauge("ddnn_node_resident_bytes", "Memory of the node's process.", "node")

    def _show_reference(self, reference: Reference) -> None:
        mean = self._gauge("ddnn_validation_entropy", "Mean entropy of validation samples.")
        mean.set(reference.mean_entropy)
        share = self._gauge("ddnn_validation_exit_share", "Of validation samples.", "exit")
        for name, samples in reference.exits.items():
            share.labels(name).set(samples / max(1, reference.samples))

    def take(self, event: Batch | Event) -> None:
        """One more event, or verdicts that came together."""
        if isinstance(event, Batch):
            self._take_verdicts(event)
            return
        match event["kind"]:
            case "begin":
                self._begin(event)
            case "failure":
                self._failures[event["node"], event["what"]] += 1
                self._health.note(event)
                self._show_nodes()
            case "nodes":
                self._health.see(event)
                self._show_nodes()
            case "links":
                self._links, self._refused = event["links"], event["events"]
                self._drift.count(event)
            case "end":
                self._running.set(0)
            case "lost":
                self._lost += event["count"]

    def text(self) -> tuple[bytes, str]:
        """All of it in the text format, and the type that says so."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _begin(self, event: BeginEvent) -> None:
        self._running.set(1)
        self._info.clear()
        self._info.labels(event["topology"], event["bundle_sha256"]).set(1)
        for name, threshold in event["thresholds"].items():
            if threshold is not None:
                self._threshold.labels(name).set(threshold)

    def _take_verdicts(self, batch: Batch) -> None:
        classes = self._topology.classes
        for kind, count in batch.alike.items():
            self._verdicts[kind.exit or NONE, classes[kind.predicted]] += count
            self._degraded += count * kind.degraded
            if kind.label is not None:
                self._labelled += count
                self._right += count * (kind.predicted == kind.label)
        self._missing.update(batch.missing(self._topology.devices))
        for name in self._entropy:
            here_N = batch.exits_N == (None if name == NONE else name)
            if here_N.any():
                self._entropy[name].add(batch.entropy_N[here_N])
                self._latency[name].add(batch.latency_s_N[here_N])

    def _show_nodes(self) -> None:
        for name, node in self._health.nodes.items():
            self._up.labels(name).set(node.state == ALIVE)
            for state in STATES:
                self._state.labels(name, state).set(node.state == state)
            self._starts.labels(name).set(1 + node.starts)
            if node.resident_mb is not None:
                self._memory.labels(name).set(node.resident_mb * 1e6)

    def collect(self) -> Iterable[Metric]:
        """What is counted here, and what nodes counted themselves."""
        yield _counter(
            "ddnn_verdicts", "Samples answered, by exit and class.", ("exit", "class"),
            self._verdicts,
        )  # fmt: skip
        yield _counter(
            "ddnn_missing_views", "Verdicts in which a device had no part.", ("device",),
            {(device,): count for device, count in self._missing.items()},
        )  # fmt: skip
        yield _counter(
            "ddnn_failures", "What was done to nodes and links, or happened to them.",
            ("node", "kind"), self._failures,
        )  # fmt: skip
        for name, says, count in (
            ("ddnn_degraded_verdicts", "Samples answered by a shallower exit.", self._degraded),
            ("ddnn_labelled_verdicts", "Verdicts whose truth is known.", self._labelled),
            ("ddnn_right_verdicts", "Verdicts that are true.", self._right),
            ("ddnn_page_lost_events", "Events that this page was too slow for.", self._lost),
        ):
            yield _counter(name, says, (), {(): count})
        yield from self._histograms()
        yield from self._traffic()
        yield self._events()
        yield from self._distances()
        yield from self._disk()

    def _histograms(self) -> Iterable[Metric]:
        for name, says, found in (
            ("ddnn_entropy", "Normalized entropy of verdicts.", self._entropy),
            ("ddnn_latency_seconds", "From a sample's capture to its verdict.", self._latency),
        ):
            family = HistogramMetricFamily(name, says, labels=("exit",))
            for exit_name, buckets in found.items():
                buckets.add_to(family, exit_name)
            yield family

    def _traffic(self) -> Iterable[Metric]:
        bytes_ = CounterMetricFamily(
            "ddnn_link_bytes", "Bytes on a link.", labels=("from", "to", "kind", "level")
        )
        messages = CounterMetricFamily(
            "ddnn_link_messages", "Messages on a link.", labels=("from", "to", "kind")
        )
        for entry in self._links:
            names = (entry["from"], entry["to"], entry["kind"])
            messages.add_metric(names, entry["messages"])
            for level in LEVELS:
                bytes_.add_metric((*names, level), entry[level])
        yield bytes_
        yield messages

    def _events(self) -> Metric:
        family = CounterMetricFamily(
            "ddnn_node_events",
            "What a node counted beside traffic: late, duplicate and refused messages by reason.",
            labels=("node", "reason"),
        )
        for node in self._topology.nodes:
            for reason, count in ({"late": 0} | self._refused.get(node, {})).items():
                if not reason.startswith(SCORES):
                    family.add_metric((node, reason), count)
        return family

    def _distances(self) -> Iterable[Metric]:
        known = {name: found for name, found in self._drift.devices().items() if found is not None}
        says = (
            ("", "How unlike validation's a device's scores are: about 1 where nothing changed."),
            (
                "_by_chance",
                "What chance alone exceeds once in a hundred times of it.",
            ),
        )
        for place, (suffix, what) in enumerate(says):
            family = GaugeMetricFamily(f"ddnn_device_drift{suffix}", what, labels=("device",))
            for device, found in known.items():
                family.add_metric((device,), found[place])
            yield family

    def _disk(self) -> Iterable[Metric]:
        if self._folder is None:
            return
        try:
            usage = shutil.disk_usage(existing(self._folder))
        except OSError:
            return
        for name, says, value in (
            ("ddnn_disk_bytes", "Size of the disk on which results are written.", usage.total),
            ("ddnn_disk_free_bytes", "What is free of it.", usage.free),
        ):
            yield GaugeMetricFamily(name, says, value)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there already."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _counter(name: str, says: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    """counts: by the labels' values, a tuple."""
    family = CounterMetricFamily(name, says, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
