import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ddnn.cli.main import ddnn
from ddnn.errors import DdnnError


def report(run: Path, *options: str) -> str:
    """What the command prints; a DdnnError comes through as it is."""
    result = CliRunner().invoke(ddnn, ["report", str(run), *options])
    if isinstance(result.exception, DdnnError):
        raise result.exception
    return result.output


@pytest.mark.parametrize("newer", ["evaluation", "launch"])
def test_the_report_that_was_written_last_is_printed(tmp_path, newer):
    (tmp_path / "launch").mkdir()
    places = {"evaluation": tmp_path / "report.json", "launch": tmp_path / "launch/report.json"}
    for what, path in places.items():
        path.write_text(f'{{"topology": "{what}"}}')
        seconds = 2000 if what == newer else 1000
        os.utime(path, (seconds, seconds))
    assert f'"topology": "{newer}"' in report(tmp_path, "--json")


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
