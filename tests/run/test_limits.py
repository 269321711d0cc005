"""Limits hold or the report says why not. The folders stand for a cgroup v2 hierarchy."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ddnn.run.launcher.limits import apply_limits, own_group, remove_group
from ddnn.topology import Limits

BOTH = Limits(cpu=0.5, memory_mb=512)


@pytest.fixture
def process() -> Iterator[subprocess.Popen]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as found:
        yield found
        found.communicate(b"\n")


def delegated(folder: Path, controllers: str) -> Path:
    """A group that hands these controllers down; the kernel makes the files of each new group."""
    (folder / "cgroup.subtree_control").write_text(controllers)
    return kernel(folder, "cgroup.procs", *(f"{c}.max" for c in controllers.split()))


def kernel(folder: Path, *files: str) -> Path:
    """The folder; whoever makes one in it finds these files there."""

    class Kernel(type(folder)):
        def mkdir(self, *arguments: object, **options: object) -> None:
            super().mkdir(*arguments, **options)
            for name in files:
                (self / name).touch()

        def __truediv__(self, name: str) -> Path:
            return Kernel(super().__truediv__(name))

    return Kernel(folder)


def test_no_limits_touch_nothing(process, tmp_path):
    assert apply_limits(process.pid, "cam0", Limits(), delegated(tmp_path, "cpu")) == ({}, None)


def test_a_group_limits_processor_and_memory(process, tmp_path):
    found, group = apply_limits(process.pid, "cam0", BOTH, delegated(tmp_path, "cpu memory"))
    assert {name: limit.by for name, limit in found.items()} == dict.fromkeys(
        ("cpu", "memory_mb"), "cgroup"
    )
    assert group is not None
    assert (group / "cpu.max").read_text() == "50000 100000"
    assert (group / "memory.max").read_text() == "512000000"
    assert (group / "cgroup.procs").read_text() == str(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
@pytest.mark.parametrize("has_group", [False, True], ids=["no group", "no controllers"])
def test_without_a_group_memory_is_limited_and_the_processor_said_not_to_be(
    process, tmp_path, has_group
):
    parent = delegated(tmp_path, "") if has_group else None
    found, group = apply_limits(process.pid, "cam0", BOTH, parent)
    assert group is None
    assert found["cpu"].by == "not applied: no cgroup that hands its controllers down"
    assert found["memory_mb"].by == "RLIMIT_DATA"
    assert resource.prlimit(process.pid, resource.RLIMIT_DATA) == (512 * 10**6, 512 * 10**6)


def test_a_group_without_one_controller_limits_the_other(process, tmp_path):
    found, _ = apply_limits(process.pid, "cam0", BOTH, delegated(tmp_path, "memory"))
    assert found["memory_mb"].by == "cgroup"
    assert found["cpu"].by.startswith("not applied: cpu.max: ")


def test_the_older_cgroups_limit_the_processor_alone(process, tmp_path):
    parent = kernel(tmp_path, "cgroup.procs", "cpu.cfs_quota_us")
    found, group = apply_limits(process.pid, "cam0", BOTH, parent)
    assert {name: limit.by for name, limit in found.items()} == {
        "cpu": "cgroup", "memory_mb": "RLIMIT_DATA",
    }  # fmt: skip
    assert group is not None
    assert (group / "cpu.cfs_quota_us").read_text() == "50000"
    assert (group / "cgroup.procs").read_text() == str(process.pid)


def test_half_a_core_is_half_a_core_where_it_can_be_limited(tmp_path):
    burn = "import time; end = time.monotonic() + 1\nwhile time.monotonic() < end: pass\n"
    program = f"input(); {burn}print(time.process_time())"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as found:
        applied, group = apply_limits(found.pid, tmp_path.name, Limits(cpu=0.2), own_group())
        used_s, _ = found.communicate(b"\n")
    if applied["cpu"].by != "cgroup":
        pytest.skip(applied["cpu"].by)
    assert group is not None
    remove_group(group)
    assert not group.exists()
    assert float(used_s) < 0.5


def test_groups_are_taken_away_when_they_are_empty(tmp_path):
    (tmp_path / "group").mkdir()
    remove_group(tmp_path / "group")
    remove_group(tmp_path / "group")
    assert not (tmp_path / "group").exists()


def test_the_own_group_is_a_folder_or_none():
    group = own_group()
    assert group is None or (group / "cgroup.procs").exists()
