"""A deployment to a host whose first process is Debian's systemd, in namespaces of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import MARKS, SSHD, Fleet
from waiting import wait_until

SYSTEMD = Path("/lib/systemd/systemd")
pytest.importorskip("asyncssh", reason="needs asyncssh")
pytestmark = [
    *MARKS,
    pytest.mark.skipif(not SYSTEMD.exists(), reason="needs systemd"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux's `unshare`"),
]

BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t proc proc /proc
mount --bind "$3" /etc/systemd/system
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
mkdir /run/sshd
if [ -n "$4" ]; then
    mount --bind "$4/home" /home
    mount --bind "$4/passwd" /etc/passwd
    mount --bind "$4/shadow" /etc/shadow
    case "$5" in /root/*)  # a Python that nobody else may reach
        mkdir /run/python
        mount --bind "$5" /run/python
        mount -t tmpfs -o mode=755 tmpfs /root
        mkdir -p "$5"
        mount --bind /run/python "$5"
    esac
    mount --bind "$4/state" /var/lib/systemd
    mount --bind "$4/journal" /var/log
fi
for unit in systemd-udevd.service systemd-tmpfiles-setup-dev.service \
    systemd-tmpfiles-setup.service systemd-journal-flush.service systemd-sysctl.service \
    systemd-modules-load.service \
    systemd-random-seed.service systemd-machine-id-commit.service systemd-sysusers.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service getty.target \
    systemd-ask-password-wall.path dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null /etc/systemd/system/$unit
done
if [ -z "$4" ]; then
    ln -sf /dev/null /etc/systemd/system/dbus.service
    ln -sf /dev/null /etc/systemd/system/systemd-logind.service
fi
printf '[Unit]\\nRequires=multi-user.target reach.service\\n' > /etc/systemd/system/host.target
printf '[Service]\\nExecStart=%s\\nStandardError=append:%s\\n' "$1" "$2" \
    > /etc/systemd/system/reach.service
export container=other
exec /lib/systemd/systemd --system --unit=host.target
"""
GROUP = """
for root in /sys/fs/cgroup /sys/fs/cgroup/systemd; do
    if [ -f $root/cgroup.procs ]; then
        mkdir $root/$1 && echo $$ > $root/$1/cgroup.procs
    fi
done
shift
exec "$@"
"""


