"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ddnn.data.viewnames import parse_map
from ddnn.errors import ConfigError
from ddnn.report.files import check_writable
from ddnn.run.hosts import check_reachable
from ddnn.run.links import check_links
from ddnn.runfolder import is_run
from ddnn.topology import Topology, read_topology

F = TypeVar("F", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """Numbers of a range, NaN and infinity not among them."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


run_argument = click.argument("run", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
pid_option = click.option("--pid", type=int, help="Process id of the launch, when several run.")
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True
)
keys_option = click.option(
    "--keys", type=click.Path(path_type=Path), metavar="FOLDER", help="Made by `ddnn keys`."
)
insecure_option = click.option(
    "--insecure", is_flag=True, help="Listen to other machines without encryption."
)
engine_option = click.option(
    "--engine",
    metavar="ENGINE",
    help="Run jobs on local[:WORKERS], ray[:ADDRESS] or slurm[:PARTITION].",
)
jobs_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of jobs, trained networks and tables; what is there is not done again.",
)
plan_option = click.option(
    "--plan", "plan_name", metavar="PLAN", help="Failure plan: a file or shipped name."
)
_card = click.option("--data", "card", metavar="CARD", help="Another data card than the run's own.")
_split = click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="test",
    show_default=True,
)


def _view_map(_ctx: object, _param: object, given: tuple[str, ...]) -> dict[str, str] | None:
    return parse_map(",".join(given)) if given else None


_map_views = click.option(
    "--map-views",
    "view_map",
    multiple=True,
    metavar="VIEW=OTHER,...",
    callback=_view_map,
    help="Which view of the data stands for which that the network was trained on.",
)


def data_options(command: F) -> F:
    """`--data CARD`, `--split PART` and `--map-views`: what a trained network is tried on."""
    return _card(_split(_map_views(command)))


def report_folder(default: Path, out: Path | None) -> Path:
    """Where reports go. Raises DdnnError where it cannot be written or is a run itself."""
    folder = default if out is None else out
    if is_run(folder):
        raise ConfigError(f"--out {folder}: is a run of ddnn train, want another folder")
    check_writable(folder)
    return folder


def topology_of(file: str) -> Topology:
    """The topology of a file or shipped name, checked as a whole: also what its links
    emulate, and that its hosts reach each other.

    Raises ConfigError naming the file and the key path.
    """
    topology = read_topology(file)
    check_links(topology, source=file)
    check_reachable(topology, source=file)
    return topology
