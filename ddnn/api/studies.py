"""Studies of many trainings, on the cores, a Ray cluster or Slurm. Needs `ddnn[train]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddnn.api.results import read_frame
from ddnn.study.jobs_folder import Show
from ddnn.study.rows import MEANS, ROWS
from ddnn.study.run import RUNS
from ddnn.study.run import run_study as _run_study
from ddnn.study.search import PARETO, PICTURE, TRIALS, Trial
from ddnn.study.search import run_search as _run_search
from ddnn.study.searchfile import Search
from ddnn.study.studyfile import read_study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """A study that has run.

    folder: holds `rows.csv`, one line a network, seed and set of lost devices, and `means.csv`.
    means: the lines of the latter, one a network and number of lost devices. A share is of 1.
    """

    folder: Path
    means: tuple[dict[str, Any], ...] = field(repr=False)

    def to_pandas(self) -> pd.DataFrame:
        """The lines of `rows.csv`. Raises ConfigError where pandas is not installed."""
        return read_frame(self.folder / ROWS)


def run_study(
    study: str | Path,
    *,
    out: str | Path,
    engine: str = "local",
    show: Show = lambda _course: None,
) -> StudyResult:
    """Trains and tries every network of a study file, each with every seed.

    out: folder of the results; jobs and trainings that are there are not done again, and one that
    was interrupted goes on. engine: see ddnn.study.engine; the tables are the same on each.
    show: told of each job.
    Raises ConfigError for a file that is wrong, DdnnError where jobs failed; the rest is kept.
    """
    folder = Path(out)
    plan = read_study(study, runs=folder / RUNS)
    return StudyResult(
        folder=folder, means=tuple(_run_study(plan, folder, engine=engine, show=show))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """A search that has run.

    folder: holds `trials.csv`, `pareto.csv` and, of several objectives, `pareto.png`.
    objectives: the order of each trial's values. best: trials that no other surpasses.
    """

    folder: Path
    objectives: tuple[str, ...]
    best: tuple[Trial, ...] = field(repr=False)

    def to_pandas(self) -> pd.DataFrame:
        """The lines of `trials.csv`. Raises ConfigError where pandas is not installed."""
        return read_frame(self.folder / TRIALS)


def run_search(
    search: str | Path,
    *,
    out: str | Path,
    engine: str = "local",
    show: Show = lambda _course: None,
) -> SearchResult:
    """Searches the space of a search file for what none surpasses, such as in accuracy and bytes.

    Options as in `run_study`. Choices follow from validation samples; the best are then measured
    on test samples. Needs `ddnn[search]`.
    Raises ConfigError for a file that is wrong, DdnnError where no trial succeeded.
    """
    folder = Path(out)
    asked = Search(search, runs=folder / RUNS)
    best = _run_search(asked, folder, engine=engine, show=show)
    return SearchResult(folder=folder, objectives=asked.file.objectives, best=tuple(best))


__all__ = [
    "MEANS", "PARETO", "PICTURE", "ROWS", "TRIALS", "SearchResult", "StudyResult", "run_search",
    "run_study",
]  # fmt: skip
