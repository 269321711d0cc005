"""What a command says on standard error, as JSON: one object a line, for whoever collects logs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import click

log_json_option = click.option(
    "--log-json", is_flag=True, help="Say what happens as JSON, one object a line."
)


def json_log(command: str, topology: str) -> Callable[[str], None]:
    """Writes lines with the keys time (UTC), level, command, pid, topology and message."""

    def say(message: str) -> None:
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info",
            "command": command,
            "pid": os.getpid(),
            "topology": topology,
            "message": message,
        }
        print(json.dumps(entry), file=sys.stderr, flush=True)  # noqa: T201  # this is the log

    return say
