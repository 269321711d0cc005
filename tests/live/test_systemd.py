"""The unit that `ddnn serve --systemd` writes."""

import shutil
import subprocess
from pathlib import Path

import pytest

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
