"""Plots show what the CSV files hold that a run leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from ddnn.report.files import write_csv
from ddnn.report.plots import plot_losses, plot_thresholds

PNG = b"\x89PNG\r\n\x1a\n"


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The points of each line by its label."""
    points = {str(line.get_label()): line.get_xydata() for line in axes.get_lines()}
    return {name: [(float(x), float(y)) for x, y in np.round(xy, 6)] for name, xy in points.items()}


@pytest.mark.parametrize("local", [True, False], ids=["with-local-exit", "without"])
def test_threshold_plot_shows_accuracy_bytes_and_what_is_answered_locally(
    tmp_path: Path, local: bool
) -> None:
    columns = ["threshold", *(["local_share"] if local else []), "accuracy", "payload_bytes"]
    rows = [[t / 2, *([t / 4] if local else []), 0.9 - t / 10, 140 - 30 * t, 100] for t in range(3)]
    write_csv(tmp_path / "thresholds.csv", [*columns, "samples"], rows)
    path = tmp_path / "t.png"
    figure = plot_thresholds(tmp_path / "thresholds.csv", path, chosen=0.5, raw_bytes=3072)
    assert path.read_bytes().startswith(PNG)
    left, right = figure.axes
    drawn = lines(left)
    assert drawn["right"] == [(0.0, 90.0), (0.5, 80.0), (1.0, 70.0)]
    assert drawn.get("answered locally") == ([(0, 0), (0.5, 25), (1, 50)] if local else None)
    assert list(lines(right).values()) == [[(0.0, 140.0), (0.5, 110.0), (1.0, 80.0)]]
    assert [text.get_text() for text in left.texts] == [" T = 0.50"]
    assert "raw 3072" in right.get_ylabel()
    assert left.get_title().endswith("n = 100")


def test_no_threshold_is_marked_where_none_was_chosen(tmp_path: Path) -> None:
    header = ["threshold", "accuracy", "payload_bytes", "samples"]
    write_csv(tmp_path / "thresholds.csv", header, [[0, 0.9, 1, 5], [1, 0.9, 1, 5]])
    figure = plot_thresholds(
        tmp_path / "thresholds.csv", tmp_path / "t.png", chosen=None, raw_bytes=1
    )
    assert list(figure.axes[0].texts) == []


def test_loss_plot_shows_the_mean_of_each_exit_and_the_worst_overall(tmp_path: Path) -> None:
    header = ["lost", "count", "local", "cloud", "overall", "samples"]
    rows = [
        ["", 0, 0.9, 0.95, 0.94, 10],
        ["cam0", 1, 0.8, 0.9, 0.9, 10],
        ["cam1", 1, 0.6, 0.8, 0.7, 10],
    ]
    write_csv(tmp_path / "subsets.csv", header, rows)
    path = tmp_path / "l.png"
    figure = plot_losses(tmp_path / "subsets.csv", path, exits=("local", "cloud"))
    assert path.read_bytes().startswith(PNG)
    (axes,) = figure.axes
    assert lines(axes) == {
        "local, mean": [(0, 90), (1, 70)],
        "cloud, mean": [(0, 95), (1, 85)],
        "overall, mean": [(0, 94), (1, 80)],
        "overall, worst": [(0, 94), (1, 70)],
    }
    assert "all 3 subsets, n = 10" in axes.get_title()
