"""`ddnn.benchmark`: methods compared on fixed splits. Needs `pip install 'ddnn[train]'`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ddnn.comparison.compare import METHODS, Asked, compare
from ddnn.comparison.submission import Submission
from ddnn.comparison.tables import CSV_COLUMNS, csv_rows
from ddnn.comparison.task import TASKS, read_task
from ddnn.errors import ConfigError
from ddnn.report.files import check_writable, write_csv, write_json

SUBMISSION, ROWS = "submission.json", "rows.csv"


def benchmark(
    tasks: Sequence[str | Path] = TASKS[:2],
    methods: Sequence[str] = METHODS,
    *,
    out: str | Path,
    seeds: int = 1,
    epochs: int | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Submission:
    """Compares methods under every set of lost devices and at several bit error rates.

    tasks: names of `ddnn benchmark tasks`, or cards. methods: ddnn's own, or names that installed
    packages add under `ddnn.methods`. seeds: 0 up to so many. epochs: shortens the trainings of
    ddnn's own networks. say: told each result.
    Writes `submission.json`, which `ddnn benchmark check` takes, and `rows.csv` into `out`;
    trained networks lie in `out/networks` and are used again.
    Raises ConfigError for a method or card that is wrong.
    """
    if seeds < 1:
        raise ConfigError(f"seeds: got {seeds}, want at least 1")
    folder = Path(out)
    check_writable(folder)
    asked = Asked(seeds=seeds, folder=folder / "networks", epochs=epochs)
    submission = compare([read_task(name) for name in tasks], list(methods), asked, say)
    write_json(folder / SUBMISSION, submission.model_dump(mode="json"))
    write_csv(folder / ROWS, CSV_COLUMNS, csv_rows(submission))
    return submission
