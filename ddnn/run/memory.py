"""How much memory a process takes."""

from __future__ import annotations

from pathlib import Path


def resident_bytes(process: int | str) -> int | None:
    """Of the process with this id, or of `self`; None where the system does not tell (it is not
    Linux), or the process has ended. Source: proc(5), whose kB are of 1024 bytes."""
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8", "replace")
    except OSError:
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return 1024 * int(found[0]) if found else None
