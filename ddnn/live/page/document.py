"""`ddnn report --html`: a run's report as one file that opens offline, with the page's look."""

from __future__ import annotations

import csv
import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

from ddnn.live.page.drawing import topology_svg
from ddnn.live.page.marks import RECENT
from ddnn.live.page.svg import Line, chart, legend
from ddnn.plainfile import read_plain
from ddnn.report.tables import failure_line, interval, percent
from ddnn.report.verdicts import wilson_interval
from ddnn.run.failures.failure import FAILURE_KINDS
from ddnn.topology import Topology

MAX_POINTS = 600
"""Of a curve: more would not be seen."""


def report_html(report: dict[str, Any], folder: Path, run: Path, topology: Topology | None) -> str:
    """report: the document. folder: where it and `verdicts.csv` are. run: where the failure study
    is, if there is one. topology: None: it is not drawn.

    Raises KeyError, TypeError or ValueError for a report that is none.
    """
    title = f"{report['topology']}: {report.get('command', 'evaluation')}"
    style = "".join(
        (files("ddnn.live.page") / "static" / name).read_text(encoding="utf-8")
        for name in ("style.css", "report.css")
    )
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title><style>{style}</style></head><body>",
            f'<header><h1><span class="mark"></span>{escape(title)}</h1>',
            f'<p class="status over">{_when(report)}</p></header><main>',
            *_sections(report, folder, run, topology),
            "</main></body></html>\n",
        ]
    )


def _sections(
    report: dict[str, Any], folder: Path, run: Path, topology: Topology | None
) -> Iterator[str]:
    yield _figures(report)
    if topology is not None:
        yield _panel("Topology", _topology(report, topology), "wide")
    marks = _marks(report)
    verdicts = _rows(folder / "verdicts.csv")
    if verdicts:
        yield from _curves(verdicts, list(report["exits"]), marks)
    yield from _studies(run)
    yield _panel("Exits", _exits(report), "half")
    yield _panel("Classes", _classes(report), "half")
    if "links" in report["bytes"]:
        yield _panel("Bytes by link", _links(report), "wide")
    if report.get("command") == "launch":
        yield _panel("Nodes", _nodes(report), "wide")
    yield _panel("Failures", _failures(report), "half")
    yield _panel("What it depends on", _versions(report), "half")


def _when(report: dict[str, Any]) -> str:
    if report.get("interrupted"):
        return escape(f"interrupted: {report.get('why')}")
    seconds = report.get("duration_s")
    return "evaluated" if seconds is None else f"{seconds:.1f} s"


def _figures(report: dict[str, Any]) -> str:
    per = report["bytes"]["per_device_sample"]["payload"]
    tiles = [
        ("Accuracy", percent(report["accuracy"]), interval(report["accuracy_interval"])),
        ("Samples", f"{report['samples']:,}", f"{report.get('degraded', 0)} degraded"),
        *(
            (f"Answered at {name}", percent(part["share"]), f"{percent(part['accuracy'])} right")
            for name, part in report["exits"].items()
        ),
        ("A device and sample", "–" if per is None else f"{per:.1f} B", "payload"),
    ]
    if "throughput_samples_per_s" in report:
        tiles.append(("Throughput", f"{report['throughput_samples_per_s']:.0f}/s", "samples"))
    cells = (
        f'<div class="figure"><h2>{escape(name)}</h2><p class="value">{escape(value)}</p>'
        f'<p class="note">{escape(note)}</p></div>'
        for name, value, note in tiles
    )
    return f'<section class="figures">{"".join(cells)}</section>'


def _topology(report: dict[str, Any], topology: Topology) -> str:
    nodes = report.get("nodes", {})
    states = {
        name: {"running": "alive", "silent": "silent"}.get(node["state"], "failed")
        for name, node in nodes.items()
        if "state" in node
    }
    samples = max(1, report["samples"])
    links = {
        f"{link['from']}:{link['to']}": f"{link['payload'] / samples:.1f} B a sample"
        for link in report["bytes"].get("links", ())
        if link.get("data")
    }
    roles = {name: node.role for name, node in topology.nodes.items()}
    notes = {n: r if states.get(n, "alive") == "alive" else states[n] for n, r in roles.items()}
    return topology_svg(topology, states, notes, links)


