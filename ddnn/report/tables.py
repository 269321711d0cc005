"""Reports as text tables for a person. Plain rich; nothing here measures anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from ddnn.report.baselines import advice, in_words


def percent(value: float | None) -> str:
    """A share of 1 as per cent; a dash for none."""
    return "–" if value is None else f"{value:.1%}"


def interval(bounds: tuple[float, float] | None) -> str:
    """Two shares of 1 as per cent."""
    return "–" if bounds is None else f"{bounds[0]:.1%} – {bounds[1]:.1%}"


def with_values(what: str, values: Mapping[str, float]) -> str:
    """`delay (delay_ms 50, jitter_ms 0)`; `kill` where there are no values."""
    listed = ", ".join(f"{key} {value:g}" for key, value in values.items())
    return f"{what} ({listed})" if listed else what


def plain_console() -> Console:
    """Standard output: the terminal's width, or enough for our tables where it is a file."""
    console = Console(highlight=False, markup=False, emoji=False)
    return (
        console
        if console.is_terminal
        else Console(highlight=False, markup=False, emoji=False, width=110)
    )


def table(title: str, *columns: str) -> Table:
    """An empty table, the first column to the left, the others to the right."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left", no_wrap=True)
    return made


def print_launch(report: dict[str, Any], console: Console | None = None) -> None:
    """A launch: exits, bytes, nodes and what failed."""
    console = console or plain_console()
    console.print(_exits(report))
    console.print(_links(report))
    console.print(_nodes(report))
    for failure in report["failures"]:
        console.print(f"  {failure_line(failure)}")
    for line in (*_byte_lines(report["bytes"]), *_note_lines(report)):
        console.print(line)
    console.print(
        f"{report['answered']} of {report['samples']} samples answered, "
        f"{report['degraded']} degraded, {report['throughput_samples_per_s']:.0f} samples/s"
    )


OF_CAMERAS = {
    "no-view": "no view in time",
    "black": "black pictures",
    "frozen": "the same picture again and again",
    "unreadable": "pictures that cannot be used",
    "lost-camera": "its camera was lost",
}
"""What a device counts of its camera, in words; names are of wire.codec.EVENTS."""


def failure_line(failure: dict[str, Any]) -> str:
    """An entry of a report's `failures` in words."""
    kind = OF_CAMERAS.get(failure["kind"], failure["kind"])
    what = f"{failure['node']}: {with_values(kind, failure.get('values', {}))}"
    if "sample" in failure:
        applied = failure.get("applied", True)
        not_yet = "" if applied else f" not applied: {failure.get('reason')}"
        return f"{what} before sample {failure['sample']}{not_yet}"
    return f"{what} at {failure['seconds']:g} s not applied: the run was over by then"


def print_offline(report: dict[str, Any], console: Console | None = None) -> None:
    """An evaluation: every exit on all samples, the overall rule, baselines, a line on bytes."""
    console = console or plain_console()
    made = table(
        f"{report['topology']}: {report['samples']} samples",
        "exit", "all samples", "95 % interval", "answers", "right", "T",
    )  # fmt: skip
    for name, part in report["exits"].items():
        threshold = part["threshold"]
        made.add_row(
            name,
            percent(part["all_samples_accuracy"]),
            interval(part["all_samples_interval"]),
            percent(part["share"]),
            percent(part["accuracy"]),
            "" if threshold is None else f"{threshold:.3f}",
        )
    made.add_row("overall", percent(report["accuracy"]), interval(report["accuracy_interval"]))
    made.add_section()
    for what, part in in_words(report).items():
        made.add_row(what, percent(part["accuracy"]), interval(part["interval"]))
    console.print(made)
    for line in advice(report):
        console.print(line)
    classes = ", ".join(
        f"{name} {part['correct']}/{part['samples']}" for name, part in report["classes"].items()
    )
    console.print(f"right by class: {classes}")
    payload = report["bytes"]["per_device_sample"]["payload"]
    console.print(f"payload: {payload:.1f} bytes per device and sample")
    if report.get("calibrated_on") == "train":
        console.print("T chosen on training data: the card holds no validation samples out")
    for failure in report["failures"]:
        console.print(f"  {failure_line(failure)}")


