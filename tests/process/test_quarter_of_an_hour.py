"""The first section of docs/own-networks.md, done as it says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ddnn

pytestmark = pytest.mark.process
PACKAGE = Path(ddnn.__file__).parents[1]
PAGE = PACKAGE / "docs/own-networks.md"
FILES = ("card.yaml", "nets.py", "network.yaml")


def make_images(folder: Path) -> None:
    """Bright cats and dark dogs."""
    rng = np.random.default_rng(0)
    for label, level in (("cat", 120), ("dog", 0)):
        for n in range(30):
            sample = folder / "DATA" / label / f"s{n}"
            sample.mkdir(parents=True)
            for view in ("left", "right"):
                pixels = rng.integers(1, 120, (96, 96, 3), dtype=np.uint8) + np.uint8(level)
                Image.fromarray(pixels).save(sample / f"{view}.png")


def ddnn_commands(text: str) -> list[list[str]]:
    lines = re.findall(r"^ddnn .*$", text, re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_page_leads_from_images_to_a_launch_with_a_camera_killed(tmp_path):
    text = PAGE.read_text(encoding="utf-8").split("## A module as a block")[0]
    blocks = re.findall(r"```(?:yaml|python)\n(.*?)```", text, re.DOTALL)
    for name, content in zip(FILES, blocks, strict=True):
        assert f"`{name}`" in text
        (tmp_path / name).write_text(content, encoding="utf-8")
    make_images(tmp_path)
    changed = {"--epochs": "2"}
    for words in ddnn_commands(text):
        given = [
            changed.get(before, word) for before, word in zip(["", *words], words, strict=False)
        ]
        more = ["--free-ports"] if words[0] == "launch" else []
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ddnn", *given, *more],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr[-2000:]}"
    report = json.loads((tmp_path / "run/launch/report.json").read_text(encoding="utf-8"))
    assert report["answered"] == report["samples"] == 12
    assert report["nodes"]["left"]["state"] == "killed"
