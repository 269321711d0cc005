"""Figure 6: what each device sees of which class, in the samples that are not for testing.

    python experiments/paper/figure6.py --data rendered

Counts of views; the paper's are of its 680 training samples. `absent`: the object is not in view.
The paper numbers its devices by how well each does alone: of the cameras 0 to 5 of its scene, the
sixth comes before the fifth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ddnn.report.plots import BLUE, GRAY, GREEN, ORANGE
from experiments.shared.study import Experiment, Means, Rows, Study, main

ALL, ABSENT = "all", "absent_views"
PUBLISHED = {
    "1": (424, 78, 9, 169, 37.6), "2": (420, 70, 9, 181, 38.2), "3": (320, 212, 9, 139, 52.9),
    "4": (290, 263, 9, 119, 57.4), "5": (276, 207, 9, 188, 59.4), "6": (169, 273, 9, 229, 75.1),
}  # fmt: skip
PAPERS_SCENE, PAPERS_ORDER = ("epfl", "epfl-by-sample", "mvmc"), (0, 1, 2, 3, 5, 4)
"""Cards of the paper's own cameras, and which of these is which device (the authors' scripts)."""
MEASURES = (ABSENT, "car_views", "bus_views", "person_views", "present")


def measure(study: Study, _setting: str, _seed: int) -> Rows:
    """A row for each device."""
    samples = study.data.samples
    known = np.concatenate([study.data.split.train, study.data.split.validation])
    cameras: Sequence[int] = range(study.cameras)
    if study.data.name in PAPERS_SCENE:
        cameras = PAPERS_ORDER
    rows = {}
    for device, camera in enumerate(cameras, start=1):
        labels_N = samples.labels_NV[known, camera]
        counts = {
            f"{name}_views": float((labels_N == k).sum()) for k, name in enumerate(samples.classes)
        }
        absent = float((labels_N < 0).sum())
        present = 100 * (1 - absent / len(known))
        shares = {"camera": float(camera), "present": present, "present_samples": len(known)}
        rows[str(device)] = {ABSENT: absent} | counts | shares
    return rows


def draw(figure: Figure, means: Means) -> None:
    """Stacked bars of views by class, a bar a device."""
    axes = figure.subplots()
    rows = means[ALL]
    measures = [name for name in next(iter(rows.values())) if name.endswith("_views")]
    below = np.zeros(len(rows))
    colors = dict(zip(measures, (GRAY, BLUE, ORANGE, GREEN), strict=False))
    for name in measures:
        counts = np.array([values[name].value for values in rows.values()])
        label = name.removesuffix("_views")
        axes.bar(list(rows), counts, bottom=below, color=colors.get(name), label=label, width=0.6)
        below += counts
    axes.set(title="Figure 6: views by class", xlabel="device", ylabel="samples")
    axes.set_ylim(0, 1.25 * below.max())
    axes.legend(frameon=False, ncols=4, loc="upper center")


EXPERIMENT = Experiment(
    name="figure6",
    about=__doc__ or "",
    settings=lambda _: [ALL],
    measure=measure,
    draw=draw,
    published={
        (ALL, device): dict(zip(MEASURES, values, strict=True))
        for device, values in PUBLISHED.items()
    },
    seeds=1,
)

if __name__ == "__main__":
    main(EXPERIMENT)