class Booted(Fleet):
    """As Fleet, but `cloud` has systemd, which runs its sshd."""

    def _start_sshd(self, host: str) -> None:
        if host != "cloud":
            super()._start_sshd(host)
            return
        config = self._write_sshd_config(host)
        log = self.folder / "sshd-cloud.log"
        log.touch()
        self._group, self._units = self._net.name(host), self.folder / "units"
        self._units.mkdir()
        self._boots = self._boot(config, log)
        self.boot()

    def boot(self) -> None:
        """Returns once sshd listens."""
        log = self.folder / "sshd-cloud.log"
        before = log.read_text(encoding="utf-8").count("Server listening")
        with (self.folder / "systemd.log").open("wb") as said:
            self._machine = subprocess.Popen(self._boots, stdout=said, stderr=said)
        wait_until(lambda: log.read_text(encoding="utf-8").count("Server listening") > before, 60)

    def lose_power(self) -> None:
        """Every process of it is gone at once; its disk stays."""
        self._machine.kill()
        self._machine.wait()
        for root in Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"):
            wait_until(lambda group=root / self._group: is_gone(group))

    def _boot(self, config: Path, log: Path) -> list[str]:
        """The command that becomes systemd, which starts sshd."""
        spaces = ["--pid", "--mount", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=KILL"]
        sshd = f"{SSHD} -D -e -f {config}"
        return [
            *("nsenter", f"--net=/run/netns/{self._net.name('cloud')}"),
            *("sh", "-c", GROUP, "sh", self._group),
            *(
                "unshare",
                *spaces,
                "sh",
                "-c",
                BOOT,
                "sh",
                sshd,
                str(log),
                str(self._units),
                self._disk(),
                sys.base_prefix,
            ),
        ]

    def _disk(self) -> str:
        """Folder of what `cloud` has of its own beside its units; empty: nothing."""
        return ""

    def _write_hosts(self) -> Path:
        path = super()._write_hosts()
        text = path.read_text()
        path.write_text(text.replace("cloud: {", "cloud: {service: systemd, "))
        return path

    def there(self, command: str) -> str:
        """What a command says on `cloud`; through the same sshd."""
        key, known = self.folder / "own", self.folder / "known_hosts"
        options = ["-i", str(key), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes"]
        found = ["ssh", *options, "root@10.78.0.3", f"{command} || true"]
        return self.run(found).strip()

    def close(self) -> None:
        self.lose_power()
        super().close()


def is_gone(group: Path) -> bool:
    """Whether the control group is not there, or could be removed, whose processes were killed."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return not group.exists()


@pytest.fixture
def kind() -> type[Fleet]:
    return Booted


def test_a_unit_keeps_the_nodes_of_a_host_until_they_are_told_to_stop(fleet):
    unit = "ddnn-star-cloud.service"
    fleet.deploy()
    assert fleet.there(f"systemctl is-active {unit}") == "inactive"
    fleet.ddnn("deploy", "start", fleet.out)
    assert fleet.there(f"systemctl is-active {unit}") == "active"
    assert fleet.there(f"systemctl is-enabled {unit}") == "enabled"  # after a reboot too
    fleet.assert_a_run_answers_as(fleet.first)

    wait_until(fleet.is_up)
    fleet.there(f"systemctl kill --signal=KILL {unit}")
    wait_until(lambda: int(fleet.there(f"systemctl show --property=NRestarts --value {unit}")) > 1)
    wait_until(fleet.is_up)
    assert "cloud: cloud listens at tcp://10.78.0.3" in fleet.ddnn("logs", fleet.out)
    with fleet.following("--lines", "1") as follower:
        wait_until(lambda: "cloud: " in follower.said())
        before = follower.said().count("cloud listens at")
        fleet.there(f"systemctl restart {unit}")
        wait_until(lambda: follower.said().count("cloud listens at") > before)
    wait_until(fleet.is_up)

    second = fleet.train(fleet.first.bundle.topology, 61)
    fleet.upgrade(second)
    fleet.assert_a_run_answers_as(second)
    fleet.ddnn("deploy", "stop", fleet.out)
    assert fleet.there(f"systemctl is-active {unit}") == "inactive"
    assert fleet.there(f"systemctl is-enabled {unit}") == "disabled"


def test_a_host_that_loses_its_power_has_its_nodes_back_when_it_boots(fleet):
    fleet.deploy()
    fleet.ddnn("deploy", "start", fleet.out)
    wait_until(fleet.is_up)
    fleet.lose_power()
    (said,) = fleet.status(code=1)["differs"]
    assert said.startswith("host cloud (10.78.0.3:22): ")
    fleet.boot()
    wait_until(fleet.is_up)
    assert fleet.status()["nodes"]["cloud"]["state"] == "running"
    fleet.assert_a_run_answers_as(fleet.first)


USER, UID = "camera-keeper", 4711


class OfAUser(Booted):
    """As Booted, but who deploys to `cloud` is not root there, and has a home on its disk."""

    def _disk(self) -> str:
        disk = self.folder / "disk"
        home = disk / "home" / USER
        for folder in (home, disk / "state", disk / "journal" / "journal"):
            folder.mkdir(parents=True)
        os.chown(home, UID, UID)
        users = Path("/etc/passwd").read_text(encoding="utf-8")
        users += f"{USER}:x:{UID}:{UID}::/home/{USER}:/bin/sh\n"
        (disk / "passwd").write_text(users, encoding="utf-8")
        (disk / "shadow").write_text(
            f"root:*:19000::::::\n{USER}:*:19000::::::\n", encoding="utf-8"
        )
        shutil.copy(self.folder / "own.pub", disk / "home" / "own.pub")
        return str(disk)

    def _write_sshd_config(self, host: str) -> Path:
        config = super()._write_sshd_config(host)
        if host == "cloud":
            text = config.read_text(encoding="utf-8")
            text = text.replace(str(self.folder / "own.pub"), "/home/own.pub")
            config.write_text(text, encoding="utf-8")
        return config

    def _write_hosts(self) -> Path:
        path = super()._write_hosts()
        text = path.read_text(encoding="utf-8")
        place = f", folder: {self.place('cloud')}"
        path.write_text(
            text.replace(place, "").replace("service: systemd", f"service: systemd, user: {USER}"),
            encoding="utf-8",
        )
        return path


@pytest.fixture
def of_a_user(net, tmp_path) -> Iterator[OfAUser]:
    found = OfAUser(net, tmp_path)
    yield found
    found.close()


@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="needs dbus")
def test_a_user_who_is_not_root_has_the_nodes_back_after_a_reboot(of_a_user):
    """`systemd --user`, which lingers: it begins with the machine and outlives every login."""
    fleet = of_a_user
    fleet.there("journalctl --flush")  # what a machine that boots does with its disk's journal
    fleet.there(f"loginctl enable-linger {USER}")
    wait_until(lambda: fleet.there(f"systemctl is-active user@{UID}.service") == "active")
    fleet.deploy()
    fleet.ddnn("deploy", "start", fleet.out)
    wait_until(fleet.is_up)
    nodes = "ps -eo user:20=,args= | grep '[d]dnn.run.child' | cut -d' ' -f1"
    assert set(fleet.there(nodes).split()) == {USER}
    fleet.assert_a_run_answers_as(fleet.first)
    assert "cloud: cloud listens at tcp://10.78.0.3" in fleet.ddnn("logs", fleet.out)
    fleet.lose_power()
    fleet.boot()
    wait_until(fleet.is_up)
    fleet.assert_a_run_answers_as(fleet.first)
    fleet.ddnn("deploy", "stop", fleet.out)
    assert fleet.status(code=1)["hosts"]["cloud"]["service"] == "stopped"
