"""Limits of a node's process, where the system lets us set them; elsewhere it says so.

cgroup v2 limits processor time and memory, if this process's own group hands its controllers down
(`systemd-run --user --scope -p Delegate=yes ddnn launch ...`). Without it cgroup v1 limits
processor time where its `cpu` hierarchy may be written to (by root), and Linux still limits
memory: RLIMIT_DATA, the memory a process may write to, shared pages left out.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from ddnn.topology import Limits

PERIOD_US = 100_000
"""Of cpu.max: the time over which the share holds. Also the default of cgroup v1."""


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
        why_not = _limit_cpu(group, round(limits.cpu * PERIOD_US))
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
    """This process's group of cgroup v2, or of v1's `cpu` where v2 hands nothing down; None where
    there is neither."""
    try:
        mounts = _read("/proc/self/mountinfo").splitlines()
        groups = _read("/proc/self/cgroup").splitlines()
    except OSError:
        return None
    roots = {}
    for line in mounts:
        *_, kind, _, options = words = line.split()
        if kind == "cgroup2":
            roots[""] = words[4]
        elif kind == "cgroup" and "cpu" in options.split(","):
            roots["cpu"] = words[4]
    found = {}
    for line in groups:
        _, controllers, path = line.split(":", 2)
        for name in roots.keys() & set(controllers.split(",")):
            found[name] = Path(roots[name] + path)
    whole = found.get("")
    return whole if whole is not None and _hands_down(whole) else found.get("cpu", whole)


def _read(path: Path | str) -> str:
    """What the system says; names in it may be of any bytes."""
    return Path(path).read_text(encoding="utf-8", errors="surrogateescape")


def _hands_down(group: Path) -> bool:
    """Whether the group's controllers can be used in groups under it: always in cgroup v1."""
    try:
        return bool(_read(group / "cgroup.subtree_control").split())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _make_group(parent: Path | None, node: str) -> Path | None:
    """A group in which the parent's controllers can be used, None where that is not allowed."""
    if parent is None:
        return None
    group = parent / f"ddnn-{node}-{secrets.token_hex(8)}"
    try:
        if not _hands_down(parent):
            return None
        group.mkdir()
    except OSError:
        return None
    return group


def _limit_cpu(group: Path | None, quota_us: int) -> str:
    """Why processor time could not be limited, empty if it was."""
    if group is not None and (group / "cpu.cfs_quota_us").exists():  # cgroup v1
        return _write(group, "cpu.cfs_quota_us", str(quota_us))
    return _write(group, "cpu.max", f"{quota_us} {PERIOD_US}")


def _write(group: Path | None, name: str, value: str) -> str:
    """Why the value could not be written, empty if it was."""
    if group is None:
        return "not applied: no cgroup that hands its controllers down"
    try:
        # r+ never makes a file: the system has it or not
        with (group / name).open("r+", encoding="utf-8") as file:
            file.write(value)
    except OSError as error:
        return f"not applied: {name}: {error.strerror}"
    return ""


def _limit_data(pid: int, size: int) -> str:
    if sys.platform != "linux":
        return "not applied: neither a cgroup nor prlimit"
    import resource  # noqa: PLC0415  # exists on Unix alone

    try:
        resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))
    except (OSError, ValueError) as error:
        return f"not applied: {error}"
    return "RLIMIT_DATA"
