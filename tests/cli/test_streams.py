"""What is printed goes to a stream of any encoding; what it cannot hold is replaced."""

import io
import os
import subprocess
import sys

import click
import pytest
import yaml
from builders import star
from click.testing import CliRunner
from rich.console import Console

from ddnn.cli.main import COMMANDS, ddnn
from ddnn.cli.streams import accept_all
from ddnn.cli.train import EpochDisplay
from ddnn.report.drawing import draw
from ddnn.report.tables import table
from ddnn.topology import Topology

ENCODINGS = ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8", "utf-16"]
NAMES = ["café", "猫", "\u202eperson", "bad\udcff", "–→…"]


@pytest.fixture(params=ENCODINGS)
def stream(request) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=request.param)


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("errors", ["replace", "backslashreplace"])
def test_a_stream_takes_every_text(stream, errors):
    accept_all(stream, errors=errors)
    made = table("naïve → 図", *NAMES)
    made.add_row(*NAMES)
    Console(file=stream, width=100).print(made)
    stream.write(draw(Topology.model_validate(star(2, classes=NAMES[:2]))))
    assert "convp(2)" in written(stream)


def test_click_leaves_the_stream_its_encoding(stream, monkeypatch):
    encoding = stream.encoding
    accept_all(stream, errors="replace")
    monkeypatch.setattr(sys, "stdout", stream)
    click.echo("plain, then é and → and 猫")
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    assert text.startswith("plain, then ")
    assert "\ufffd" not in text


def test_a_line_above_a_progress_bar_is_in_the_streams_encoding(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    accept_all(stream, errors="backslashreplace")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the stream for a terminal then
    with EpochDisplay(2) as display:
        display.say("no test sample of class 'café'")
    assert r"class 'caf\xe9'" in written(stream)


def test_what_ddnn_prints_itself_has_a_plain_form():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    accept_all(stream, errors="replace")
    stream.write("cam0 → gateway, 3 – 5 µs, 猫…")
    assert written(stream) == "cam0 > gateway, 3 - 5 us, ?."


def test_an_error_shows_what_it_could_not_print():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    accept_all(stream, errors="backslashreplace")
    stream.write("café: no such file")
    assert written(stream) == r"caf\xe9: no such file"


def test_help_is_plain():
    for name in COMMANDS:
        command = ddnn.get_command(click.Context(ddnn), name)
        assert CliRunner().invoke(command, ["--help"]).output.isascii()
        for verb in getattr(command, "commands", ()):
            assert CliRunner().invoke(command, [verb, "--help"]).output.isascii()


LINES = {
    "table": ["data", "list"],
    "drawing": ["topology", "draw", "mine.yaml"],
    "error": ["topology", "check", "猫.yaml"],
    "usage": ["topology", "drüw"],
    "help": ["launch", "--help"],
}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("arguments", LINES.values(), ids=LINES)
def test_commands_print_in_the_encoding_they_are_told(tmp_path, encoding, arguments):
    document = star(2, classes=["café", "猫"])
    text = yaml.safe_dump(document, allow_unicode=True)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ddnn", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    output = (done.stdout + done.stderr).decode(encoding)
    assert "Traceback" not in output
    assert output.count("\n") > 0
    assert done.returncode in (0, 1 if "check" in arguments else 2)


def test_a_name_that_the_locale_cannot_write_is_told_in_one_line(tmp_path):
    card = "kind: folder\npath: DÄTA\nclasses: [a, b]\n"
    (tmp_path / "card.yaml").write_text(card, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ddnn", "data", "show", "card.yaml"],
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode("ascii").count("\n") == 1
