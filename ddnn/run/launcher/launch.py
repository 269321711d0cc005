"""Launches a bundle's topology as processes on this machine and runs samples through it.

Called in the parent; `child` is what it starts.
Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.data.checks import check_fits
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.run.hosts import check_host
from ddnn.run.launcher.one_launch import Launch
from ddnn.run.launcher.private_folder import own_folder
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.sink import Sink
from ddnn.run.launcher.start import Options as Options
from ddnn.run.launcher.start import Watcher as Watcher
from ddnn.run.launcher.start import collector_mailbox, own_sockets
from ddnn.run.launcher.start import free_endpoints as free_endpoints
from ddnn.run.outcome import Kept, Outcome

MAX_SAMPLES = 2**31
"""In one launch: their numbers are 32 bits on the wire, and a plan's failures go so far."""


def launch(
    bundle: Bundle,
    samples: MultiView,
    options: Options | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Runs every sample through real processes, ends them, and gives all that was found.

    Raises ConfigError for too many rounds or a wrong key, DataError for views that do not fit,
    TransportError for a port in use, LaunchError naming a node that does not start or join.
    """
    kept = Kept()
    launch_into(kept, bundle, samples, options, watcher)
    return kept.outcome


def launch_into(
    sink: Sink,
    bundle: Bundle,
    samples: MultiView,
    options: Options | None = None,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """As `launch`, into a sink: memory does not grow with the samples. Returns the report.

    Whatever ends it once it has begun, the sink gets what was found, as `interrupted`.
    """
    options = options or Options()
    if len(samples) * options.rounds > MAX_SAMPLES:
        raise ConfigError(
            f"rounds: got {options.rounds}, want at most {MAX_SAMPLES} samples in all"
        )
    check_fits(bundle.topology, samples)
    check_host(bundle.topology, options.host)
    with ExitStack() as stack:
        if options.free_ports:
            bundle = bundle.with_endpoints(free_endpoints(bundle.topology, stack))
        workplace = stack.enter_context(own_folder())
        sockets = own_sockets(bundle.topology, workplace.path, options)
        feed = None if watcher is None else watcher.feed
        processes = stack.enter_context(Processes(workplace))
        mailbox = stack.enter_context(collector_mailbox(bundle, options, sockets, feed=feed))
        run = Launch(
            bundle,
            samples,
            options,
            sink=sink,
            processes=processes,
            mailbox=mailbox,
            watcher=watcher,
        )
        try:
            return run.run(workplace)
        except BaseException:
            run.abandon()
            raise
