"""Plots from CSV files, as a run leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddnn.report.files import write_csv
from ddnn.report.plots import plot_losses, plot_thresholds

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("local", [True, False], ids=["with-local-exit", "without"])
def test_threshold_plot_draws_what_the_csv_holds(tmp_path: Path, local: bool) -> None:
    columns = ["threshold", *(["local_share"] if local else []), "accuracy", "payload_bytes"]
    rows = [[t / 4, *([t / 4] if local else []), 0.9, 140 - 30 * t, 100] for t in range(5)]
    write_csv(tmp_path / "thresholds.csv", [*columns, "samples"], rows)
    plot_thresholds(tmp_path / "thresholds.csv", tmp_path / "t.png", chosen=0.5, raw_bytes=3072)
    assert (tmp_path / "t.png").read_bytes().startswith(PNG)


def test_loss_plot_draws_every_exit_and_the_overall_rule(tmp_path: Path) -> None:
    rows = [["", 0, 0.9, 0.95, 0.94, 10], ["cam0", 1, 0.8, 0.9, 0.9, 10]]
    header = ["lost", "count", "local", "cloud", "overall", "samples"]
    write_csv(tmp_path / "subsets.csv", header, rows)
    plot_losses(tmp_path / "subsets.csv", tmp_path / "l.png", exits=("local", "cloud"))
    assert (tmp_path / "l.png").read_bytes().startswith(PNG)
