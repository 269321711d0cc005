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

from ddnn.errors import DdnnError
from ddnn.run.child.config import ChildConfig

PR_SET_PDEATHSIG = 1  # linux/prctl.h


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
        from ddnn.run.child.serve import serve  # noqa: PLC0415  # late, see above

        serve(config)
    except DdnnError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
