"""Which of a run's reports is the newest, said by the reports themselves.

A copy, a checkout or an archive of a run gives its files other times, and clocks are set back: so
each report carries a number, one more than that of the run's other report. The same evaluation
done twice writes the same report.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ddnn.plainfile import read_plain

REPORT, LAUNCH = "report.json", "launch"
NUMBER = "report_number"


def set_number(report: dict[str, Any], folder: Path) -> None:
    """Numbers the report, which is to be written to the folder."""
    other = folder.parent / REPORT if folder.name == LAUNCH else folder / LAUNCH / REPORT
    report[NUMBER] = _number(other) + 1


def newest(run: Path) -> Path | None:
    """The run's report that was written last, of its last launch or evaluation; None: no report.

    Of reports that carry no number, a launch's is taken.
    """
    found = [path for path in (run / LAUNCH / REPORT, run / REPORT) if path.exists()]
    return max(found, key=_number, default=None)


def _number(path: Path) -> int:
    """0 where there is no report, or none that says."""
    try:
        found = json.loads(read_plain(path))[NUMBER]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return 0
    return found if isinstance(found, int) else 0
