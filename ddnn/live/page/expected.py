"""What the offline failure study of a run found, by which devices were there."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

from ddnn.plainfile import read_plain
from ddnn.topology import Topology

REPORT, SUBSETS = "failures/report.json", "failures/subsets.csv"


def expected_accuracy(run: Path, topology: Topology, bundle_sha256: str) -> dict[str, float]:
    """By `present`, one digit a device: the overall accuracy. Empty where the run's folder has no
    study of this bundle."""
    try:
        if json.loads(read_plain(run / REPORT))["bundle_sha256"] != bundle_sha256:
            return {}
        rows = list(csv.DictReader(StringIO(read_plain(run / SUBSETS).decode())))
        return {_present(row["lost"], topology): float(row["overall"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _present(lost: str, topology: Topology) -> str:
    gone = lost.split("+")
    return "".join("01"[name not in gone] for name in topology.devices)
