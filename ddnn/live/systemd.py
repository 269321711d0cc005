"""A live system as a service of systemd: its unit, and telling that it is ready.

What is told goes as a datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)).
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"
WATCHDOG_S = 30
"""After so long without a sign of the loop, systemd starts the system again."""


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
    command = shlex.join([sys.executable, "-m", "ddnn", "serve", *arguments])
    return f"""\
[Unit]
Description=ddnn: live verdicts of {run.name}
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command.replace("%", "%%")}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
# passwords of cameras, NAME=VALUE lines, of mode 0600:
EnvironmentFile=-/etc/ddnn/{run.name}.env
Restart=always
RestartSec=2
WatchdogSec={WATCHDOG_S}
KillMode=mixed
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
"""
