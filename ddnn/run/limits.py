"""Limits of a node's process, where the system lets us set them; elsewhere it says so.

cgroup v2 limits processor time and memory, if this process's own group hands its controllers down
(`systemd-run --user --scope -p Delegate=yes ddnn launch ...`). Without it Linux still limits
memory: RLIMIT_DATA, the memory a process may write to, shared pages left out.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ddnn.topology import Limits

PERIOD_US = 100_000
"""Of cpu.max: the time over which the share holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A limit that the topology wants, and by what it holds: `cgroup`, `RLIMIT_DATA`, or why
    it does not."""

    wanted: float
    by: str


def apply_limits(
    pid: int, node: str, limits: Limits, parent: Path | None
) -> tuple[dict[str, Applied], Path | None]:
    """Limits the process. parent: the group under which to make one for it (see `own_group`).

    Returns what holds, by the topology's key, and the group that was made for it, if one was.
    """
    found: dict[str, Applied] = {}
    group = None
    if limits.cpu is not None or limits.memory_mb is not None:
        group = _make_group(parent, node)
    if limits.cpu is not None:
        quota = f"{round(limits.cpu * PERIOD_US)} {PERIOD_US}"
        why_not = _write(group, "cpu.max", quota)
        found["cpu"] = Applied(wanted=limits.cpu, by=why_not or "cgroup")
    if limits.memory_mb is not None:
        size = limits.memory_mb * 10**6
        by = "cgroup" if not _write(group, "memory.max", str(size)) else _limit_data(pid, size)
        found["memory_mb"] = Applied(wanted=limits.memory_mb, by=by)
    if "cgroup" in {applied.by for applied in found.values()}:
        why_not = _write(group, "cgroup.procs", str(pid))
        if why_not:
            found = {k: Applied(wanted=a.wanted, by=why_not) for k, a in found.items()}
    return found, group


def remove_group(group: Path) -> None:
    """After its process has ended."""
    with contextlib.suppress(OSError):
        group.rmdir()


def own_group() -> Path | None:
    """This process's group of cgroup v2, None where there is none."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    roots = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    paths = [line.removeprefix("0::") for line in groups if line.startswith("0::")]
    return Path(roots[0] + paths[0]) if roots and paths else None


def _make_group(parent: Path | None, node: str) -> Path | None:
    """A group in which the parent's controllers can be used, None where that is not allowed."""
    if parent is None:
        return None
    group = parent / f"ddnn-{os.getpid()}-{node}"
    try:
        if not (parent / "cgroup.subtree_control").read_text().split():
            return None
        group.mkdir(exist_ok=True)
    except OSError:
        return None
    return group


def _write(group: Path | None, name: str, value: str) -> str:
    """Why the value could not be written, empty if it was."""
    if group is None:
        return "not applied: no cgroup v2 that hands its controllers down"
    try:
        with (group / name).open("r+") as file:  # never makes a file: the system has it or not
            file.write(value)
    except OSError as error:
        return f"not applied: {name}: {error.strerror}"
    return ""


def _limit_data(pid: int, size: int) -> str:
    if sys.platform != "linux":
        return "not applied: neither cgroup v2 nor prlimit"
    import resource  # noqa: PLC0415  # exists on Unix alone

    try:
        resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))
    except (OSError, ValueError) as error:
        return f"not applied: {error}"
    return "RLIMIT_DATA"
