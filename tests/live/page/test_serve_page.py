"""The same page beside `ddnn serve`, and its log as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import star_topology
from launched_page import DEADLINE_S, lines_of, trained_with_card
from visitor import At, Visitor

pytestmark = pytest.mark.process
TOPOLOGY = star_topology(2)


def test_a_live_system_shows_itself_until_it_is_stopped(tmp_path: Path):
    trained = trained_with_card(tmp_path, TOPOLOGY, 60)
    card = f"{{kind: recorded, card: {tmp_path}/card.yaml, split: all}}"
    devices = "".join(f"  {name}: {card}\n" for name in TOPOLOGY.devices)
    (tmp_path / "sources.yaml").write_text(f"sample: {{every_ms: 20}}\ndevices:\n{devices}")
    command = [
        sys.executable, "-m", "ddnn", "serve", str(trained.bundle.folder), "--free-ports",
        "--sources", str(tmp_path / "sources.yaml"), "--out", str(tmp_path / "out"),
        "--verdicts", str(tmp_path / "verdicts.jsonl"), "--page", "127.0.0.1:0", "--log-json",
        "--allow-faults",
    ]  # fmt: skip
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = lines_of(process)
    try:
        visitor = Visitor(At(said(r'"message": "page: (\S+)"')))
        state = next(f for n, f in visitor.events() if n == "state" and f["answered"] > 100)
        assert state["command"] == "serve"
        assert state["accuracy"]["samples"] > 0  # recorded views have labels
        assert visitor.ask("/readyz").status == 200
        assert visitor.post({"node": "cam1", "kind": "kill"}).status == 200
        failed = next(
            f for n, f in visitor.events()
            if n == "state" and f["nodes"]["cam1"]["state"] == "failed"
        )  # fmt: skip
        assert failed["marks"][-1]["node"] == "cam1"
        assert "ddnn_running 1.0" in visitor.ask("/metrics").text
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        said("")
    with (tmp_path / "verdicts.jsonl").open() as lines:
        assert sum(1 for line in lines if "sample" in json.loads(line)) > 100
