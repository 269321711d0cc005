"""Sockets within one machine (`ipc://PATH`): a file that others of the same user connect to.

The kernel counts no bytes on them, and nobody but the user gets in. ZeroMQ itself removes whatever
has the path before it listens: `make_room` removes only what is left of a socket of ours.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from ddnn.errors import TransportError

SCHEME = "ipc://"
MOST_BYTES = 107
"""Of a socket's path, without the zero at its end (unix(7))."""


def endpoint_of(path: Path) -> str:
    """The address of a socket at this path."""
    return f"{SCHEME}{path}"


def is_too_long(path: Path) -> bool:
    """Whether no socket can have this path."""
    return len(os.fsencode(path)) > MOST_BYTES


def path_of(endpoint: str) -> Path | None:
    """Where the socket's file is; None for another kind of address.

    Raises TransportError for a path that is too long.
    """
    if not endpoint.startswith(SCHEME):
        return None
    path = Path(endpoint.removeprefix(SCHEME))
    if is_too_long(path):
        length = len(os.fsencode(path))
        raise TransportError(
            f"{path}: {length} bytes, want at most {MOST_BYTES} for a socket (another TMPDIR?)"
        )
    return path


def make_room(path: Path) -> None:
    """Removes what is left of a socket that nobody listens at.

    Raises TransportError where somebody does, and for what is no socket of this user.
    """
    try:
        found = path.lstat()
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            raise TransportError(f"{path}: is there and no socket of ours, want another path")
        if _is_listened_at(path):
            raise TransportError(f"{path}: in use, want it free (another launch?)")
        path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise TransportError(f"{path}: no socket can be made here, {error.strerror}") from error


def _is_listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            pass  # too many wait to be let in
    return True
