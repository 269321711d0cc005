"""A Slurm of one machine: Debian's munged, slurmctld and slurmd on loopback, in one folder."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ports import free_port
from waiting import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={worker}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_min_interval=100000
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm() -> Iterator[Path]:
    """Gives the configuration file, for SLURM_CONF, of a machine that takes two tasks."""
    folder = Path(tempfile.mkdtemp(prefix="ddnn-slurm-"))  # short: it holds a socket
    folder.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []
    try:
        config = _write_config(folder)
        for command in _commands(folder, config):
            with (folder / f"{command[0]}.out").open("wb") as out:
                started.append(subprocess.Popen(command, stdout=out, stderr=out))
            if command[0] == "munged":
                wait_until((folder / "munge.socket").exists)
        wait_until(lambda: "idle" in _said("sinfo", "-h", "-o", "%T", config=config))
        yield config
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _write_config(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(bytes(range(256)) * 4)
    path = folder / "slurm.conf"
    values = {"host": socket.gethostname().partition(".")[0], "folder": folder}
    path.write_text(CONFIG.format(controller=free_port(), worker=free_port(), **values))
    return path


def _commands(folder: Path, config: Path) -> list[list[str]]:
    files = [f"--{name}={folder}/munge.{name.removesuffix('-file')}" for name in (
        "socket", "key-file", "pid-file", "log-file", "seed-file",
    )]  # fmt: skip
    return [
        ["munged", "--foreground", "--force", *files],
        ["slurmctld", "-D", "-f", str(config)],
        ["slurmd", "-D", "-f", str(config)],
    ]


def _said(*command: str, config: Path) -> str:
    done = subprocess.run(
        command, env={"SLURM_CONF": str(config), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout
