"""A live system as a service of systemd: its unit, and telling that it is ready.

What is told goes as a datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)).
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"
WATCHDOG_S = 30
"""After so long without a sign of the loop, systemd starts the system again."""

HOST = "Type=exec\nSuccessExitStatus=143\n"
"""Of a host's nodes: 143 is how a launch ends that is told to by SIGTERM."""


def notify(state: str) -> None:
    """Tells systemd, if it started this process."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.send(state.encode())


def unit(arguments: Sequence[str], *, folder: Path, run: Path) -> str:
    """The unit file of `ddnn serve` with these arguments, started in this folder."""
    special = f"""\
Type=notify
NotifyAccess=main
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={_escaped(str(folder))}
# passwords of cameras, NAME=VALUE lines, of mode 0600:
EnvironmentFile=-/etc/ddnn/{_escaped(run.name)}.env
WatchdogSec={WATCHDOG_S}
"""
    command = (sys.executable, "-m", "ddnn", "serve", *arguments)
    return _unit(f"live verdicts of {run.name}", command, special, target="multi-user.target")


def host_unit(folder: Path, *, is_user: bool) -> str:
    """The unit file of what a deployment runs on a host. is_user: it is a user's own."""
    command = ("/bin/sh", str(folder / "current" / "run"), "--log-json")
    target = "default.target" if is_user else "multi-user.target"
    return _unit(f"the nodes in {folder}", command, HOST, target=target)


def _unit(what: str, command: Sequence[str], special: str, *, target: str) -> str:
    """special: further lines of the service."""
    return f"""\
[Unit]
Description=ddnn: {_escaped(what)}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={" ".join(map(_word, command))}
{special}Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=60

[Install]
WantedBy={target}
"""


def _escaped(text: str) -> str:
    """% begins a specifier of systemd's."""
    return text.replace("%", "%%")


def _word(argument: str) -> str:
    """One word of ExecStart, whatever it holds.

    Trap: systemd puts the value in place of ${NAME}, in quotes too, and so a camera's password
    would stand in the list of processes.
    """
    text = _escaped(argument).replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./${}-]+", text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
