"""What a launched (or in-process) run adds up to: verdicts, bytes by link, latency.

Axes: N samples, V views.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.nodes.collector import Collector, Gone
from ddnn.nodes.recorder import Recorder
from ddnn.report.files import write_csv, write_json
from ddnn.report.newest import set_number
from ddnn.report.verdicts import NO_EXIT, Verdicts, summarize, write_verdicts
from ddnn.run.failure import Failure
from ddnn.run.history import History
from ddnn.topology import COLLECTOR, DEVICE, Topology
from ddnn.wire.messages import Account, Kind, LinkCount

LEVELS = ("information", "payload", "zmtp", "ip")
"""The four levels at which bytes are counted; see ddnn.wire.messages.LinkCount."""
LINK_COLUMNS = ("from", "to", "kind", "data", "messages", "rows", *LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a launch found: the report as it is written, and each verdict.

    memory: seconds since the first sample, node, resident MB; about one row a node and second.
    """

    report: dict[str, Any]
    verdicts: Verdicts
    memory: tuple[tuple[float, str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """How a node stood at the end. limits: by the topology's key, `wanted`, and `by` what it
    holds, or why it does not."""

    state: str
    resident_mb: float | None = None
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)


def failure_entry(failure: Failure, sample: int | None, *, ends: bool = False) -> dict[str, Any]:
    """What `failures` in the report says of it. sample: the first it met, None: it met none."""
    entry: dict[str, Any] = {
        "node": failure.where,
        "kind": f"{failure.kind} ends" if ends else failure.kind,
        "values": failure.strengths,
        "applied": sample is not None,
    }
    return entry | ({"seconds": failure.at.seconds} if sample is None else {"sample": sample})


def gone_entry(gone: Gone) -> dict[str, Any]:
    """What `failures` says of a node whose heartbeats stopped, or came back."""
    return {
        "node": gone.node,
        "kind": "noticed-back" if gone.back else "noticed-gone",
        "sample": gone.sample,
        "silent_ms": 1000 * gone.silent_s,
    }


def pause_entry(collector: Collector, *, before_s: float) -> dict[str, Any]:
    """What `failures` says when capture stops, or goes on, since no device is heard, or one is.

    before_s: how long it had paused before.
    """
    entry: dict[str, Any] = {"node": "devices", "sample": collector.asked}
    if collector.is_paused:
        return entry | {"kind": "all-silent, paused"}
    values = {"paused_s": round(collector.paused_s - before_s, 3)}
    return entry | {"kind": "goes on", "values": values}


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """`links.csv`, `verdicts.csv`, `memory.csv` and, last, `report.json`."""
    rows = ((f"{seconds:.1f}", name, f"{mb:.1f}") for seconds, name, mb in outcome.memory)
    write_csv(folder / "memory.csv", ("seconds", "node", "resident_mb"), rows)
    links = outcome.report["bytes"]["links"]
    write_csv(folder / "links.csv", LINK_COLUMNS, ([e[c] for c in LINK_COLUMNS] for e in links))
    write_verdicts(folder / "verdicts.csv", outcome.verdicts)
    set_number(outcome.report, folder)
    write_json(folder / "report.json", outcome.report)


def collect_verdicts(
    collector: Recorder, topology: Topology, labels_N: NDArray[np.int64]
) -> Verdicts:
    """The collector's answers in the form that all reports share."""
    return Verdicts(
        exits=tuple(topology.exits),
        classes=topology.classes,
        labels_N=labels_N,
        predicted_N=collector.predicted_N,
        exit_N=collector.exit_N,
        entropy_N=collector.entropy_N,
        present_NV=collector.present_NV,
        degraded_N=collector.degraded_N,
    )


def link_counts(accounts: Mapping[str, Account]) -> list[LinkCount]:
    """One count a link and kind: the sender's, unless it is gone or forgot while restarting."""
    found: dict[tuple[tuple[str, str], Kind], LinkCount] = {}
    counts = [count for account in accounts.values() for count in account.links]
    for count in sorted(counts, key=lambda count: (count.messages, count.sent)):
        found[count.link, count.kind] = count
    return [found[key] for key in sorted(found)]


def device_sample_bytes(counts: list[LinkCount], topology: Topology) -> dict[str, float | None]:
    """Mean data bytes that a device sent for one sample it was asked for, at each level."""
    data = _of_devices(counts, topology)
    asked = _asked(counts)
    return {
        level: sum(getattr(c, level) for c in data) / asked if asked else None for level in LEVELS
    }


def device_sample_equation(counts: list[LinkCount], topology: Topology) -> float | None:
    """Equation 1 of the paper over the rows that were sent: what the payload must be.

    None for features that are coded: their size depends on their content.
    """
    if any(topology.feature_code(name) != "raw-bits" for name in topology.devices):
        return None
    data = _of_devices(counts, topology)
    scores = sum(c.rows * topology.score_bytes(c.link[0]) for c in data if c.kind is Kind.SCORES)
    features = sum(
        c.rows * topology.feature_bytes(c.link[0]) for c in data if c.kind is Kind.FEATURES
    )
    asked = _asked(counts)
    return (scores + features) / asked if asked else None


def _asked(counts: list[LinkCount]) -> int:
    """Samples that devices were asked for, summed over devices."""
    return sum(c.rows for c in counts if c.kind is Kind.CAPTURE)


def build_report(
    collector: Recorder,
    bundle: Bundle,
    labels_N: NDArray[np.int64],
    *,
    states: Mapping[str, NodeState],
    history: History,
    duration_s: float,
    ready_s: float,
) -> dict[str, Any]:
    """`report.json` of a launch, with the names that DESIGN fixes."""
    topology = bundle.topology
    counts = link_counts(collector.accounts)
    equation = device_sample_equation(counts, topology)
    return {
        "command": "launch",
        **summarize(collect_verdicts(collector, topology, labels_N)),
        "prior_answers": int((collector.exit_N == NO_EXIT).sum()),
        "late_verdicts": collector.late_verdicts,
        "nodes": {
            name: {
                "state": state.state,
                "sent_bytes": sum(c.zmtp for c in counts if c.link[0] == name),
                "received_bytes": sum(c.zmtp for c in counts if c.link[1] == name),
                "resident_mb": state.resident_mb,
                **({"limits": state.limits} if state.limits else {}),
                "events": dict(collector.accounts[name].events)
                if name in collector.accounts
                else {},
            }
            for name, state in states.items()
        },
        "collector": {"events": dict(collector.accounts[COLLECTOR].events)},
        "bytes": {
            "per_device_sample": device_sample_bytes(counts, topology),
            "per_device_sample_equation": equation,
            "per_device_sample_raw": topology.view.shape.values,
            "kernel": kernel_entry(collector.accounts),
            "links": [_link_entry(count) for count in counts],
        },
        "latency_ms": _latencies(collector, tuple(topology.exits)),
        "throughput_samples_per_s": len(labels_N) / duration_s,
        "ready_s": ready_s,
        "duration_s": duration_s,
        "paused_s": collector.paused_s,
        "failures": history.entries(),
        "failures_left_out": history.left_out,
        "notes": history.notes,
        "topology": topology.name,
        "bundle_sha256": bundle.sha256,
        "seed": bundle.manifest.training.get("seed"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of what a run's figures depend on."""
    found = {"python": python_version()}
    for name in ("ddnn", "numpy", "onnxruntime", "pyzmq"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def kernel_entry(accounts: Mapping[str, Account]) -> dict[str, Any] | None:
    """The bytes of all messages that arrived, as counted and by TCP_INFO; None: not counted.

    What a killed node sent is in it where it arrived. nodes: both ends of what is left of them.
    """
    kernels = {name: a.kernel for name, a in accounts.items() if a.kernel is not None}
    if not kernels:
        return None
    zmtp = sum(kernel.received_zmtp for kernel in kernels.values())
    kernel = sum(kernel.received_kernel for kernel in kernels.values())
    return {
        "zmtp": zmtp,
        "kernel": kernel,
        "difference": kernel - zmtp,
        "connections": sum(kernel.connections for kernel in kernels.values()),
        "unread": sum(kernel.unread for kernel in kernels.values()),
        "nodes": {name: asdict(kernels[name]) for name in sorted(kernels)},
    }


def _of_devices(counts: list[LinkCount], topology: Topology) -> list[LinkCount]:
    return [c for c in counts if c.kind.is_data and topology.nodes[c.link[0]].role == DEVICE]


def _link_entry(count: LinkCount) -> dict[str, Any]:
    return {
        "from": count.link[0],
        "to": count.link[1],
        "kind": count.kind.name.lower(),
        "data": count.kind.is_data,
        "messages": count.messages,
        "rows": count.rows,
        **{level: getattr(count, level) for level in LEVELS},
    }


def _latencies(collector: Recorder, exits: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Percentiles of each exit that answered, milliseconds."""
    found = {}
    for number, name in enumerate(exits):
        here = collector.latency_N[collector.exit_N == number] * 1000
        if len(here):
            p50, p95, p99 = np.percentile(here, (50, 95, 99))
            found[name] = {"p50": float(p50), "p95": float(p95), "p99": float(p99)}
    return found
