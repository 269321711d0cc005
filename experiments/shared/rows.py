"""Result rows of a study in a CSV that grows, and their means over seeds beside published values.

Measures are per cent of the test samples unless their name ends in another unit (UNITS). Where a
share is of fewer samples, its row says of how many: NAME_samples, or samples for the whole row.
A measure may bring its own interval over the test samples, or over the objects that they show:
NAME_error is half of it. Over seeds the mean of the halves is taken, the more cautious choice.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from scipy import stats

from ddnn.errors import ConfigError
from ddnn.report.files import write_csv
from ddnn.report.verdicts import wilson_interval

UNITS = (
    "_bytes",
    "_bits",
    "_views",
    "_points",
    "_saved",
    "_ms",
    "_per_s",
    "_error",
    "_mb",
    "_threshold",
    "_times",
    "_uj",
    "samples",
    "_held",
    "temperature",
    "camera",
    "rank",
)
ASKED = ("test_samples", "preset", "changed", "options", "data", "digest")
"""Columns that say what a call asked for: equal in all rows of a file."""
MADE = ("settings", "bundles", "trained_with", "versions", "commit", "processor")
"""Columns that say how a row came about, see `provenance`: empty where it was not noted."""
RECORD = (*ASKED, *MADE)
Rows = Mapping[str, Mapping[str, float]]
"""By row name, by measure."""
Published = Mapping[tuple[str, str], Mapping[str, float]]
"""By setting and row name, by measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Over seeds, so many. low, high: 95 % interval, see `interval`; published: none where
    unknown."""

    value: float
    low: float | None
    high: float | None
    published: float | None
    seeds: int = 1


Means = Mapping[str, Mapping[str, Mapping[str, Mean]]]
"""By setting, row name and measure, in the order of the script."""


class RowFile:
    """The CSV of result rows: grows by one setting and seed at a time, always in one order."""

    def __init__(
        self,
        path: Path,
        settings: Sequence[str],
        record: Mapping[str, str],
        *,
        is_fresh: bool = False,
    ) -> None:
        """record: columns that say what all rows follow from. is_fresh: the first new row
        replaces those that are there.

        Raises ConfigError where the file holds rows that follow from something else.
        """
        self.path = path
        self._places = {setting: place for place, setting in enumerate(settings)}
        self._record = dict(record)
        self._lines = read_csv(path) if path.exists() and not is_fresh else []
        for line in self._lines:
            for column, wanted in record.items():
                if column not in MADE and line.get(column) != wanted:
                    raise ConfigError(
                        f"{path}: {column} is {line.get(column)!r}, this call's is {wanted!r}: "
                        "want another --out, or --fresh to replace these rows"
                    )

    @property
    def test_samples(self) -> int:
        """That every share is of."""
        return int(self._record["test_samples"])

    def has(self, setting: str, seed: int) -> bool:
        return any((x["setting"], x["seed"]) == (setting, str(seed)) for x in self._lines)

    def has_row(self, setting: str, row: str, seed: int) -> bool:
        wanted = (setting, row, str(seed))
        return any((x["setting"], x["row"], x["seed"]) == wanted for x in self._lines)

    def add(
        self, setting: str, seed: int, rows: Rows, made: Mapping[str, str] | None = None
    ) -> None:
        """Puts the rows in their place and writes the file. made: columns MADE of these rows."""
        for row, measures in rows.items():
            values = {measure: f"{value:.4f}" for measure, value in measures.items()}
            start = {"seed": str(seed), "setting": setting, "row": row}
            self._lines.append(start | values | self._record | (made or {}))
        self._lines.sort(key=lambda line: (int(line["seed"]), self._place(line)))
        columns = dict.fromkeys(column for line in self._lines for column in line)
        measures = [column for column in columns if column not in RECORD]
        header = [*measures, *(column for column in RECORD if column in columns)]
        write_csv(
            self.path, header, ([line.get(column, "") for column in header] for line in self._lines)
        )

    def values(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        """By setting and row, by measure: one value a seed."""
        found: dict[tuple[str, str], dict[str, list[float]]] = {}
        for line in sorted(self._lines, key=self._place):
            measures = found.setdefault((line["setting"], line["row"]), {})
            for column, text in line.items():
                if column not in (*RECORD, "seed", "setting", "row") and text:
                    measures.setdefault(column, []).append(float(text))
        return found

    def _place(self, line: Mapping[str, str]) -> int:
        """In the order of this call's settings, those of other calls last."""
        return self._places.get(line["setting"], len(self._places))


