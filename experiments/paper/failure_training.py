"""Trainings that know of failures, beside dropping devices at random: are they better?

    python experiments/paper/failure_training.py --data epfl-by-object --seeds 2

`robust` drops each device by itself. `count`: every number of lost devices is learnt as often as
the others. `distilled`: samples are also seen whole, and what is left of them is to answer as the
whole does. Rows as those of ablation.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddnn.training.settings import PresetName
from experiments.paper import ablation
from experiments.shared.study import Experiment, Rows, Study, main

SETTINGS: Mapping[str, tuple[PresetName, Mapping[str, Any]]] = {
    "robust": ("robust", {}),
    "robust, count": ("robust", {"dropout_by": "count"}),
    "robust, distilled": ("robust", {"distillation": 1.0}),
    "robust, count, distilled": ("robust", {"dropout_by": "count", "distillation": 1.0}),
}


def measure(study: Study, setting: str, seed: int) -> Rows:
    """See ablation.measure."""
    preset, changes = SETTINGS[setting]
    return ablation.rows_of(study, preset, changes, seed=seed)


EXPERIMENT = Experiment(
    name="failure-training",
    about=__doc__ or "",
    settings=lambda study: study.options.only,
    measure=measure,
    draw=ablation.draw,
    published={},
    seeds=2,
    options=lambda parser: parser.add_argument(
        "--only", nargs="+", choices=SETTINGS, default=list(SETTINGS)
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
