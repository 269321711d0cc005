"""Random troubles: every kind, on every node and link, at a rate. Drawn from a seed alone."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from ddnn.simulation.schedule import OF_LINKS, OWN_KINDS, PLAN_KINDS, Trouble
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.faulty import LINK_FAULT_KINDS
from ddnn.wire.routes import routes

SHORTEST_S, LONGEST_S = 0.01, 1.0
"""How long a trouble lasts: uniform in its logarithm."""
RARE = {"crash": 0.1, "freeze": 0.25, "reboot": 0.5}
"""How often a kind is drawn beside the others: they hit many nodes at once."""


def storm(topology: Topology, *, rate_per_s: float, seed: int) -> Iterator[Trouble]:
    """Troubles for ever, each 1 / rate_per_s seconds after the one before."""
    chance = random.Random(f"storm {seed}")
    kinds = (*PLAN_KINDS, *OWN_KINDS)
    weights = [RARE.get(kind, 1.0) for kind in kinds]
    nodes = list(topology.nodes)
    links = sorted({(sender, receiver) for sender, receiver, _ in routes(topology)})
    nodes_links = [link for link in links if link[0] != COLLECTOR]
    number = 0
    while True:
        number += 1
        (kind,) = chance.choices(kinds, weights)
        is_link = kind in OF_LINKS or (kind in LINK_FAULT_KINDS and chance.random() < 0.5)
        node = None if is_link or kind in ("freeze", "crash") else chance.choice(nodes)
        link = chance.choice(links if kind in OF_LINKS else nodes_links) if is_link else None
        length = chance.uniform(math.log(SHORTEST_S), math.log(LONGEST_S))
        yield Trouble(
            at_s=round(number / rate_per_s, 6),
            for_s=round(math.exp(length), 6),
            kind=kind,  # type: ignore[arg-type]  # one of them
            node=node,
            link=link,
            share=round(chance.uniform(0.05, 1), 3),
            delay_ms=round(math.exp(chance.uniform(0, math.log(500))), 3),
            factor=round(math.exp(chance.uniform(math.log(2), math.log(50))), 1),
        )
