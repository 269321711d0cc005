"""What Prometheus is told of a run, from the events of its feed. Names begin with `ddnn_`.

Counters are of what happened since the page began to look; those of links and nodes are what the
nodes counted themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ddnn.live.events import BeginEvent, Event, VerdictEvent
from ddnn.live.page.health import ALIVE, FAILED, RESTARTING, SILENT, STARTING, Health
from ddnn.topology import Topology

disable_created_metrics()  # type: ignore[no-untyped-call]  # as many series again, for nobody

STATES = (ALIVE, SILENT, FAILED, RESTARTING, STARTING)
LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ENTROPY = tuple(step / 20 for step in range(1, 21))
NONE = "none"
"""In place of an exit where the commonest class answered."""
LEVELS = ("information", "payload", "zmtp", "ip")


class Metrics:
    """Of one run."""

    def __init__(
        self, topology: Topology, *, folder: Path | None = None, entropy: float | None = None
    ) -> None:
        """folder: where results are written, whose disk may fill up. entropy: mean of the
        validation samples, None: not known."""
        self._topology = topology
        self._folder = folder
        self._health = Health.of(topology)
        self._links: list[dict[str, Any]] = []
        self._refused: dict[str, dict[str, int]] = {}
        registry = self._registry = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(name, says, labels, registry=registry)

        self._info = gauge("ddnn_run_info", "The run that is watched.", "topology", "bundle_sha256")
        self._running = gauge("ddnn_running", "1 while samples are answered.")
        self._verdicts = counter(
            "ddnn_verdicts", "Samples answered, by exit and class.", "exit", "class"
        )
        self._degraded = counter(
            "ddnn_degraded_verdicts", "Samples answered by a shallower exit than wanted."
        )
        self._right = counter("ddnn_right_verdicts", "Verdicts that are true.")
        self._labelled = counter("ddnn_labelled_verdicts", "Verdicts whose truth is known.")
        self._missing = counter(
            "ddnn_missing_views", "Verdicts in which a device had no part.", "device"
        )
        self._entropy = Histogram(
            "ddnn_entropy", "Normalized entropy of verdicts.", ("exit",),
            buckets=ENTROPY, registry=registry,
        )  # fmt: skip
        self._latency = Histogram(
            "ddnn_latency_seconds", "From a sample's capture to its verdict.", ("exit",),
            buckets=LATENCY_S, registry=registry,
        )  # fmt: skip
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
        self._failures = counter(
            "ddnn_failures", "What was done to nodes and links, or happened to them.",
            "node", "kind",
        )  # fmt: skip
        self._lost = counter("ddnn_page_lost_events", "Events that this page was too slow for.")
        if entropy is not None:
            gauge("ddnn_validation_entropy", "Mean entropy of validation samples.").set(entropy)
        registry.register(self)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """What has not happened yet is 0, not missing: alerts need it."""
        for exit_name in (*self._topology.exits, NONE):
            for name in self._topology.classes:
                self._verdicts.labels(exit_name, name)
            self._entropy.labels(exit_name)
            self._latency.labels(exit_name)
        for device in self._topology.devices:
            self._missing.labels(device)
        self._show_nodes()

    def take(self, event: Event) -> None:
        """One more event."""
        match event["kind"]:
            case "verdict":
                self._take_verdict(event)
            case "begin":
                self._begin(event)
            case "failure":
                self._failures.labels(event["node"], event["what"]).inc()
                self._health.note(event)
                self._show_nodes()
            case "nodes":
                self._health.see(event)
                self._show_nodes()
            case "links":
                self._links, self._refused = event["links"], event["events"]
            case "end":
                self._running.set(0)
            case "lost":
                self._lost.inc(event["count"])

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

    def _take_verdict(self, event: VerdictEvent) -> None:
        exit_name = event["exit"] or NONE
        self._verdicts.labels(exit_name, event["name"]).inc()
        self._degraded.inc(event["degraded"])
        self._entropy.labels(exit_name).observe(event["entropy"])
        self._latency.labels(exit_name).observe(event["latency_ms"] / 1000)
        if event["label"] is not None:
            self._labelled.inc()
            self._right.inc(event["class"] == event["label"])
        if "0" in event["present"]:
            for device, seen in zip(self._topology.devices, event["present"], strict=True):
                if seen == "0":
                    self._missing.labels(device).inc()

    def _show_nodes(self) -> None:
        for name, node in self._health.nodes.items():
            self._up.labels(name).set(node.state == ALIVE)
            for state in STATES:
                self._state.labels(name, state).set(node.state == state)
            self._starts.labels(name).set(1 + node.starts)
            if node.resident_mb is not None:
                self._memory.labels(name).set(node.resident_mb * 1e6)

    def collect(self) -> Iterable[Metric]:
        """What nodes counted themselves."""
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
        yield self._events()
        yield from self._disk()

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

    def _events(self) -> Metric:
        family = CounterMetricFamily(
            "ddnn_node_events",
            "What a node counted beside traffic: late, duplicate and refused messages by reason.",
            labels=("node", "reason"),
        )
        for node in self._topology.nodes:
            for reason, count in ({"late": 0} | self._refused.get(node, {})).items():
                family.add_metric((node, reason), count)
        return family


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there already."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
