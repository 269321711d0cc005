"""One node as a process. Called in the child: `python -m ddnn.run.child CONFIG`.

The launcher holds the child's standard input, for orders (see `serve`); its end means that the
launcher is gone. What a node needs is imported late: a launcher may die while that takes its time.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading

from ddnn.errors import DdnnError
from ddnn.run.child.config import ChildConfig
from ddnn.run.child.template import die_with_parent, next_node


def _end_with_launcher() -> None:
    """This process goes when the launcher does; on Linux also while it is stopped (hang)."""
    die_with_parent()
    threading.Thread(target=_watch_standard_input, daemon=True).start()


def _watch_standard_input() -> None:
    """Until the other end closes. Reads nothing: orders are for `serve`."""
    watched = select.poll()
    watched.register(0, 0)  # a hang-up is told in any case
    watched.poll()
    os._exit(0)


def main() -> None:
    """Reads the config from the command line, or forks when asked to, once a node (see `template`).

    An error is one line on standard error.
    """
    if sys.argv[1] == "template":
        config = next_node(int(sys.argv[2]))
    else:
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
