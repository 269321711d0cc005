"""ddnn: one deep network, trained jointly, run by devices, edge servers and the cloud.

    import ddnn

    run = ddnn.train("six-cameras", data="rendered", out="run", epochs=8)
    print(ddnn.evaluate(run).accuracy)
    print(ddnn.launch(run, kill={"cam5": 100}).accuracy)
    ddnn.failures(run).to_pandas()

What is in `__all__` is public; everything else may change. Names are imported when they are first
used, so that a node that runs a section never loads torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddnn.api.comparison import benchmark
    from ddnn.api.cutting import cut
    from ddnn.api.live import LiveSystem, serve
    from ddnn.api.offline import calibrate, evaluate, failures, train
    from ddnn.api.online import launch
    from ddnn.api.results import EvaluationResult, FailureResult, LaunchResult, SimulationResult
    from ddnn.api.studies import SearchResult, StudyResult, run_search, run_study
    from ddnn.api.virtual import simulate
    from ddnn.data.loading import load as load_data
    from ddnn.data.multiview import DataSet, MultiView
    from ddnn.errors import (
        BundleError,
        ConfigError,
        DataError,
        DdnnError,
        InterruptError,
        LaunchError,
        ShapeError,
        TransportError,
    )
    from ddnn.live.client import ask, push, watch
    from ddnn.live.page.options import PageOptions
    from ddnn.live.sinks import Sinks
    from ddnn.topology import Topology, read_topology
    from ddnn.training.calibrate import Calibration
    from ddnn.training.cuts import Cut
    from ddnn.training.run import Run, open_run

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Calibration",
    "ConfigError",
    "Cut",
    "DataError",
    "DataSet",
    "DdnnError",
    "EvaluationResult",
    "FailureResult",
    "InterruptError",
    "LaunchError",
    "LaunchResult",
    "LiveSystem",
    "MultiView",
    "PageOptions",
    "Run",
    "SearchResult",
    "ShapeError",
    "SimulationResult",
    "Sinks",
    "StudyResult",
    "Topology",
    "TransportError",
    "ask",
    "benchmark",
    "calibrate",
    "cut",
    "evaluate",
    "failures",
    "launch",
    "load_data",
    "open_run",
    "push",
    "read_topology",
    "run_search",
    "run_study",
    "serve",
    "simulate",
    "train",
    "watch",
]

_HOMES = {
    "Calibration": "ddnn.training.calibrate",
    "Cut": "ddnn.training.cuts",
    "DataSet": "ddnn.data.multiview",
    "EvaluationResult": "ddnn.api.results",
    "FailureResult": "ddnn.api.results",
    "LaunchResult": "ddnn.api.results",
    "LiveSystem": "ddnn.api.live",
    "MultiView": "ddnn.data.multiview",
    "PageOptions": "ddnn.live.page.options",
    "Run": "ddnn.training.run",
    "SearchResult": "ddnn.api.studies",
    "SimulationResult": "ddnn.api.results",
    "Sinks": "ddnn.live.sinks",
    "StudyResult": "ddnn.api.studies",
    "Topology": "ddnn.topology",
    "ask": "ddnn.live.client",
    "benchmark": "ddnn.api.comparison",
    "calibrate": "ddnn.api.offline",
    "cut": "ddnn.api.cutting",
    "evaluate": "ddnn.api.offline",
    "failures": "ddnn.api.offline",
    "launch": "ddnn.api.online",
    "load_data": "ddnn.data.loading",
    "open_run": "ddnn.training.run",
    "push": "ddnn.live.client",
    "read_topology": "ddnn.topology",
    "run_search": "ddnn.api.studies",
    "run_study": "ddnn.api.studies",
    "serve": "ddnn.api.live",
    "simulate": "ddnn.api.virtual",
    "train": "ddnn.api.offline",
    "watch": "ddnn.live.client",
}
"""Where a public name is defined; the errors are all in ddnn.errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ddnn' has no attribute {name!r}")
    module = importlib.import_module(_HOMES.get(name, "ddnn.errors"))
    value = getattr(module, "load" if name == "load_data" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
