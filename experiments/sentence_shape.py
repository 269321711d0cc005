"""What a sentence with figures is: a text with fields, and the rows of record that fill them.

    Sentence("`robust` has {0:.1f} over `batches` ({0.low:.1f} to {0.high:.1f})",
             ROWS("robust", 3) - ROWS("batches", 3))

A field takes the mean of a cell, or one of its attributes. `filled` writes the figures of a page
anew and leaves its words and line ends as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean
from string import Formatter

from ddnn.errors import ConfigError
from experiments.shared.rows import SAMPLES, Means, bounds, interval, read_csv, read_means
from experiments.shared.script import OF_RECORD

NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)"
FILES = {path.stem: path for path in OF_RECORD.rglob("*.csv")}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of one value a seed; where it is a difference, of pairs of the same seed.

    told: the interval of the means file, where it is not over seeds.
    """

    by_seed: Mapping[str, float]
    measure: str = "_points"
    told: tuple[float, float] | None = None

    def __format__(self, form: str) -> str:
        return format(self.value, form)

    def __sub__(self, other: Cell) -> Cell:
        """Of the seeds that both have."""
        both = [seed for seed in self.by_seed if seed in other.by_seed]
        return Cell({seed: self.by_seed[seed] - other.by_seed[seed] for seed in both})

    def __neg__(self) -> Cell:
        return Cell({seed: -value for seed, value in self.by_seed.items()})

    @property
    def value(self) -> float:
        return mean(self.by_seed.values()) + 0.0

    @property
    def low(self) -> float:
        """Of the 95 % interval; so is `high`."""
        return self._interval()[0]

    @property
    def high(self) -> float:
        return self._interval()[1]

    @property
    def least(self) -> float:
        """Of all seeds; so is `most`."""
        return min(self.by_seed.values())

    @property
    def most(self) -> float:
        return max(self.by_seed.values())

    @property
    def seeds(self) -> int:
        return len(self.by_seed)

    @property
    def ahead(self) -> int:
        """Seeds in which it is above 0."""
        return sum(value > 0 for value in self.by_seed.values())

    def _interval(self) -> tuple[float, float]:
        if self.told is not None:
            return self.told
        found = interval(list(self.by_seed.values()), *bounds(self.measure), samples=0)
        if found.low is None or found.high is None or found.of == SAMPLES:
            raise ConfigError(
                f"{self.measure}: {self.seeds} seeds, want at least 3 for an interval"
            )
        return found.low, found.high


@dataclass(frozen=True, slots=True)
class Rows:
    """Of NAME-CARD.csv. measure: where a cell names none."""

    results: str
    measure: str = "overall"

    def __call__(self, setting: str, row: object, measure: str | None = None) -> Cell:
        """Raises ConfigError where it is not there."""
        measure = measure or self.measure
        lines = [
            line
            for line in _lines(self.results)
            if (line["setting"], line["row"]) == (setting, str(row)) and line.get(measure)
        ]
        if not lines:
            raise ConfigError(f"{self.results}.csv: no {setting}, {row}, {measure}")
        found = _means(self.results).get(setting, {}).get(str(row), {}).get(measure)
        told = None if found is None or found.low is None else (found.low, found.high or found.low)
        return Cell({line["seed"]: float(line[measure]) for line in lines}, measure, told)


@cache
def _lines(results: str) -> list[dict[str, str]]:
    return read_csv(FILES[results])


@cache
def _means(results: str) -> Means:
    name = f"{results}-means"
    return read_means(FILES[name]) if name in FILES else {}


@dataclass(frozen=True, slots=True, init=False)
class Sentence:
    """text: as the page has it, with fields in place of figures."""

    text: str
    values: Sequence[object]

    def __init__(self, text: str, *values: object) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "values", values)

    def found(self, page: str) -> re.Match[str]:
        """Its place. Raises ConfigError where the page does not have it once."""
        parts = Formatter().parse(self.text)
        pattern = "".join(
            r"\s+".join(map(re.escape, words.split(" "))) + ("" if field is None else NUMBER)
            for words, field, _, _ in parts
        )
        places = list(re.finditer(pattern, page))
        if len(places) != 1:
            raise ConfigError(f"{self.text!r}: {len(places)} times on the page, want once")
        return places[0]

    def figures(self) -> list[str]:
        """As they are to be."""
        fields = [part for part in Formatter().parse(self.text) if part[1] is not None]
        found = [f"{{{name}:{form}}}".format(*self.values) for _, name, form, _ in fields]
        return [re.sub(r"^-(0(\.0*)?)$", r"\1", figure) for figure in found]


def filled(page: str, sentences: Sequence[Sentence]) -> str:
    """The page with all figures as the rows are."""
    for sentence in sentences:
        place = sentence.found(page)
        for number, figure in reversed(list(enumerate(sentence.figures(), start=1))):
            start, end = place.span(number)
            page = page[:start] + figure + page[end:]
    return page
