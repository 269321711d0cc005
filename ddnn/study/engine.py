"""Where jobs run: `local`, `local:WORKERS`, `ray`, `ray:ADDRESS`, `slurm`, `slurm:PARTITION`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol, Self

from ddnn.errors import ConfigError
from ddnn.study.job import Answer, Job

WANTED = "local, local:WORKERS, ray, ray:ADDRESS, slurm or slurm:PARTITION"


class Ended(NamedTuple):
    """A job that an engine is done with."""

    job: Job
    answer: Answer


class Engine(Protocol):
    """Runs jobs; closing it ends what still runs."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, jobs: Sequence[Job], *, together: int = 1) -> Iterator[Ended]:
        """Each job once, as it ends, in no order. A job whose machine is lost is tried again.

        together: so many are so short that a batch queue had better take them as one task.
        """


def open_engine(text: str, folder: Path) -> Engine:
    """The engine of this name.

    folder: where `slurm` keeps its scripts and logs, seen by all machines.
    Raises ConfigError for another name, or where what it needs is not installed.
    """
    name, _, rest = text.partition(":")
    match name:
        case "local":
            from ddnn.study.local import LocalEngine  # noqa: PLC0415  # one of three

            return LocalEngine(_workers(text, rest))
        case "ray":
            from ddnn.study.on_ray import RayEngine  # noqa: PLC0415

            return RayEngine(rest or None)
        case "slurm":
            from ddnn.study.on_slurm import SlurmEngine  # noqa: PLC0415

            return SlurmEngine(folder / "slurm", partition=rest or None)
    raise ConfigError(f"--engine: got {text!r}, want {WANTED}")


def extra(module: str, *, name: str) -> ModuleType:
    """A package that one of ddnn's extras brings.

    Raises ConfigError with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{module} is not installed, want the extra `{name}`: pip install '.[{name}]' in a "
            "checkout of ddnn"
        ) from error


def _workers(text: str, rest: str) -> int | None:
    if not rest:
        return None
    if not rest.isdecimal() or not 1 <= int(rest) <= 1024:
        raise ConfigError(f"--engine: got {text!r}, want 1 to 1024 workers, as in local:2")
    return int(rest)
