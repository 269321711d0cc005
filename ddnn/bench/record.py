"""Where figures come from, and a file of rows that keeps them."""

from __future__ import annotations

import csv
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ddnn.report.files import write_csv

PACKAGES = ("numpy", "onnxruntime", "pyzmq")


def origin() -> dict[str, str]:
    """Commit, processor, Python and versions, each empty where it cannot be had."""
    return {
        "commit": _commit(),
        "processor": _processor(),
        "python": f"{platform.python_version()} {python_build()}",
        "versions": " ".join(f"{name}={version(name)}" for name in PACKAGES),
        "measured": datetime.now(UTC).date().isoformat(),
    }


def python_build() -> str:
    """How this Python was compiled, as far as it makes it fast: pgo, pgo+lto, or plain.

    Distributions train their build without saying so: theirs are told by where they lie.
    """
    config = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    flags = {"pgo": "--enable-optimizations", "lto": "--with-lto"}
    found = [name for name, flag in flags.items() if flag in config]
    if sys.base_prefix == "/usr" and not found:
        return "distribution"
    return "+".join(found) or "plain"


def advice(build: str) -> str:
    """What to say of a build that is slow; nothing of another."""
    if build != "plain":
        return ""
    return (
        "note: this Python was compiled without --enable-optimizations, as pyenv's are; nodes are "
        "faster with a distribution's: make PYTHON=/usr/bin/python3 (see docs/speed.md)"
    )


def add_row(path: Path, result: Mapping[str, Any]) -> None:
    """One line more; columns that are new stand at the end."""
    lines = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    lines.append(dict(_flat(result)))
    columns = list(dict.fromkeys(column for line in lines for column in line))
    write_csv(path, columns, ([line.get(column, "") for column in columns] for line in lines))


def _flat(result: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, f"{value:.4g}" if isinstance(value, float) else str(value)


def _commit() -> str:
    home = str(Path(__file__).parents[2])
    try:
        short, changes = (
            subprocess.run(
                ["git", "-C", home, *words], capture_output=True, encoding="utf-8", check=True
            ).stdout.strip()
            for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "ddnn"))
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return short + ("+changes" if changes else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = next(iter(names), platform.processor() or platform.machine())
    return f"{name}, {len(names) or 1} cores"


if __name__ == "__main__":
    said = advice(python_build())
    sys.stdout.write(f"{said}\n" if said else "")
