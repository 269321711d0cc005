"""What a fleet's process tells programs on this machine by HTTP, Prometheus above all.

GET /metrics   names and labels of `metrics`, each with `site` beside them
GET /healthz   200 while the process is there
GET /readyz    200 while every site of the file is served, and takes its turns
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ddnn.live.sources.localhttp import LocalHandler, LocalServer
from ddnn.run.fleet import Standing
from ddnn.run.memory import resident_bytes
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Kind

LEVELS = ("payload", "zmtp", "ip")
"""Of bytes. Information would take its time from the sites."""
STUCK_S = 5.0
"""A loop that has not come to its next turn for so long takes no part in a run any more."""

Look = Callable[[], Standing]


class FleetEndpoint(LocalServer):
    """Use as a context manager: in it, it answers. Not ready before it is told how to look."""

    def __init__(self, listen: str) -> None:
        """listen: HOST:PORT of this machine. Raises TransportError."""
        self.look: Look | None = None
        super().__init__("--listen", listen, _Handler)

    def show(self, look: Look) -> None:
        """From now on."""
        self.look = look


class _Handler(LocalHandler):
    server: FleetEndpoint

    def post(self, _body: bytes) -> None:
        """See LocalHandler."""
        self.answer(405, "want GET")

    def get(self) -> None:
        """See LocalHandler."""
        look = self.server.look
        if self.path == "/healthz":
            self.answer(200, "ok")
        elif self.path not in ("/metrics", "/readyz"):
            self.answer(404, f"no {self.path[:60]} here")
        elif look is None:
            self.answer(503, "not ready: sites are being opened")
        elif self.path == "/metrics":
            self.answer(200, metrics_text(look), kind=CONTENT_TYPE_LATEST)
        else:
            lacks = _lacks(look())
            self.answer(503 if lacks else 200, f"not ready: {lacks}" if lacks else "ready")


def _lacks(standing: Standing) -> str:
    """Why it is not ready; empty: it is."""
    stuck_s = time.monotonic() - standing.looked_s
    if stuck_s > STUCK_S:
        return f"no site has had a turn for {stuck_s:.0f} s"
    if standing.missing:
        return f"not served: {', '.join(standing.missing)}"
    return "" if standing.sites else "no site"


def metrics_text(look: Look) -> str:
    """In the text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(look))
    return generate_latest(registry).decode().rstrip("\n")


class _Collector:
    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        """All of it, at one look."""
        standing = self._look()
        yield from _states(standing)
        yield from _resident(standing.node)
        yield from _traffic(standing)
        yield _events(standing)
        yield from _shares(standing)


def _states(standing: Standing) -> Iterable[Metric]:
    runs = any(site.is_running for site in standing.sites.values())
    yield GaugeMetricFamily("ddnn_running", "1 while samples are answered.", runs)
    up = GaugeMetricFamily(
        "ddnn_node_up", "1 while the node runs and is heard.", labels=("site", "node")
    )
    for name in (*standing.sites, *standing.missing):
        up.add_metric((name, standing.node), name in standing.sites)
    yield up
    info = GaugeMetricFamily(
        "ddnn_run_info", "The run that is watched.", labels=("site", "topology", "bundle_sha256")
    )
    for name, digest in standing.digests.items():
        info.add_metric((name, name, digest), 1)
    yield info


def _resident(node: str) -> Iterable[Metric]:
    """Of the one process of all sites; nothing where the system does not tell."""
    bytes_ = resident_bytes("self")
    if bytes_ is not None:
        family = GaugeMetricFamily(
            "ddnn_node_resident_bytes", "Memory of the node's process.", labels=("node",)
        )
        family.add_metric((node,), bytes_)
        yield family


def _traffic(standing: Standing) -> Iterable[Metric]:
    labels = ("site", "from", "to", "kind")
    bytes_ = CounterMetricFamily("ddnn_link_bytes", "Bytes on a link.", labels=(*labels, "level"))
    messages = CounterMetricFamily("ddnn_link_messages", "Messages on a link.", labels=labels)
    for name, site in standing.sites.items():
        for count in site.links:
            values = (name, *count.link, count.kind.name.lower())
            messages.add_metric(values, count.messages)
            for level in LEVELS:
                bytes_.add_metric((*values, level), getattr(count, level))
    yield bytes_
    yield messages


def _events(standing: Standing) -> Metric:
    family = CounterMetricFamily(
        "ddnn_node_events",
        "What a node counted beside traffic: late, duplicate and refused messages by reason.",
        labels=("site", "node", "reason"),
    )
    for name, site in standing.sites.items():
        for reason, count in ({"late": 0} | dict(site.events)).items():
            family.add_metric((name, standing.node, reason), count)
    return family


def _shares(standing: Standing) -> Iterable[Metric]:
    """What a fleet alone has to tell."""
    running = GaugeMetricFamily(
        "ddnn_site_running", "1 while the site's node takes part in a run.", labels=("site",)
    )
    used = CounterMetricFamily(
        "ddnn_site_busy_seconds", "Processor time of the site's turns.", labels=("site",)
    )
    answered = CounterMetricFamily(
        "ddnn_site_answers",
        "Samples for which this node sent the site an answer.",
        labels=("site",),
    )
    for name, site in standing.sites.items():
        running.add_metric((name,), site.is_running)
        used.add_metric((name,), site.used_s)
        verdicts = [c.rows for c in site.links if (c.kind, c.link[1]) == (Kind.VERDICT, COLLECTOR)]
        answered.add_metric((name,), sum(verdicts))
    yield from (running, used, answered)
