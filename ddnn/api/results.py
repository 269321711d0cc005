"""What `ddnn.evaluate`, `failures`, `launch` and `simulate` give back.

Each holds the document that is written as `report.json`, says its key figures as attributes, and
turns into a pandas table where pandas is installed (it is no dependency of ddnn).

Axes: N samples, V views.
"""

from __future__ import annotations

import csv
import html
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddnn.errors import ConfigError
from ddnn.report.tables import percent
from ddnn.report.verdicts import Verdicts, columns, verdict_rows

if TYPE_CHECKING:
    import pandas as pd

    from ddnn.simulation.study import Ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A report with its key figures.

    report: the document, with the names of `report.json`. A share is of 1.
    """

    report: dict[str, Any] = field(repr=False)

    @property
    def samples(self) -> int:
        """How many were run."""
        return int(self.report["samples"])

    @property
    def accuracy(self) -> float:
        """Share of the samples answered rightly by the overall rule, all devices present or not."""
        return float(self.report["accuracy"])

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of `accuracy` (Wilson), samples taken as independent."""
        low, high = self.report["accuracy_interval"]
        return float(low), float(high)

    def figures(self) -> dict[str, str]:
        """The key figures for a person: name and value."""
        low, high = self.accuracy_interval
        return {
            "topology": str(self.report["topology"]),
            "samples": str(self.samples),
            "accuracy": f"{percent(self.accuracy)} ({percent(low)} – {percent(high)})",
        }

    def to_pandas(self) -> pd.DataFrame:
        """The rows behind the figures. Raises ConfigError where pandas is not installed."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """A small table, in a notebook."""
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in self.figures().items()
        )
        return f"<table>{cells}</table>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered(Result):
    """A result with one verdict a sample."""

    @property
    def shares(self) -> dict[str, float]:
        """By exit name, the share of samples that it answered."""
        exits = self.report["exits"]
        return {name: float(entry["share"] or 0.0) for name, entry in exits.items()}

    @property
    def payload_bytes(self) -> float:
        """Bytes of scores and features that a device sends a sample: equation 1 of the paper."""
        return float(self.report["bytes"]["per_device_sample"]["payload"] or 0.0)

    def figures(self) -> dict[str, str]:
        """See Result."""
        answered = {f"answered at {name}": percent(share) for name, share in self.shares.items()}
        bytes_ = {"payload, bytes per device and sample": f"{self.payload_bytes:.1f}"}
        return Result.figures(self) | answered | bytes_


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult(_Answered):
    """A run tried offline. folder: where `report.json`, `verdicts.csv`, `thresholds.csv` are, until
    the next evaluation. rows: the lines of this one's `verdicts.csv`, header first."""

    folder: Path
    rows: tuple[tuple[str, ...], ...] = field(repr=False)

    @property
    def exit_accuracies(self) -> dict[str, float]:
        """By exit name, its accuracy if it answered every sample."""
        exits = self.report["exits"]
        return {name: float(entry["all_samples_accuracy"]) for name, entry in exits.items()}

    def to_pandas(self) -> pd.DataFrame:
        """One row a sample, the columns of `verdicts.csv`."""
        return _frame(self.rows[1:], self.rows[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureResult(Result):
    """A run tried with every set of lost devices. subsets: the lines of `subsets.csv`, header
    first."""

    subsets: tuple[tuple[str, ...], ...] = field(repr=False)

    @property
    def lost(self) -> dict[int, dict[str, float]]:
        """By number of lost devices, mean and worst overall accuracy over all sets of that size."""
        found = {}
        for count, losses in self.report["lost"].items():
            overall = losses["overall"]
            found[int(count)] = {"mean": float(overall["mean"]), "worst": float(overall["worst"])}
        return found

    def figures(self) -> dict[str, str]:
        """See Result."""
        lines = {
            f"{count} lost, mean / worst": f"{percent(of['mean'])} / {percent(of['worst'])}"
            for count, of in self.lost.items()
        }
        return Result.figures(self) | lines

    def to_pandas(self) -> pd.DataFrame:
        """One row a set of lost devices, the columns of `subsets.csv`."""
        return _frame(self.subsets[1:], self.subsets[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchResult(_Answered):
    """Real processes tried. verdicts: one a sample, in sample order."""

    verdicts: Verdicts = field(repr=False)

    @property
    def degraded(self) -> int:
        """Samples answered by a shallower exit than wanted, since what lies above was gone."""
        return int(self.report["degraded"])

    @property
    def latency_ms(self) -> dict[str, dict[str, float]]:
        """By exit name, p50, p95 and p99 of the time from capture to answer, milliseconds."""
        return {name: dict(entry) for name, entry in self.report["latency_ms"].items()}

    def figures(self) -> dict[str, str]:
        """See Result."""
        times = {
            f"latency of {name}, p50 / p99": f"{entry['p50']:.1f} / {entry['p99']:.1f} ms"
            for name, entry in self.latency_ms.items()
        }
        return _Answered.figures(self) | times | {"degraded": str(self.degraded)}

    def to_pandas(self) -> pd.DataFrame:
        """One row a sample, the columns of `verdicts.csv`."""
        verdicts = self.verdicts
        row = verdict_rows(
            verdicts.exits,
            verdicts.classes,
            views=verdicts.present_NV.shape[1],
            bypassable=verdicts.bypassable,
        )
        rows = map(row, verdicts.answers(), verdicts.labels_N)
        return _frame([list(map(str, cells)) for cells in rows], columns(verdicts.bypassable))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult(LaunchResult):
    """Nodes tried in virtual time: what a launch finds, and whether its promises held.

    ran: what happened in detail.
    """

    ran: Ran = field(repr=False)

    @property
    def virtual_s(self) -> float:
        """Seconds that passed for the nodes."""
        return self.ran.result.virtual_s

    @property
    def broken(self) -> str | None:
        """The promise that did not hold, if any."""
        return None if self.ran.broken is None else str(self.ran.broken)

    def figures(self) -> dict[str, str]:
        """See Result."""
        promises = {"promises": self.broken or "held"}
        return LaunchResult.figures(self) | promises | {"virtual time": f"{self.virtual_s:.3f} s"}


def read_frame(path: Path) -> pd.DataFrame:
    """A CSV file's lines. Raises ConfigError where pandas is not installed."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return _frame(rows, header)


_TEXT = {"label", "predicted", "exit", "present", "past", "lost", "topology", "data"}
"""Columns whose cells are text, also where they look like numbers: `011111`."""


def _frame(rows: Iterable[Sequence[str]], columns: Sequence[str]) -> pd.DataFrame:
    try:
        import pandas as pd  # noqa: PLC0415  # no dependency of ddnn
    except ImportError as error:
        raise ConfigError(
            "to_pandas: pandas is not installed, want `pip install pandas`"
        ) from error
    frame = pd.DataFrame(list(rows), columns=list(columns))
    for name in frame.columns.difference(sorted(_TEXT)):
        with suppress(ValueError):  # what is text all the same stays so
            frame[name] = pd.to_numeric(frame[name])
    return frame
