"""What all scripts share as commands: where results go and how a mistake is told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ddnn.errors import DdnnError

FOLDER = Path(__file__).parents[1]
OF_RECORD = FOLDER / "results"
"""Rows of record, means and pictures, committed, in a folder a system; a script writes there with
--out alone."""
RESULTS, SMOKE_RESULTS = Path("runs/results"), Path("runs/smoke")


def add_places(parser: argparse.ArgumentParser, *, smoke: str) -> None:
    """--out and --smoke. smoke: what is shortened."""
    parser.add_argument("--out", type=Path, help=f"folder of the results, default {RESULTS}")
    parser.add_argument("--smoke", action="store_true", help=smoke)


def add_only(parser: argparse.ArgumentParser, settings: Iterable[str]) -> None:
    """--only: some of the settings, all by default."""
    every = list(settings)
    parser.add_argument("--only", nargs="+", choices=every, default=every)


def results_folder(given: argparse.Namespace) -> Path:
    """Of --out; without it no run touches the results of record."""
    default = SMOKE_RESULTS if given.smoke else RESULTS
    return given.out or default


def command(main: Callable[[], object]) -> None:
    """Calls it; a wrong option or file is one line."""
    try:
        main()
    except DdnnError as error:
        sys.exit(f"error: {error}")
