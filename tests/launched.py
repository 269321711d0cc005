"""What tests of several launchers share: a topology of two hosts, commands, a data card."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from builders import patient, star_topology

from ddnn.data.multiview import MultiView


def on_two_hosts(*, seconds: float, **security: bool) -> dict[str, Any]:
    """A star's document: the cloud is on `far`, all others and the collector on `site`."""
    document = patient(star_topology(2, security=security), seconds=seconds).model_dump(mode="json")
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cloud" else "site"
    document["collector"]["host"] = "site"
    return document


def write_card(folder: Path, samples: MultiView) -> list[str]:
    """Options that choose these samples, which the command line reads from the folder."""
    np.savez(folder / "samples.npz", X=samples.views_NVCHW, y=samples.labels_NV)
    card = folder / "card.yaml"
    classes = ", ".join(samples.classes)
    card.write_text(f"kind: npz\npath: samples.npz\nclasses: [{classes}]\n")
    return ["--data", str(card), "--split", "all"]


class Commands:
    """Processes that were started in a folder, each with a log there, until `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, log: str, *command: object) -> subprocess.Popen[bytes]:
        """Python with these arguments."""
        arguments = [sys.executable, *map(str, command)]
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(arguments, cwd=self.folder, stdout=file, stderr=file)
        self._started.append(process)
        return process

    def said(self, log: str) -> str:
        return (self.folder / log).read_text()

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
