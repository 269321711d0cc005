"""Charts as SVG text, in the page's colours: for files that nobody's script draws in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 18, 24
"""Margins, for labels."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart. css: s1 to s4, soft or bad, the page's colours. band: lower and upper
    bound to shade, if there is one."""

    label: str
    points: Points
    css: str
    dashed: bool = False
    band: Sequence[tuple[float, float, float]] = ()


def chart(
    lines: Sequence[Line],
    *,
    marks: Sequence[tuple[float, str]] = (),
    top: float | None = None,
    bottom: float = 0.0,
    percent: bool = False,
    x_label: str = "",
) -> str:
    """marks: where something happened, and what. top: of the y axis, None: as the lines have it."""
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_high = top if top is not None else 1.1 * max(1e-9, *(y for _, y in points))
    frame = _Frame(x_low, max(x_high, x_low + 1e-9), bottom, y_high)
    parts = [
        *_axes(frame, percent=percent, x_label=x_label),
        *(_band(frame, line) for line in lines if line.band),
        *(_mark(frame, *mark) for mark in marks),
        *(_path(frame, line) for line in lines),
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="plot" role="img">{"".join(parts)}</svg>'


def legend(lines: Sequence[Line]) -> str:
    """Which line is which."""
    items = (f'<li><i class="{line.css}"></i>{escape(line.label)}</li>' for line in lines)
    return f'<ul class="legend">{"".join(items)}</ul>'


@dataclass(frozen=True, slots=True)
class _Frame:
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """In pixels; y is held within the frame."""
        across = (x - self.x_low) / (self.x_high - self.x_low)
        up = (min(max(y, self.y_low), self.y_high) - self.y_low) / (self.y_high - self.y_low)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from low to high, about so many."""
    raw = (high - low) / count
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * nice for nice in (1, 2, 5, 10) if size * nice >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _axes(frame: _Frame, *, percent: bool, x_label: str) -> list[str]:
    parts = []
    for value in ticks(frame.y_low, frame.y_high, 4):
        _, y = frame.at(frame.x_low, value)
        text = f"{100 * value:.3g} %" if percent else f"{value:.6g}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5}" text-anchor="end">{text}</text>'
        )
    for value in ticks(frame.x_low, frame.x_high, 7):
        x, _ = frame.at(value, frame.y_low)
        parts.append(
            f'<text class="tick" x="{x}" y="{HEIGHT - 7}" text-anchor="middle">{value:.6g}</text>'
        )
    if x_label:
        parts.append(
            f'<text class="tick" x="{WIDTH - RIGHT}" y="{TOP - 6}" text-anchor="end">'
            f"{escape(x_label)}</text>"
        )
    return parts


def _path(frame: _Frame, line: Line) -> str:
    places = " ".join(f"{x},{y}" for x, y in (frame.at(*point) for point in line.points))
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    return f'<polyline class="curve {line.css}"{dash} points="{places}"/>'


def _band(frame: _Frame, line: Line) -> str:
    upper = [frame.at(x, high) for x, _, high in line.band]
    lower = [frame.at(x, low) for x, low, _ in reversed(line.band)]
    places = " ".join(f"{x},{y}" for x, y in (*upper, *lower))
    return f'<polygon class="band" points="{places}"/>'


def _mark(frame: _Frame, x: float, text: str) -> str:
    if not frame.x_low <= x <= frame.x_high:
        return ""
    at, _ = frame.at(x, frame.y_low)
    anchor = "start" if at < WIDTH / 2 else "end"
    return (
        f'<line class="event" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="tick event" x="{at}" y="{TOP - 6}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