def _note_lines(report: dict[str, Any]) -> list[str]:
    """What else there is to know of how it went; nothing of most."""
    lines = [
        f"{note['what']}: {note['said']} ({note['times']} times)"
        for note in report.get("notes", [])
    ]
    if report.get("paused_s"):
        lines.append(f"paused for {report['paused_s']:.1f} s: no device was heard")
    if report.get("failures_left_out"):
        lines.append(f"{report['failures_left_out']} more failures are not listed")
    if report.get("interrupted"):
        wanted = report["samples_wanted"]
        lines.append(f"interrupted ({report['why']}): {report['samples']} of {wanted} samples")
    lines += report.get("unwritten", [])
    return lines


def _byte_lines(counted: dict[str, Any]) -> list[str]:
    """What devices sent, and whether the kernel counted the same."""
    lines, per = [], counted["per_device_sample"]
    if per["payload"] is not None:
        wanted = counted["per_device_sample_equation"]
        equation = "" if wanted is None else f"(equation {wanted:.1f}) "
        lines.append(
            f"per device and sample: payload {per['payload']:.1f} B {equation}"
            f"information {per['information']:.1f} B, ZMTP {per['zmtp']:.1f} B, "
            f"IP {per['ip']:.1f} B; raw view {counted['per_device_sample_raw']} B"
        )
    kernel = counted.get("kernel")
    if kernel is not None:
        lines.append(
            f"all that arrived: {kernel['zmtp']} B counted, {kernel['kernel']} B by the kernel on "
            f"{kernel['connections']} ends of connections, difference {kernel['difference']}"
        )
    return lines


def _exits(report: dict[str, Any]) -> Table:
    made = table(
        f"{report['topology']}: {report['samples']} samples",
        "exit", "answers", "share", "right", "p50 ms", "p95 ms", "p99 ms",
    )  # fmt: skip
    for name, part in report["exits"].items():
        latency = report["latency_ms"].get(name)
        times = [f"{latency[p]:.1f}" for p in ("p50", "p95", "p99")] if latency else ["–"] * 3
        made.add_row(
            name, str(part["samples"]), percent(part["share"]), percent(part["accuracy"]), *times
        )
    overall = f"{percent(report['accuracy'])}  ({interval(report['accuracy_interval'])})"
    made.add_row("overall", str(report["answered"]), "", overall)
    return made


def _links(report: dict[str, Any]) -> Table:
    made = table("bytes by link", "link", "kind", "messages", "samples", "payload", "ZMTP", "IP")
    for link in report["bytes"]["links"]:
        if link["data"]:
            made.add_row(
                f"{link['from']} → {link['to']}",
                link["kind"],
                *(str(link[key]) for key in ("messages", "rows", "payload", "zmtp", "ip")),
            )
    control = [link for link in report["bytes"]["links"] if not link["data"]]
    sums = (str(sum(c[key] for c in control)) for key in ("messages", "rows"))
    sizes = (str(sum(c[key] for c in control)) for key in ("zmtp", "ip"))
    made.add_row("all links", "control", *sums, "0", *sizes)
    return made


def _nodes(report: dict[str, Any]) -> Table:
    made = table("nodes", "node", "state", "sent B", "received B", "memory MB", "noted")
    for name, node in report["nodes"].items():
        memory = node.get("resident_mb")
        events = ", ".join(f"{count} {event}" for event, count in node["events"].items() if count)
        made.add_row(
            name,
            node["state"],
            str(node["sent_bytes"]),
            str(node["received_bytes"]),
            "–" if memory is None else f"{memory:.0f}",
            events,
        )
    return made
