"""Plots of a run, from the CSV files beside them. The only file that imports matplotlib."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.report.files import write_bytes

INK, BLUE, ORANGE, GREEN, GRAY = "#222222", "#1f5fa8", "#d2691e", "#5a8f5a", "#9a9a9a"
STYLE: dict[Any, Any] = {
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "xtick.color": INK,
    "ytick.color": INK,
}


def plot_thresholds(
    thresholds_csv: Path, path: Path, *, chosen: float | None, raw_bytes: float
) -> Figure:
    """Accuracy and payload against the threshold: the paper's figure 7, from thresholds.csv.

    Returns what it has written to `path`.
    chosen: the calibrated threshold, marked. raw_bytes: of a raw view, named for comparison.
    """
    rows = _rows(thresholds_csv)
    thresholds = [float(row["threshold"]) for row in rows]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        left = figure.subplots()
        right = left.twinx()
        right.spines["right"].set_visible(True)
        shares = [100 * float(row["local_share"]) for row in rows] if _has_local(rows) else []
        accuracies = [100 * float(row["accuracy"]) for row in rows]
        left.plot(thresholds, accuracies, color=BLUE, lw=2, label="right")
        if shares:
            left.plot(thresholds, shares, color=GRAY, lw=1.5, ls="--", label="answered locally")
        left.legend(frameon=False, loc="center right")
        right.plot(thresholds, [float(r["payload_bytes"]) for r in rows], color=ORANGE, lw=2)
        left.set(xlabel="threshold T on normalized entropy", ylim=(0, 103), xlim=(0, 1))
        left.set_ylabel("% of samples", color=BLUE)
        right.set_ylabel(f"payload, bytes a device and sample (raw {raw_bytes})", color=ORANGE)
        right.set_ylim(0)
        if chosen is not None:
            left.axvline(chosen, color=INK, lw=1, ls=":")
            left.annotate(f" T = {chosen:.2f}", (chosen, 4), color=INK)
        left.set_title(f"Accuracy and bytes against the threshold, n = {rows[0]['samples']}")
        return _save(figure, path)


def plot_cuts(cuts_csv: Path, path: Path, *, link_kbps: float) -> Figure:
    """Bytes, and time in parts, of each place at which a network can be cut, from cuts.csv."""
    rows = _rows(cuts_csv)
    layers, x = [row["layer"] for row in rows], range(len(rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        upper.plot(
            x, [float(row["raw_bytes"]) for row in rows], color=ORANGE, marker="o", label="sent"
        )
        coded = [(place, float(row["coded_bytes"])) for place, row in zip(x, rows, strict=True)
                 if row["coded_bytes"]]  # fmt: skip
        if coded:
            upper.plot(*zip(*coded, strict=True), color=BLUE, marker="o", label="entropy-coded")
        upper.set(ylabel="bytes a sample", yscale="log")
        upper.legend(frameon=False)
        device = [float(row["device_ms"]) for row in rows]
        rest = [float(row["rest_ms"]) for row in rows]
        link = [8 * float(row["raw_bytes"]) / link_kbps for row in rows]
        below = [a + b for a, b in zip(device, link, strict=True)]
        lower.bar(x, device, color=BLUE, label="device")
        lower.bar(x, link, bottom=device, color=ORANGE, label=f"link of {link_kbps:g} kbps")
        lower.bar(x, rest, bottom=below, color=GREEN, label="server")
        lower.set(ylabel="ms a sample")
        lower.set_xticks(list(x), layers, rotation=60, ha="right", fontsize=8)
        lower.legend(frameon=False)
        return _save(figure, path)


def plot_losses(subsets_csv: Path, path: Path, *, exits: Sequence[str]) -> Figure:
    """Accuracy against devices lost: mean and worst over all subsets, from subsets.csv.

    Returns what it has written to `path`.
    """
    rows = _rows(subsets_csv)
    counts = sorted({int(row["count"]) for row in rows})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        colors = dict(zip(exits, (GRAY, ORANGE, GREEN), strict=False)) | {"overall": BLUE}
        for name, color in colors.items():
            by_count = [
                [100 * float(r[name]) for r in rows if int(r["count"]) == k] for k in counts
            ]
            means = [sum(values) / len(values) for values in by_count]
            axes.plot(counts, means, color=color, lw=2, marker="o", ms=4, label=f"{name}, mean")
            if name == "overall":
                worst = [min(values) for values in by_count]
                axes.plot(counts, worst, color=color, lw=1, ls="--", label=f"{name}, worst")
                axes.fill_between(counts, worst, means, color=color, alpha=0.1, lw=0)
        axes.set(xlabel="devices lost", ylabel="% of samples right", ylim=(0, 103), xticks=counts)
        axes.legend(frameon=False, loc="lower left")
        axes.set_title(
            f"Accuracy against devices lost, all {len(rows)} subsets, n = {rows[0]['samples']}"
        )
        return _save(figure, path)


def plot_pareto(
    trials_csv: Path, pareto_csv: Path, path: Path, *, columns: Sequence[str]
) -> Figure:
    """Every trial of a search, those that none surpasses joined: the first objective against the
    second, a third as color.

    Returns what it has written to `path`.
    """
    trials = [row for row in _rows(trials_csv) if row[columns[0]]]
    best = sorted(_rows(pareto_csv), key=lambda row: float(row[columns[1]]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        third = [float(row[columns[2]]) for row in trials] if len(columns) > 2 else GRAY
        across = [float(row[columns[1]]) for row in trials]
        points = axes.scatter(across, [float(row[columns[0]]) for row in trials], c=third, s=18)
        line = [[float(row[name]) for row in best] for name in (columns[1], columns[0])]
        axes.plot(*line, color=BLUE, lw=1.5, marker="o", ms=6, mfc="none", label="not surpassed")
        if len(columns) > 2:
            figure.colorbar(points, label=columns[2])
        axes.set(xlabel=columns[1], ylabel=f"{columns[0]}, validation samples")
        axes.legend(frameon=False)
        axes.set_title(f"{len(trials)} trials, {len(best)} not surpassed")
        return _save(figure, path)


def plot_ground(
    path: Path, cameras: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], title: str
) -> Figure:
    """Where points clicked in cameras' pictures lie on the ground, and what a few pixels are there.

    cameras: by name, in metres: where the points are, (N,2), and where those beside them in the
    picture would be: left, right, above, below, (N,4,2). Returns what it has written to `path`.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 6), layout="constrained")
        axes = figure.subplots()
        for number, (name, (said_N2, beside_N42)) in enumerate(cameras.items()):
            colour = f"C{number % 10}"
            size = 6 + 4 * number  # of one place, none hides another
            axes.plot(*said_N2.T, "o", mfc="none", ms=size, color=colour, label=name)
            for one, other in ((0, 1), (2, 3)):
                axes.plot(*beside_N42[:, (one, other)].transpose(2, 1, 0), color=colour, lw=1.5)
        axes.set(xlabel="x, m", ylabel="y, m", title=title, aspect="equal")
        axes.legend()
        return _save(figure, path)


def _has_local(rows: list[dict[str, str]]) -> bool:
    return "local_share" in rows[0]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _save(figure: Figure, path: Path) -> Figure:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes(path, buffer.getvalue())
    return figure
