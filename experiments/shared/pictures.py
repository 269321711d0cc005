"""Draws means with their intervals beside published values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddnn.report.files import write_bytes
from ddnn.report.plots import BLUE, GRAY, GREEN, ORANGE, STYLE
from experiments.shared.variants import way_of

if TYPE_CHECKING:
    from experiments.shared.rows import Mean, Means

Values = Mapping[str, "Mean"]
"""By measure."""
COLORS = {
    "local": GRAY, "edge": GREEN, "cloud": ORANGE, "overall": BLUE, "individual": GREEN,
    "offline": GRAY, "plain": GRAY,
}  # fmt: skip
SHARES_TOP = 103


def write_picture(path: Path, draw: Callable[[Figure], None]) -> None:
    """A PNG of what `draw` puts into an empty figure."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        draw(figure)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())


def by_way(figure: Figure, means: Means) -> list[tuple[Axes, dict[str, Values]]]:
    """A panel for the paper's recipe and one for it with batches, where there are rows of it; in
    each the values by name (see variants.each_way)."""
    ways: dict[bool, dict[str, Values]] = {}
    for setting, rows in means.items():
        name, changes = way_of(setting)
        ways.setdefault(bool(changes), {})[name] = rows[setting]
    panels = figure.subplots(1, len(ways), sharey=True, squeeze=False)[0]
    for axes, is_changed in zip(panels, ways, strict=True):
        axes.set_title("batches of 32, 60 epochs" if is_changed else "100 updates, as published")
    return list(zip(panels, ways.values(), strict=True))


def line(
    axes: Axes,
    x: Sequence[float],
    rows: Sequence[Values],
    measure: str,
    *,
    name: str | None = None,
    color: str | None = None,
) -> None:
    """One measure against x: our mean with its interval, the published value dashed."""
    label = name or measure
    color = color or COLORS.get(label, BLUE)
    means = [values[measure] for values in rows]
    axes.plot(x, [m.value for m in means], color=color, lw=2, marker="o", ms=4, label=label)
    if all(m.low is not None for m in means):
        axes.fill_between(
            x, [m.low or 0.0 for m in means], [m.high or 0.0 for m in means],
            color=color, alpha=0.15, lw=0,
        )  # fmt: skip
    known = [(at, m.published) for at, m in zip(x, means, strict=True) if m.published is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=color, lw=1, ls="--", marker="x", ms=5)


def bars(axes: Axes, rows: Mapping[str, Values], measures: Sequence[str]) -> None:
    """A group of bars a row; a short black line where a value is published."""
    width = 0.8 / len(measures)
    for number, measure in enumerate(measures):
        at = [place + width * (number + 0.5) - 0.4 for place in range(len(rows))]
        means = [values[measure] for values in rows.values()]
        low = [m.value - (m.value if m.low is None else m.low) for m in means]
        high = [(m.value if m.high is None else m.high) - m.value for m in means]
        axes.bar(
            at, [m.value for m in means], width, yerr=[low, high], label=measure,
            color=COLORS.get(measure, BLUE), alpha=0.85, error_kw={"lw": 1, "capsize": 2},
        )  # fmt: skip
        for place, m in zip(at, means, strict=True):
            if m.published is not None:
                axes.hlines(m.published, place - width / 2, place + width / 2, color="black", lw=2)
    axes.set_xticks(range(len(rows)), list(rows))


def finish(
    axes: Axes, *, title: str, xlabel: str, bottom: float = 0, legend: str = "lower right"
) -> None:
    """Title, labels and legend of a plot of shares in per cent."""
    axes.set(title=title, xlabel=xlabel, ylabel="% of test samples", ylim=(bottom, SHARES_TOP))
    axes.legend(edgecolor="none", framealpha=0.8, loc=legend)
