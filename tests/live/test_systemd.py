"""The unit that `ddnn serve --systemd` writes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ddnn.cli.serve import command
from ddnn.live.systemd import unit

ODD = ["my run", "--verdicts", 'it\'s 5%\n"new" \\ c:\\x', "--mqtt", "mqtt://me:${PW}@host/a"]


def test_a_passwords_name_stays_a_name():
    """Systemd would put its value into the list of processes."""
    (command,) = (
        s for s in unit(ODD, folder=Path("/"), run=Path("r")).split("\n") if "Start=" in s
    )
    assert command.endswith(" --mqtt mqtt://me:$${PW}@host/a")
    assert '"my run"' in command


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize("name", ["run", "a run of 5%c"])
def test_systemd_finds_nothing_to_mend(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    path = tmp_path / "ddnn.service"
    path.write_text(unit(ODD, folder=folder, run=folder))
    command = ["systemd-analyze", "verify", "--man=no", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_command_writes_what_it_was_given_into_the_unit(tmp_path):
    """Whatever this program's own arguments are."""
    given = ["--sources", "my cameras.yaml", "--window=4", "--insecure", "--systemd"]
    done = CliRunner().invoke(
        command, [*given, "--mqtt", "mqtt://a:${PW}@b/c", str(tmp_path / "r")]
    )
    (started,) = (line for line in done.output.split("\n") if line.startswith("ExecStart="))
    _, _, said = started.partition("-m ddnn serve ")
    assert said.startswith(f"{tmp_path}/r ")
    assert '--sources "my cameras.yaml" --window 4' in said
    assert "--mqtt mqtt://a:$${PW}@b/c" in said
    assert said.count("--insecure") == 1
    assert "--systemd" not in said
    assert "--keep" not in said
