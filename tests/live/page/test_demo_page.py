"""`ddnn demo --page` goes on beside its page when all else is done."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from launched_page import DEADLINE_S, lines_of
from visitor import At, Visitor

from ddnn.api.offline import train

pytestmark = pytest.mark.process
PROGRAM = """
import sys
from itertools import islice
from pathlib import Path
from rich.console import Console
from ddnn.cli.demo import show
from ddnn.live.page.options import page_options
show(Path(sys.argv[1]), page_options("127.0.0.1:0"), Console(stderr=True, width=200))
"""


def test_the_demo_shows_five_samples_a_second_and_what_validation_looks_like(tmp_path: Path):
    card = tmp_path / "few.yaml"
    card.write_text(
        "kind: rendered\nsamples: 40\nseed: 3\nclasses: [car, bus, person]\n"
        "split: {by: sample, validation: 0.2, test: 0.3, seed: 0}\n"
    )
    train("six-cameras", data=card, out=tmp_path / "run", epochs=1)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    said = lines_of(process)
    try:
        visitor = Visitor(At(said(r"page: (\S+)")))
        states = (found for name, found in visitor.events() if name == "state")
        five_a_second = pytest.approx(5, rel=0.3)
        late = (s for s in islice(states, 300) if s["answered"] > 10)
        found = next(s for s in late if s["samples_per_s"] == five_a_second)
        assert found["drift"]["validation_entropy"] > 0
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        said("")
