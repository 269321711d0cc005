"""What simulations of one bundle and recording share, and what each of them finds.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.data.views import Views
from ddnn.nodes.collector import Collector
from ddnn.report.verdicts import Answer
from ddnn.simulation.codec import ParcelCodec
from ddnn.simulation.oracle import Answers, Oracle
from ddnn.simulation.profile import Profile
from ddnn.simulation.promises import BrokenPromiseError
from ddnn.simulation.references import Engines, Loads, Store, referring, view_references
from ddnn.simulation.schedule import Trouble
from ddnn.wire.codec import Codec


class Laboratory:
    """What simulations of one bundle and recording share: what is known of its sections."""

    def __init__(
        self,
        bundle: Bundle,
        views: Views | NDArray[Any],
        profile: Profile,
        *,
        wire: bool = False,
    ) -> None:
        """wire: nodes handle whole views and features, and every message is parsed."""
        topology = bundle.topology
        self.bundle = bundle
        self.views = views = Views.of(views)
        self.oracle: Answers = Oracle(bundle, views)
        store = Store(topology, bundle.tables)
        self.engines: Loads = Engines(bundle, views, store, profile, wire=wire)
        self.node_bundle = bundle if wire else referring(bundle)
        self.codec: Codec
        if wire:
            self.codec = Codec(topology, bundle.session, bundle.tables)
        else:
            self.codec = ParcelCodec(topology, bundle.session, store)
        recorded = views.arrays if wire else tuple(map(view_references, views.arrays))
        self.recorded = dict(zip(topology.devices, recorded, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a simulation found.

    collector: of the last run. answers: of all runs, in the order of their samples, numbered
    through. samples_N: the numbers that these samples had in their runs. troubles: those that
    began. broken: the promise that did not hold; the rest is then what had happened before.
    """

    collector: Collector
    answers: list[Answer]
    samples_N: list[int]
    events: int
    virtual_s: float
    begun_s: float
    runs: int
    states: dict[str, str]
    troubles: list[Trouble]
    failures: list[dict[str, Any]]
    checked: dict[str, int] = field(default_factory=dict)
    ties: int = 0
    broken: BrokenPromiseError | None = None
