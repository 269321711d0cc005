"""Where the command `ddnn` begins: Ctrl-C ends it in a line also while all is still imported."""

import sys


def main() -> None:
    """See ddnn.cli.main."""
    try:
        from ddnn.cli.main import main as run  # noqa: PLC0415  # what may be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("Aborted!\n")
        raise SystemExit(1) from None
    run()
