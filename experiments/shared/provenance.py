"""How rows came about: effective settings, bundles, versions, commit, processor.

Settings are those that a network was trained with, value by value, whatever preset they began as.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch

from ddnn.report.files import write_csv
from ddnn.training.run import Run, versions
from ddnn.training.settings import Settings
from experiments.shared.script import FOLDER

DIGITS = 12
"""Of a sha256 in names and cells."""
CODE = ("ddnn", "experiments", "topologies", "datasets", ":(exclude)experiments/results")
"""What rows follow from; rows are no code."""
BETWEEN = " | "
"""Networks that differ, in one cell."""


def made_from(networks: Sequence[Run]) -> dict[str, str]:
    """The columns MADE of rows that were measured on these networks, perhaps none."""
    return {
        "settings": _each(settings_text(run.config.settings) for run in networks),
        "bundles": _each(run.bundle_sha256[:DIGITS] for run in networks),
        "trained_with": _each(versions_text(run.config.versions) for run in networks),
        "versions": versions_text(versions()),
        "commit": commit(),
        "processor": processor(),
    }


def write_measured(
    path: Path,
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    bundles: Sequence[str] = (),
) -> None:
    """A CSV of what needs no study, whose last columns say with what it was measured.

    bundles: sha256 of those that were run.
    """
    made = {name: value for name, value in made_from([]).items() if value}
    if bundles:
        made["bundles"] = _each(digest[:DIGITS] for digest in bundles)
    write_csv(path, [*header, *made], ([*row, *made.values()] for row in rows))


def settings_text(settings: Settings) -> str:
    """Every knob but those left at a default that all presets share; the preset's name is none,
    and of a run to begin with only the folder's name is told."""
    values = settings.model_dump(mode="json", exclude_defaults=True, exclude={"preset"})
    if settings.start_from is not None:  # the run, not its place on this machine
        values["start_from"] = Path(settings.start_from).name
    return " ".join(f"{name}={value}" for name, value in values.items())


def versions_text(found: Mapping[str, str]) -> str:
    """In one cell."""
    return " ".join(f"{name}={value}" for name, value in found.items())


@cache
def commit() -> str:
    """Of the checkout that the scripts lie in, `+changes` where files of its code differ from it;
    empty where there is no git or no checkout."""
    try:
        short = _git("rev-parse", "--short=12", "HEAD")
        return short + ("+changes" if _git("status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


@cache
def processor() -> str:
    """Its name, and the instructions that torch uses of it."""
    return f"{_name()}, {torch.backends.cpu.get_cpu_capability()}"


def _name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(FOLDER.parent), *words], capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.strip()


def _each(texts: Iterable[str]) -> str:
    """Those that differ, in order."""
    return BETWEEN.join(dict.fromkeys(texts))
