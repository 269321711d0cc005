"""What a launched (or in-process) run adds up to: verdicts, bytes by link, latency.

Axes: N samples, V views.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np

from ddnn.bundle.load import Bundle
from ddnn.nodes.collector import Collector
from ddnn.nodes.noticed import Gone
from ddnn.report.files import write_json
from ddnn.report.newest import set_number
from ddnn.report.tally import Tally
from ddnn.report.verdicts import Answer, Verdicts, write_verdicts
from ddnn.run.failures.failure import Failure
from ddnn.run.launcher.history import History
from ddnn.run.launcher.launch_files import LEVELS, REPORT, VERDICTS, Memory, write_tables
from ddnn.topology import COLLECTOR, DEVICE, Topology
from ddnn.wire.accounts import SCORES
from ddnn.wire.messages import Account, Kind, LinkCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a launch found: the report as it is written, and each verdict.

    memory: seconds since the first sample, node, resident MB; about one row a node and second.
    """

    report: dict[str, Any]
    verdicts: Verdicts
    memory: Memory = ()


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
    } | ({"file": failure.file} if failure.file is not None else {})
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
    write_tables(folder, outcome.report, outcome.memory)
    write_verdicts(folder / VERDICTS, outcome.verdicts)
    set_number(outcome.report, folder)
    write_json(folder / REPORT, outcome.report)


class Kept:
    """Takes a launch's results and keeps them all in memory, as LaunchFiles does on a disk."""

    def begin(self, topology: Topology) -> None:
        """Of which topology they are."""
        self._topology = topology
        self._answers: list[Answer] = []
        self._labels: list[int] = []

    def add(self, answer: Answer, label: int | None) -> None:
        """One more verdict."""
        self._answers.append(answer)
        self._labels.append(-1 if label is None else label)

    def flush(self) -> None:
        """Nobody reads it yet."""

    def write_report(self, report: dict[str, Any]) -> None:
        """Nobody reads it yet."""

    def close(self, report: dict[str, Any], memory: Memory) -> None:
        """It is over."""
        self._report, self._memory = report, memory

    @property
    def outcome(self) -> Outcome:
        """All of it, in sample order."""
        topology, order = self._topology, np.argsort([a.sample for a in self._answers])
        answers = [self._answers[place] for place in order]
        seen = [[a.views >> view & 1 for view in range(topology.views)] for a in answers]
        verdicts = Verdicts(
            exits=tuple(topology.exits),
            classes=topology.classes,
            labels_N=np.array(self._labels, dtype=np.int64)[order],
            predicted_N=np.array([a.predicted for a in answers], dtype=np.int64),
            exit_N=np.array([a.exit for a in answers], dtype=np.int64),
            entropy_N=np.array([a.entropy for a in answers], dtype=np.float32),
            present_NV=np.array(seen, dtype=bool).reshape(-1, topology.views),
            degraded_N=np.array([a.degraded for a in answers], dtype=bool),
            bypassable=topology.bypassable,
            past_N=tuple(answer.views >> topology.views for answer in answers),
        )
        return Outcome(report=self._report, verdicts=verdicts, memory=self._memory)


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
    asked = _asked(counts, topology)
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
    asked = _asked(counts, topology)
    return (scores + features) / asked if asked else None


def _asked(counts: list[LinkCount], topology: Topology) -> int:
    """Samples that devices were asked for. One that is asked for all of its process counts for
    each of them."""
    captures = [c for c in counts if c.kind is Kind.CAPTURE]
    heads = Counter(topology.pack(c.link[1]) for c in captures)
    return sum(
        c.rows * (len(set(pack) & set(topology.devices)) if heads[pack] == 1 else 1)
        for c in captures
        for pack in [topology.pack(c.link[1])]
    )


def build_report(
    collector: Collector,
    bundle: Bundle,
    tally: Tally,
    *,
    states: Mapping[str, NodeState],
    history: History,
    duration_s: float,
    ready_s: float,
    command: str = "launch",
) -> dict[str, Any]:
    """`report.json` of a launch, with the names that DESIGN fixes.

    Of one that was interrupted, or goes on: what was counted so far.
    """
    topology = bundle.topology
    counts = link_counts(collector.accounts)
    equation = device_sample_equation(counts, topology)
    report = {
        "command": command,
        **tally.summary(),
        "prior_answers": tally.prior_answers,
        "late_verdicts": collector.late_verdicts,
        "nodes": {
            name: {
                "state": state.state,
                "sent_bytes": sum(c.zmtp for c in counts if c.link[0] == name),
                "received_bytes": sum(c.zmtp for c in counts if c.link[1] == name),
                "resident_mb": state.resident_mb,
                **({"limits": state.limits} if state.limits else {}),
                "events": _events(collector, name),
            }
            for name, state in states.items()
        },
        "collector": {"events": _events(collector, COLLECTOR)},
        "bytes": {
            "per_device_sample": device_sample_bytes(counts, topology),
            "per_device_sample_equation": equation,
            "per_device_sample_raw": topology.view_bytes,
            "kernel": kernel_entry(collector.accounts),
            "links": [link_entry(count) for count in counts],
        },
        "latency_ms": tally.latencies_ms(),
        "throughput_samples_per_s": tally.counts.samples / max(duration_s, 1e-9),
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
    found: dict[str, Any] = _finite(report)
    return found


def _events(collector: Collector, name: str) -> dict[str, int]:
    account = collector.accounts.get(name)
    if account is None:
        return {}
    return {reason: n for reason, n in account.events if not reason.startswith(SCORES)}


def _finite(value: Any) -> Any:
    """The same without numbers that JSON has not: sums of what a peer made up may be infinite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


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


def link_entry(count: LinkCount) -> dict[str, Any]:
    """As `bytes.links` of the report has it."""
    return {
        "from": count.link[0],
        "to": count.link[1],
        "kind": count.kind.name.lower(),
        "data": count.kind.is_data,
        "messages": count.messages,
        "rows": count.rows,
        **{level: getattr(count, level) for level in LEVELS},
    }
