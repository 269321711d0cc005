import pytest
from click.testing import CliRunner

from ddnn.cli.main import COMMANDS, ddnn, main


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("launch", "gone"), "gone/manifest.json: No such file or directory, want a whole bundle"),
        (("node", "gone", "cam0"), "gone/manifest.json: No such file"),
        (("report", "gone"), "gone: no report, want a folder of ddnn train or ddnn launch"),
        (("topology", "check", "gone"), "gone: no such file and no name in topologies"),
        (("kill", "cam0"), "running launches: none, want one (choose with --pid)"),
        (("fault", "cam0", "kill", "--pid", "1"), "--pid: no launch with process id 1"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_error_is_one_line_and_exits_1(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ddnn", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ddnn: {said}")
    assert err.count("\n") == 1
