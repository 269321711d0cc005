"""A launch with a page, as a user starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread

import numpy as np
import yaml
from networks import Trained, Trainer

from ddnn.topology import Topology

DEADLINE_S = 60
ENDLESS = 10_000_000


def trained_with_card(folder: Path, topology: Topology, count: int) -> Trained:
    """A bundle, and in the folder the card of its samples."""
    trained = Trainer(folder)(topology, count)
    samples = trained.samples
    np.savez(folder / "views.npz", X=samples.views_NVCHW, y=samples.labels_NV)
    card = {"kind": "npz", "path": "views.npz", "classes": list(samples.classes)}
    (folder / "card.yaml").write_text(yaml.safe_dump(card | {"split": {"by": "sample"}}))
    return trained


@contextmanager
def launched(
    folder: Path,
    trained: Trained,
    *options: str,
    page: str = "127.0.0.1:0",
    ports: tuple[str, ...] = ("--free-ports",),
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page's address, and the launch; it is ended afterwards."""
    command = [
        sys.executable, "-m", "ddnn", "launch", str(trained.bundle.folder), *ports,
        "--data", str(folder / "card.yaml"), "--split", "all", "--out", str(folder / "out"),
        "--page", page, *options,
    ]  # fmt: skip
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = lines_of(process)
    try:
        address = said(r"page: (\S+)")
        said(r"nodes ready")
        yield address, process
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        said("")  # the reader has come to the end


def lines_of(process: subprocess.Popen[str]) -> Callable[[str], str]:
    """Waits for a line on standard error, and gives the pattern's group (or the whole); without
    one for the end."""
    lines: Queue[str] = Queue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.put(line)
        process.stderr.close()
        lines.put("")

    Thread(target=read, daemon=True).start()

    def said(pattern: str) -> str:
        heard = []
        while line := lines.get(timeout=DEADLINE_S):
            heard.append(line)
            if pattern and (match := re.search(pattern, line)):
                return str(match[match.re.groups])
        assert not pattern, f"ended without {pattern!r}: {heard}"
        return ""

    return said
