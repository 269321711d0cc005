import errno
import re

import pytest
from click.testing import CliRunner

from ddnn.cli.main import COMMANDS, ddnn, main
from ddnn.cli.refusals import told


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_that_is_listed_has_help(name):
    result = CliRunner().invoke(ddnn, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ddnn")


def test_help_lists_every_command():
    output = CliRunner().invoke(ddnn, ["--help"]).output
    assert all(f"  {name} " in output for name in COMMANDS)


def test_a_usage_error_exits_2():
    assert CliRunner().invoke(ddnn, ["lunch"]).exit_code == 2
    assert CliRunner().invoke(ddnn, ["launch"]).exit_code == 2
    assert CliRunner().invoke(ddnn, ["train", "--seed", str(2**63)]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("launch", "gone"), "gone/manifest.json: No such file or directory, want a whole bundle"),
        (("node", "gone", "cam0"), "gone/manifest.json: No such file"),
        (("report", "gone"), "gone: no report, want a folder of ddnn train or ddnn launch"),
        (("topology", "check", "gone"), "gone: no such file and no name in topologies"),
        (("topology", "check", "folder"), "folder: a folder, want a YAML file"),
        (("kill", "cam0"), "no launch of yours is running here, want one: ddnn launch RUN"),
        (("fault", "cam0", "kill", "--pid", "1"), "no launch of yours is running here"),
        (("fault", "cam0", "delay", "--delay-ms", "-1"), "delay_ms: got -1.0, want greater than 0"),
        (("fault", "cam0", "kill", "--share", "1"), "kill: has no share (that is for drop, corr"),
        (("demo", "--out", "file"), "file: cannot be written, "),
        (("demo", "--out", "."), ".: not empty and no run of ddnn train, want a new folder"),
        (("fault", "cam0:gateway", "kill"), "kill: fails a node, not a link; want node"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_error_is_one_line_and_exits_1(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("sys.argv", ["ddnn", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ddnn: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("launch", "gone", "--ready-timeout"),
        ("calibrate", "gone", "--bytes"),
        ("train", "--exit-weight", "local"),
        ("train", "--learning-rate"),
    ],
    ids=" ".join,
)
def test_a_number_is_finite(arguments, value):
    result = CliRunner().invoke(ddnn, [*arguments, value])
    assert result.exit_code == 2
    assert f"{value} is no finite number" in result.output


def test_calibrate_takes_one_goal():
    result = CliRunner().invoke(ddnn, ["calibrate", "gone", "--accuracy", "0.9", "--bytes", "20"])
    assert result.exit_code == 2
    assert "want one of --accuracy, --bytes, --early-share; got --accuracy 0.9, --bytes 20" in (
        result.output
    )


def test_the_strengths_of_a_fault_are_listed_with_their_defaults():
    output = " ".join(CliRunner().invoke(ddnn, ["fault", "--help"]).output.split())
    for text in (
        "--delay-ms X delay: added to each message. [default: 50]",
        "--jitter-ms X delay: uniform, on top. [default: 0]",
        "--share X drop, corrupt: of messages. [default: 0.1]",
        "--factor X slow: times the section's own time. [default: 10]",
    ):
        assert text in output


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files", "x"), "Too many .* \\(`ulimit -n`\\)"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many .* \\(`ulimit -n`\\)"),
        (OSError(errno.ENOSPC, "No space left"), "standard output: No space left"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory"),
        (OSError(errno.ENOSPC, "No space left", "report.json"), "report.json: No space left"),
    ],
)
def test_what_the_system_refuses_is_said_of_a_stream_only_where_it_can_be_one(error, said):
    assert re.fullmatch(said, told(error))
