"""One node as a process. Called in the child: `python -m ddnn.run.child CONFIG`.

The launcher holds the child's standard input, for orders (see `serve`); its end means that the
launcher is gone. What a node needs is imported late: a launcher may die while that takes its time.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import threading
from dataclasses import asdict, dataclass, field
from importlib import import_module

from ddnn.errors import DdnnError

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildConfig:
    """All that a node process is told.

    origin: the bundle that `bundle` is a copy of, for a person who lists processes.
    views: .npy file of what a device's camera recorded. endpoints: those that differ from the
    topology's. data: digest of all cameras' samples, 0 where nobody knows it. seed: of the failure
    plan. tied: take orders on standard input, end when it closes. keys: folder of key files.
    insecure: listen to other machines without CURVE. sockets: folder of this machine's own
    sockets, which nodes use in place of their endpoints.
    """

    bundle: str
    node: str
    origin: str = ""
    views: str | None = None
    data: int = 0
    endpoints: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    tied: bool = True
    keys: str | None = None
    insecure: bool = False
    sockets: str | None = None

    def to_argument(self) -> str:
        """The form in which the child takes it."""
        return json.dumps(asdict(self))


def _end_with_launcher() -> None:
    """This process goes when the launcher does; on Linux also while it is stopped (hang)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_standard_input, daemon=True).start()


def _watch_standard_input() -> None:
    """Until the other end closes. Reads nothing: orders are for `serve`."""
    watched = select.poll()
    watched.register(0, 0)  # a hang-up is told in any case
    watched.poll()
    os._exit(0)


def main() -> None:
    """Reads the config from the command line. An error is one line on standard error."""
    config = ChildConfig(**json.loads(sys.argv[1]))
    if config.tied:
        _end_with_launcher()
    try:
        import_module("ddnn.run.serve").serve(config)
    except DdnnError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
