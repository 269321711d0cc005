"""Runs one node in this process, or those of a pack, and makes them fail as the launcher orders.

An order is a line on standard input, JSON, with a number, answered by `done NUMBER` on standard
output:

    {"order": NUMBER, "set": PEER, "fault": {...}}     a wire.faulty.LinkFault
    {"order": NUMBER, "clear": PEER, "kind": KIND}
    {"order": NUMBER, "slow": FACTOR}                  sections take FACTOR times as long; 1: no
                                                       longer
    {"order": NUMBER, "rules": {EXIT: {"threshold": T, "temperature": K}}}

Of a pack it says "node": NAME too. A line `say WORDS` on standard output is for a person.
"""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError
from ddnn.nodes.build import patience_s
from ddnn.nodes.loop import run_node
from ddnn.nodes.pack import Pack
from ddnn.run.child.config import ChildConfig
from ddnn.run.child.served import Means, Served, open_node
from ddnn.run.sockets import LAST_WORDS_MS
from ddnn.wire.zeromq import Shared


def serve(config: ChildConfig) -> None:
    """Runs the node, or the nodes of a pack, until told to stop.

    Raises DdnnError when the bundle, the views or the address cannot be used.
    """
    stop = asked_to_stop()
    names = [config.node, *config.others]
    bundle = load_bundle(Path(config.bundle), names).with_endpoints(config.endpoints)
    topology = bundle.topology
    for name in names:
        if name not in topology.nodes:
            raise ConfigError(f"node: no node named {name!r} (known: {', '.join(topology.nodes)})")
    rules = bundle.manifest.exits | _rules(config.rules)
    with ExitStack() as opened:
        shared = None
        if config.others and not topology.security.curve:
            shared = Shared()
            opened.callback(shared.close, linger_ms=LAST_WORDS_MS)
        served = {
            name: open_node(name, config, bundle, rules, Means(opened=opened, shared=shared))
            for name in names
        }
        if config.tied:
            told = (config.node, served, rules)
            threading.Thread(target=_take_orders, args=told, daemon=True).start()
        for each in served.values():
            each.begin()
        gc.freeze()  # what is there now stays: no collection need look at it again
        _run(list(served.values()), stop.is_set, patience_s(topology), config.account_s or math.inf)


def asked_to_stop() -> threading.Event:
    """Set by SIGTERM and SIGINT from now on."""
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    return stop


def _run(
    served: Sequence[Served],
    should_stop: Callable[[], bool],
    patience_s: float,
    account_s: float,
) -> None:
    """Until told to stop; hands the accounts over."""
    if len(served) == 1:
        (one,) = served
        run_node(one.node, one.mailbox, should_stop, patience_s=patience_s, account_s=account_s)
        one.finish()
        return
    members = [each.packed for each in served]
    Pack(members, patience_s=patience_s, account_s=account_s).run(should_stop)


def _rules(given: Mapping[str, Mapping[str, float | None]]) -> dict[str, ExitRule]:
    return {name: ExitRule.model_validate(dict(rule)) for name, rule in given.items()}


def _take_orders(first: str, served: Mapping[str, Served], rules: dict[str, ExitRule]) -> None:
    """Until standard input closes."""
    # unbuffered: a buffered standard input, locked by this thread, would abort Python's exit
    for line in os.fdopen(0, "rb", buffering=0, closefd=False):
        order = json.loads(line)
        node = served[order.get("node", first)]
        if "rules" in order:
            rules |= _rules(order["rules"])
        elif not node.transport.obey(order):
            node.pace.factor = float(order["slow"])
        os.write(1, b"done %d\n" % order["order"])
