"""`ddnn report RUN`: the report of a run's last launch or evaluation again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ddnn.bundle.load import load_bundle
from ddnn.cli.options import json_option, run_argument
from ddnn.errors import ConfigError, DdnnError
from ddnn.live.page.document import report_html
from ddnn.plainfile import read_plain
from ddnn.report.files import write_bytes
from ddnn.report.newest import newest
from ddnn.report.tables import print_launch, print_offline
from ddnn.runfolder import MANIFEST, check_finished

MARK = b"<!doctype html>"
"""How a page begins: files of others are not replaced."""


@click.command(name="report")
@run_argument
@json_option
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it as one file for a browser, offline.",
)
def command(run: Path, as_json: bool, html: Path | None) -> None:
    """Print the newest report in RUN, of its last launch or evaluation."""
    path = _newest(run)
    report = _read(path)
    if _is_of_before(report, run):
        click.echo(f"{path}: the bundle has changed since, this is of the one before", err=True)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    try:
        if html is not None:
            _write_html(html, report, path.parent, run)
            return
        (print_launch if report.get("command") == "launch" else print_offline)(report)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise DdnnError(f"{path}: no whole report of ddnn, {what}") from error


def _write_html(file: Path, report: dict[str, Any], folder: Path, run: Path) -> None:
    """folder: where the report is. Raises ConfigError for a file that is something else."""
    if file.exists() and MARK not in read_plain(file, len(MARK)):
        raise ConfigError(f"--html {file}: is there and no page, want another file")
    topology = load_bundle(run, nodes=()).topology if (run / MANIFEST).is_file() else None
    write_bytes(file, report_html(report, folder, run, topology).encode())
    click.echo(f"written: {file}")


def _is_of_before(report: dict[str, Any], run: Path) -> bool:
    """Whether the bundle is another than the report's: calibrated again, or trained on."""
    if not (run / MANIFEST).is_file():
        return False
    return bool(report.get("bundle_sha256") != load_bundle(run, nodes=()).sha256)


def _newest(run: Path) -> Path:
    """By when it was written. Raises DdnnError where there is none."""
    path = newest(run)
    if path is None:
        check_finished(run)
        raise DdnnError(f"{run}: no report, want a folder of ddnn train or ddnn launch")
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(read_plain(path))
    except OSError as error:
        raise DdnnError(f"{path}: {error.strerror or error}, want a report of ddnn") from error
    except (ValueError, RecursionError) as error:
        raise DdnnError(f"{path}: not JSON, {error}") from error
    if not isinstance(report, dict) or "topology" not in report:
        raise DdnnError(f"{path}: not a report, want one of ddnn evaluate or ddnn launch")
    return report
