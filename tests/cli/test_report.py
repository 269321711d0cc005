import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ddnn.cli.main import ddnn
from ddnn.errors import DdnnError
from ddnn.report.files import write_json
from ddnn.report.newest import set_number


def report(run: Path, *options: str) -> str:
    """What the command prints; a DdnnError comes through as it is."""
    result = CliRunner().invoke(ddnn, ["report", str(run), *options])
    if isinstance(result.exception, DdnnError):
        raise result.exception
    return result.output


def write(run: Path, what: str, *, modified_s: int) -> None:
    """As evaluate and launch write theirs."""
    folder = run / "launch" if what == "launch" else run
    document: dict[str, Any] = {"topology": what}
    set_number(document, folder)
    write_json(folder / "report.json", document)
    os.utime(folder / "report.json", (modified_s, modified_s))


@pytest.mark.parametrize("modified_s", [1000, 2000, 4_000_000_000], ids=str)
@pytest.mark.parametrize("order", [("evaluation", "launch"), ("launch", "evaluation")], ids=str)
def test_the_report_that_was_written_last_is_printed_whatever_the_files_times(
    tmp_path, order, modified_s
):
    """A copy, a checkout or an archive gives files other times."""
    write(tmp_path, order[0], modified_s=2000)
    write(tmp_path, order[1], modified_s=modified_s)
    assert f'"topology": "{order[1]}"' in report(tmp_path, "--json")


@pytest.mark.parametrize("found", [None, "7", [], {}])
def test_a_report_without_a_number_is_the_older_one(tmp_path, found):
    (tmp_path / "launch").mkdir()
    document = {"topology": "launch", "report_number": found}
    write_json(tmp_path / "launch/report.json", document)
    assert '"topology": "launch"' in report(tmp_path, "--json")
    write(tmp_path, "evaluation", modified_s=1000)
    assert '"topology": "evaluation"' in report(tmp_path, "--json")


def test_a_report_written_again_is_the_same_one(tmp_path):
    for what in ("evaluation", "launch", "launch"):
        write(tmp_path, what, modified_s=1000)
    before = (tmp_path / "launch/report.json").read_bytes()
    write(tmp_path, "launch", modified_s=1000)
    assert (tmp_path / "launch/report.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "not a report, want one of ddnn evaluate or ddnn launch"),
        ("{}", "not a report, want one of ddnn evaluate or ddnn launch"),
        ("{", "not JSON, "),
        ("[" * 100_000, "not JSON, "),
        ('{"topology": "x"}', "no whole report of ddnn, KeyError: 'samples'"),
        ('{"topology": "x", "samples": 1, "exits": []}', "no whole report of ddnn, "),
        ('{"topology": "x", "command": "launch"}', "no whole report of ddnn, "),
    ],
)
def test_what_is_no_report_is_named_in_one_line(tmp_path, content, said):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(DdnnError) as caught:
        report(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'report.json'}: {said}")
    assert "\n" not in str(caught.value)
