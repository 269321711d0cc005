"""The container table of EEoI: time a sample under limits of memory and processor at the device.

    python experiments/early_exit/eeoi_limits.py --run RUN

Each setting is a published container of the device; edge and cloud have 32 GB and one processor
each, as published.
Each row is a share of samples that leave the device, made as published by the local threshold: a
quantile of these very samples' entropies, for only time is measured here. The edge answers none,
as theirs did. `memory_held`, `cpu_held`: 100 where the system holds the limit, 0 where it does not
and the time is that without it; the reason is printed.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ddnn.decision import decide
from ddnn.topology import Limits
from ddnn.training.predict import predict
from experiments.early_exit.recipe import experiment, trained
from experiments.shared.launches import launched, samples_to_launch, timed
from experiments.shared.measures import summed
from experiments.shared.pictures import line
from experiments.shared.study import Means, Rows, Study, main

DEVICE, UPPER = "cam0", ("edge0", "cloud")
UPPER_CONTAINER = "32000 MB, 100 %"
LEAVING = (74.76, 26.25, 0.14)
"""Published per cent of samples that leave the device, at T = 1e-15, 1e-3 and 1."""
PUBLISHED_MS = {
    "512 MB, 100 %": (7.42, 3.83, 2.52),
    "1000 MB, 100 %": (6.35, 3.64, 2.44),
    "2000 MB, 100 %": (5.69, 3.11, 1.99),
    "3000 MB, 100 %": (4.81, 2.87, 1.92),
    "32000 MB, 100 %": (4.64, 3.10, 1.85),
    "2000 MB, 70 %": (29.58, 24.16, 32.16),
    "1000 MB, 50 %": (41.99, 47.63, 48.09),
}
"""A mean for each of LEAVING, by the container's memory and share of a core."""


def limits_of(container: str) -> Limits:
    """Of a setting's name."""
    memory, _, cpu, _ = container.replace(",", "").split()
    return Limits(memory_mb=int(memory), cpu=int(cpu) / 100)


def measure(study: Study, container: str, seed: int) -> Rows:
    """One launch for each share of samples that leave the device."""
    limits = {DEVICE: limits_of(container)} | dict.fromkeys(UPPER, limits_of(UPPER_CONTAINER))
    run, samples = trained(study, seed), samples_to_launch(study)
    local = predict(run.joint, samples)["local"]
    entropy_N = decide(local, run.rules["local"].temperature).entropy_N
    rows = {}
    for leaving in LEAVING:
        thresholds = {"local": float(np.quantile(entropy_N, 1 - leaving / 100)), "edge": 0.0}
        rules = {
            name: rule.model_copy(update={"threshold": thresholds.get(name)})
            for name, rule in run.rules.items()
        }
        outcome = launched(run, rules, samples, limits=limits)
        node = outcome.report["nodes"][DEVICE]
        held = {key: limit["by"] for key, limit in node["limits"].items()}
        print(container, f"{leaving} % leave", *(f"{k}: {by}" for k, by in held.items()), sep="; ")
        rows[f"{leaving} % leave"] = timed(outcome) | {
            "leaving": 100 - summed(outcome.verdicts)["local_share"],
            "samples": len(samples),
            "resident_mb": node["resident_mb"],
            "memory_held": _flag(held["memory_mb"]),
            "cpu_held": _flag(held["cpu"]),
        }
    return rows


def _flag(by: str) -> float:
    return 0.0 if by.startswith("not applied") else 100.0


def draw(figure: Figure, means: Means) -> None:
    """Time a sample against the container, a line a share of samples."""
    axes = figure.subplots()
    x = list(range(len(means)))
    for leaving in LEAVING:
        rows = [found[f"{leaving} % leave"] for found in means.values()]
        line(
            axes, x, rows, "mean_ms", name=f"{leaving} % leave", color=f"C{LEAVING.index(leaving)}"
        )
    title = "Mean time a sample; dashed: published"
    axes.set(title=title, xlabel="memory and processor of the device", ylabel="ms", yscale="log")
    axes.set_xticks(x, list(means), rotation=30)
    axes.legend(frameon=False)


EXPERIMENT = experiment(
    name="eeoi-limits",
    about=__doc__ or "",
    settings=lambda study: list(PUBLISHED_MS)[-1:] if study.is_smoke else list(PUBLISHED_MS),
    measure=measure,
    draw=draw,
    published={
        (container, f"{leaving} % leave"): {"mean_ms": mean, "leaving": leaving}
        for container, times in PUBLISHED_MS.items()
        for leaving, mean in zip(LEAVING, times, strict=True)
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