def _curves(
    rows: list[dict[str, str]], exits: Sequence[str], marks: list[tuple[float, str]]
) -> Iterator[str]:
    right, recent = 0, deque[bool]()
    accuracy: list[tuple[float, float]] = []
    band: list[tuple[float, float, float]] = []
    every = max(1, len(rows) // MAX_POINTS)
    for number, row in enumerate(rows):
        recent.append(row["label"] == row["predicted"])
        right += recent[-1]
        if len(recent) > RECENT:
            right -= recent.popleft()
        if number % every == 0 or number == len(rows) - 1:
            low, high = wilson_interval(right, len(recent)) or (0.0, 1.0)
            accuracy.append((number, right / len(recent)))
            band.append((number, low, high))
    line = Line(label=f"last {RECENT} samples", points=accuracy, css="s1", band=band)
    settled = [low for number, low, _ in band if number >= RECENT / 4] or [0.0]
    bottom = max(0.0, math.floor(20 * min(settled)) / 20)
    drawn = chart([line], marks=marks, top=1.0, bottom=bottom, percent=True, x_label="sample")
    yield _panel("Accuracy", drawn, "half", legend([line]))
    shares = [
        Line(label=name, points=_shares(rows, name, every), css=f"s{place % 4 + 1}")
        for place, name in enumerate(exits)
    ]
    drawn = chart(shares, marks=marks, top=1.0, percent=True, x_label="sample")
    yield _panel("Share by exit", drawn, "half", legend(shares))


def _shares(rows: list[dict[str, str]], name: str, every: int) -> list[tuple[float, float]]:
    recent, count, found = deque[bool](), 0, []
    for number, row in enumerate(rows):
        recent.append(row["exit"] == name)
        count += recent[-1]
        if len(recent) > RECENT:
            count -= recent.popleft()
        if number % every == 0 or number == len(rows) - 1:
            found.append((float(number), count / len(recent)))
    return found


def _studies(run: Path) -> Iterator[str]:
    lost = _rows(run / "failures" / "subsets.csv")
    if lost:
        by_count: dict[int, list[float]] = {}
        for row in lost:
            by_count.setdefault(int(row["count"]), []).append(float(row["overall"]))
        means = [(float(k), sum(v) / len(v)) for k, v in sorted(by_count.items())]
        worst = [(float(k), min(v)) for k, v in sorted(by_count.items())]
        lines = [
            Line(label="mean of all sets", points=means, css="s1"),
            Line(label="worst set", points=worst, css="bad", dashed=True),
        ]
        drawn = chart(lines, top=1.0, percent=True, x_label="devices lost")
        yield _panel("Failure study", drawn, "half", legend(lines))
    thresholds = _rows(run / "thresholds.csv")
    if thresholds and "local_share" in thresholds[0]:
        lines = [
            Line(
                label=label,
                points=[(float(r["threshold"]), float(r[key])) for r in thresholds if r[key]],
                css=css,
            )
            for label, key, css in (
                ("right", "accuracy", "s1"),
                ("answered locally", "local_share", "s2"),
            )
        ]
        drawn = chart(lines, top=1.0, percent=True, x_label="threshold on entropy")
        yield _panel("Thresholds", drawn, "half", legend(lines))


def _exits(report: dict[str, Any]) -> str:
    latency = report.get("latency_ms", {})
    rows = (
        (
            name, part.get("samples", ""), percent(part["share"]), percent(part["accuracy"]),
            *(f"{latency[name][p]:.1f}" if name in latency else "–" for p in ("p50", "p95", "p99")),
        )
        for name, part in report["exits"].items()
    )  # fmt: skip
    return _table(("exit", "answers", "share", "right", "p50 ms", "p95 ms", "p99 ms"), rows)


def _classes(report: dict[str, Any]) -> str:
    rows = (
        (name, part["samples"], part["correct"], percent(part["correct"] / part["samples"]))
        for name, part in report["classes"].items()
        if part["samples"]
    )
    return _table(("class", "samples", "right", ""), rows)


def _links(report: dict[str, Any]) -> str:
    keys = ("messages", "rows", "information", "payload", "zmtp", "ip")
    rows = (
        (f"{e['from']} → {e['to']}", e["kind"], *(f"{e[key]:,.0f}" for key in keys))
        for e in report["bytes"]["links"]
        if e["data"]
    )
    return _table(("link", "kind", "messages", "samples", *keys[2:]), rows)


def _nodes(report: dict[str, Any]) -> str:
    rows = (
        (
            name, node["state"], f"{node['sent_bytes']:,}", f"{node['received_bytes']:,}",
            "–" if node.get("resident_mb") is None else f"{node['resident_mb']:.0f}",
            ", ".join(f"{count} {event}" for event, count in node["events"].items() if count),
        )
        for name, node in report["nodes"].items()
    )  # fmt: skip
    return _table(("node", "state", "sent B", "received B", "memory MB", "noted"), rows)


def _failures(report: dict[str, Any]) -> str:
    rows = [(failure_line(entry),) for entry in report["failures"]]
    notes = [(f"{n['what']}: {n['said']} ({n['times']} times)",) for n in report.get("notes", [])]
    if not rows and not notes:
        return '<p class="note">None.</p>'
    return _table(("what",), [*rows, *notes])


def _versions(report: dict[str, Any]) -> str:
    given = {
        "bundle": report.get("bundle_sha256"),
        "seed": report.get("seed"),
        **report.get("versions", {}),
    }
    return _table(("", ""), [(name, value) for name, value in given.items() if value is not None])


def _marks(report: dict[str, Any]) -> list[tuple[float, str]]:
    """Failures that were made, not what was merely noticed."""
    return [
        (float(entry["sample"]), f"{entry['kind']} {entry['node']}")
        for entry in report["failures"]
        if "sample" in entry and entry["kind"] in FAILURE_KINDS
    ]


def _panel(title: str, content: str, css: str, beside: str = "") -> str:
    head = f'<div class="head"><h2>{escape(title)}</h2>{beside}</div>'
    return f'<section class="panel {css}">{head}<div class="scroll">{content}</div></section>'


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns of numbers are to the right."""
    found = [[str(value) for value in row] for row in rows]
    numbers = [all(map(_is_number, column)) for column in zip(*found, strict=True)]
    css = [' class="num"' if is_number else "" for is_number in numbers] or [""] * len(header)

    def cells(tag: str, values: Sequence[str]) -> str:
        pairs = zip(css, values, strict=True)
        return "".join(f"<{tag}{how}>{escape(value)}</{tag}>" for how, value in pairs)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in found)
    return f"<table><thead><tr>{cells('th', header)}</tr></thead><tbody>{body}</tbody></table>"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[\d,.]+%?|–", text) is not None


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(StringIO(read_plain(path).decode("utf-8", "replace"))))
    except OSError:
        return []
