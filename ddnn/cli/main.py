"""The command `ddnn`: finds the sub-command's module, prints errors as one line.

Sub-commands are imported only when called, so that `ddnn launch` starts without torch.
"""

from __future__ import annotations

import importlib
import sys

import click

from ddnn import __version__
from ddnn.cli.refusals import told
from ddnn.cli.streams import accept_all, hold_standard_files, losing
from ddnn.errors import DdnnError

NO_MEMORY = "can't allocate memory"
COMMANDS = {
    "bench": "Measure speed against plain baselines",
    "benchmark": "Compare methods: accuracy, bytes, lost devices, bit errors",
    "bundle": "Write a host's part of a bundle, or the bundle for other addresses",
    "calibrate": "Choose thresholds from validation data",
    "cameras": "Which boxes of several cameras are one object",
    "cut": "Measure where to cut a network between device and server",
    "data": "List, show or render data sets",
    "demo": "Everything once: render, train, launch, kill a device, report",
    "deploy": "Put a trained bundle on hosts, into containers, on Kubernetes",
    "evaluate": "Accuracy of every exit, offline",
    "failures": "Accuracy under every set of lost devices, offline",
    "fault": "Make a node of a running launch fail",
    "fleet": "Serve a node of many sites, a cloud say, in one process",
    "keys": "Make the keys with which nodes know each other",
    "kill": "Kill a node of a running launch",
    "launch": "Run a trained topology as real processes",
    "logs": "Print what the hosts of a deployment said",
    "node": "Run one node by hand",
    "report": "Print a run's report again",
    "search": "Search networks for what is best in accuracy, bytes and energy",
    "serve": "Run a trained topology on live cameras, without an end",
    "simulate": "Run a trained topology in virtual time, check its promises",
    "status": "Show versions and states of all nodes, over all hosts",
    "study": "Train and try many networks, on cores, a Ray cluster or Slurm",
    "topology": "Check or draw a topology file, print its schema",
    "train": "Train a topology's network jointly",
}


class LazyGroup(click.Group):
    """Imports `ddnn.cli.NAME` and takes its `command` when NAME is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ddnn.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="ddnn")
def ddnn() -> None:
    """Train, launch and break deep networks distributed over devices, edge and cloud."""


def main() -> None:
    """Entry point. A DdnnError becomes one line on standard error and its exit code; so does what
    the system refuses: a path that cannot even be looked at, a standard output that is full."""
    hold_standard_files()
    sys.stderr = losing(sys.stderr)
    accept_all(sys.stdout, errors="replace")
    accept_all(sys.stderr, errors="backslashreplace")
    try:
        ddnn()
    except DdnnError as error:
        click.echo(f"ddnn: {told(error)}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        click.echo(f"ddnn: {told(error)}", err=True)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:  # torch has no error of its own for it
        if isinstance(error, RuntimeError) and NO_MEMORY not in str(error):
            raise
        click.echo(
            "ddnn: out of memory; a smaller batch, or DDNN_IN_MEMORY_MB=64, takes less", err=True
        )
        sys.exit(1)
    except UnicodeEncodeError as error:  # of a path: the streams take everything
        click.echo(
            f"ddnn: {error.object!r}: no file can have this name where names are {error.encoding}, "
            "want a locale of UTF-8 (LC_ALL=C.UTF-8)",
            err=True,
        )
        sys.exit(1)
