"""The main README's figures: what the preset `robust`, as it ships, gains over the paper's recipe.

    python experiments/paper/headline.py --data epfl-by-object

From the paper's recipe step by step: as many updates as `robust` makes, devices dropped while it
is trained, a falling learning rate, and the preset, which weighs rare classes besides and keeps the
best epoch. Rows as those of ablation.py, all under the thresholds that ship.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddnn.training.settings import PRESETS, PresetName
from experiments.paper import ablation
from experiments.shared.study import OF_RECORD, Experiment, Rows, Study, main

SHIPS = {name: getattr(PRESETS["robust"], name) for name in OF_RECORD["robust"]}
"""Of `robust`, what is another now than in the rows of record."""
STEPS = ("paper", "batches", "batches + dropout", "batches + dropout + cosine")
SETTINGS: Mapping[str, tuple[PresetName, Mapping[str, Any]]] = {
    **{step: ablation.SETTINGS[step] for step in STEPS},
    "robust": ("robust", SHIPS),
}


def measure(study: Study, setting: str, seed: int) -> Rows:
    """See ablation.measure."""
    preset, changes = SETTINGS[setting]
    return ablation.rows_of(study, preset, changes, seed=seed)


EXPERIMENT = Experiment(
    name="headline",
    about=__doc__ or "",
    settings=tuple(SETTINGS),
    measure=measure,
    draw=ablation.draw,
    published={},
    seeds=5,
)

if __name__ == "__main__":
    main(EXPERIMENT)