MEAN_COLUMNS = ("setting", "row", "measure", "mean", "low", "high", "of", "published", "seeds")
ERROR = "_error"
"""Ends the name of half a 95 % interval over the test samples, of the measure so begun."""
SEEDS, SAMPLES = "seeds", "samples"
FEW_SEEDS = 3
"""With fewer, an interval over seeds says nothing: Student's t is 12.7 for two."""


def write_means(path: Path, table: RowFile, published: Published) -> None:
    """One line a setting, row and measure."""
    lines = []
    for (setting, row), measures in table.values().items():
        known = published.get((setting, row), {})
        for measure, values in measures.items():
            if measure.endswith(ERROR):
                continue
            of = measures.get(f"{measure}_samples") or measures.get("samples")
            samples = round(mean(of)) if of else table.test_samples
            found = interval(values, *bounds(measure), samples=samples)
            if error := measures.get(measure + ERROR):
                found = Interval.around(mean(values), mean(error), *bounds(measure))
            cells = [mean(values), found.low, found.high, found.of, known.get(measure)]
            texts = [f"{x:.4f}" if isinstance(x, float) else x for x in cells]
            lines.append([setting, row, measure, *texts, len(values)])
    write_csv(path, MEAN_COLUMNS, (["" if x is None else x for x in line] for line in lines))


def bounds(measure: str) -> tuple[float, float]:
    """What a measure can be: per cent, a count or, of differences, anything."""
    if measure.endswith(("_points", "_saved")):
        return -math.inf, math.inf
    return 0.0, math.inf if measure.endswith(UNITS) else 100.0


class Interval(NamedTuple):
    """95 %. of: what varies, seeds or test samples; none where there is no interval."""

    low: float | None = None
    high: float | None = None
    of: str = ""

    @classmethod
    def around(cls, value: float, error: float, least: float, most: float) -> Interval:
        """Of a measure that came with its own error over the test samples."""
        return cls(max(least, value - error), min(most, value + error), SAMPLES)


def interval(values: Sequence[float], least: float, most: float, *, samples: int) -> Interval:
    """Of the mean over seeds (Student's t), or with fewer than three of a share of the samples.

    least, most: what a value can be; a share is at most 100. samples: test samples, for Wilson's
    interval of a share; other measures of few seeds have none.
    """
    if len(values) >= FEW_SEEDS:
        spread = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
        low, high = max(least, mean(values) - spread), min(most, mean(values) + spread)
        return Interval(low, high, SEEDS)
    bounded = wilson_interval(round(mean(values) * samples / 100), samples) if most == 100 else None
    return Interval() if bounded is None else Interval(*(100 * x for x in bounded), SAMPLES)


def read_rows(path: Path) -> RowFile:
    """A file that is there, whatever it follows from."""
    lines = read_csv(path)
    settings = list(dict.fromkeys(line["setting"] for line in lines))
    return RowFile(path, settings, {column: lines[0].get(column, "") for column in ASKED})


def read_means(path: Path) -> Means:
    """What `write_means` wrote."""
    means: dict[str, dict[str, dict[str, Mean]]] = {}
    for line in read_csv(path):
        low, high, published = (
            float(line[column]) if line[column] else None for column in ("low", "high", "published")
        )
        found = Mean(
            value=float(line["mean"]),
            low=low,
            high=high,
            published=published,
            seeds=int(line["seeds"]),
        )
        means.setdefault(line["setting"], {}).setdefault(line["row"], {})[line["measure"]] = found
    return means


def print_means(means: Means) -> None:
    """A Markdown table: mean (interval) [published]."""
    rows = [(setting, row, values) for setting, x in means.items() for row, values in x.items()]
    measures = list(dict.fromkeys(measure for _, _, values in rows for measure in values))
    print("", "setting", "row", *measures, "", sep=" | ")
    print("|", "---|" * (len(measures) + 2), sep="")
    for setting, row, values in rows:
        cells = (cell(values[measure]) if measure in values else "" for measure in measures)
        print("", setting, row, *cells, "", sep=" | ")


def cell(found: Mean, *, digits: int = 1) -> str:
    """One mean for a person."""
    text = f"{found.value:.{digits}f}"
    if found.low is not None and found.high is not None:
        text += f" ({found.low:.{digits}f} – {found.high:.{digits}f})"
    return text if found.published is None else f"{text} [{found.published:g}]"


def read_csv(path: Path) -> list[dict[str, str]]:
    """The lines by column name."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
