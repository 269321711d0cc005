"""The report as one file for a browser."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders import star_topology
from click.testing import CliRunner

from ddnn.cli.report import command
from ddnn.live.page.document import report_html
from ddnn.live.page.svg import Line, chart, ticks
from ddnn.report.verdicts import COLUMNS

VOID = {"meta", "br", "img", "link"}


def launch_report(**more: object) -> dict[str, object]:
    link = {"from": "cam0", "to": "gateway", "kind": "scores", "data": True, "messages": 9}
    sizes = {"rows": 300, "information": 8.5, "payload": 3600, "zmtp": 5000, "ip": 9000}
    node = {"state": "running", "sent_bytes": 5, "received_bytes": 6, "resident_mb": 80.0}
    names = star_topology().nodes
    return {
        "command": "launch", "topology": "star", "samples": 300, "answered": 300, "degraded": 2,
        "accuracy": 0.9, "accuracy_interval": [0.86, 0.93],
        "exits": {n: {"samples": 150, "share": 0.5, "accuracy": 0.9} for n in ("local", "cloud")},
        "classes": {"car": {"samples": 300, "correct": 270}},
        "nodes": {n: node | {"events": {"late": 2}} for n in names}
        | {"cam1": node | {"state": "killed", "events": {}, "resident_mb": None}},
        "bytes": {"per_device_sample": {"payload": 12.0}, "links": [link | sizes]},
        "latency_ms": {"local": {"p50": 1.0, "p95": 2.0, "p99": 3.0}},
        "throughput_samples_per_s": 800.0, "duration_s": 2.5,
        "failures": [{"node": "cam1", "kind": "kill", "sample": 150, "applied": True}],
        "notes": [], "bundle_sha256": "ab" * 32, "seed": 1, "versions": {"ddnn": "0.1.0"}, **more,
    }  # fmt: skip


def written(folder: Path) -> Path:
    """A run's folder with a launch in it."""
    rows = [
        f"{n},car,{'car' if n < 150 or n % 2 else 'bus'},{'local' if n % 2 else 'cloud'},0.5,111,0"
        for n in range(300)
    ]
    (folder / "launch").mkdir()
    (folder / "launch" / "verdicts.csv").write_text("\n".join([",".join(COLUMNS[:-1]), *rows]))
    (folder / "launch" / "report.json").write_text(json.dumps(launch_report()))
    (folder / "failures").mkdir()
    lost = ["lost,count,overall", ",0,0.95", "cam0,1,0.9", "cam1,1,0.8"]
    (folder / "failures" / "subsets.csv").write_text("\n".join(lost))
    return folder


class Tags(HTMLParser):
    """Whether all that opens closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_launch_is_one_whole_file_that_needs_nothing_else(tmp_path):
    run = written(tmp_path)
    text = report_html(launch_report(), run / "launch", run, star_topology())
    tags = Tags(text)
    assert tags.open == []
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import|https?://", text)
    said = set(tags.texts)
    assert {"90.0%", "cam0 → gateway", "cam1: kill before sample 150", "0.1.0", "12.0 B"} <= said
    assert {"Topology", "Accuracy", "Share by exit", "Failure study", "Nodes"} <= said
    assert text.count('class="node failed"') == 1
    assert text.count("<svg") == 4


def test_names_are_escaped(tmp_path):
    nasty = "<script>alert(1)</script>"
    report = launch_report(topology=nasty, classes={nasty: {"samples": 1, "correct": 1}})
    assert "<script" not in report_html(report, tmp_path, tmp_path, None)


def test_the_command_writes_it_and_replaces_no_file_of_others(tmp_path):
    run, file = written(tmp_path), tmp_path / "out.html"
    for _ in range(2):  # its own file is replaced
        done = CliRunner().invoke(command, [str(run), "--html", str(file)])
        assert (done.exit_code, done.output) == (0, f"written: {file}\n")
    Tags(file.read_text())
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    done = CliRunner().invoke(command, [str(run), "--html", str(other)])
    assert "is there and no page, want another file" in str(done.exception)
    assert other.read_text() == "mine"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.003), (17, 23_456), (0.5, 1.0)])
def test_ticks_are_round_and_within(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 11
    assert low - 1e-9 <= found[0]
    assert found[-1] <= high + 1e-9


def test_a_chart_holds_its_lines_within_itself():
    line = Line(label="a", points=[(0, 0.5), (10, 7.0), (20, -3.0)], css="s1")
    text = chart([line], top=1.0, marks=[(10, "kill <b>"), (99, "beyond")])
    numbers = re.search(r'polyline[^>]*points="([^"]+)"', text)[1]
    heights = [float(pair.split(",")[1]) for pair in numbers.split()]
    assert heights == [107.0, 18.0, 196.0]
    assert "kill &lt;b&gt;" in text
    assert "beyond" not in text


def test_a_chart_of_nothing_is_nothing():
    assert chart([Line(label="a", points=[], css="s1")]) == ""
