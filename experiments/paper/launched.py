"""Real launches with processes killed, held against the offline masks.

    python experiments/paper/launched.py --data rendered

The six-device network of figures 8 and 10 is launched as processes. Devices are killed before the
first sample: none, each one (figure 10), and two to five at once, the most accurate alone first
(figure 8 backwards). Verdicts must be those of the network masked offline. Not timed.
"""

from __future__ import annotations

from collections.abc import Collection

from matplotlib.figure import Figure

from ddnn.bundle.load import load_bundle
from ddnn.data.multiview import MultiView
from ddnn.run.failures.plan import plan_of
from ddnn.run.launcher.launch import Options, launch
from ddnn.run.outcome import Outcome
from ddnn.training.evaluate import Evaluation
from ddnn.training.run import BUNDLE, Run
from experiments.paper.figure8 import network, order
from experiments.shared.launches import equal
from experiments.shared.measures import evaluated, overall
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main

NONE = "none"


def measure(study: Study, lost: str, seed: int) -> Rows:
    """One launch."""
    trained = study.train(network(study.data), seed=seed)
    test = study.data.part("test")
    names = [] if lost == NONE else lost.split("+")
    evaluation = evaluated(trained, test, lost=names)
    return {lost: compared(with_killed(trained, test, names), evaluation)}


def with_killed(run: Run, samples: MultiView, lost: Collection[str] = ()) -> Outcome:
    """The run as processes, the lost devices killed before the first sample."""
    plan = plan_of(run.topology, kills=[f"{name}@0" for name in lost])
    return launch(load_bundle(run.folder / BUNDLE), samples, Options(plan=plan, free_ports=True))


def compared(outcome: Outcome, evaluation: Evaluation) -> dict[str, float]:
    """Launched and offline: accuracy, verdicts that are equal in class and exit, bytes."""
    wanted = evaluation.verdicts
    sent = outcome.report["bytes"]
    return {
        "answered": 100 * outcome.report["answered"] / len(wanted.labels_N),
        "launched": 100 * outcome.report["accuracy"],
        "offline": overall(evaluation),
        **equal(outcome.verdicts, wanted),
        "payload_bytes": sent["per_device_sample"]["payload"],
        "equation_bytes": sent["per_device_sample_equation"],
    }


def sets(study: Study) -> list[str]:
    """The sets of devices to kill."""
    devices = network(study.data).devices
    if study.is_smoke:
        return [devices[-1]]
    best_first = [devices[camera] for camera in reversed(order(study))]
    several = [sorted(best_first[:count]) for count in range(2, len(devices))]
    return [NONE, *devices, *("+".join(names) for names in several)]


def draw(figure: Figure, means: Means) -> None:
    """Bars of launched and offline accuracy, a group a set of killed devices."""
    axes = figure.subplots()
    bars(axes, {lost: rows[lost] for lost, rows in means.items()}, ("launched", "offline"))
    axes.tick_params(axis="x", labelrotation=60)
    finish(axes, title="Processes killed: launched beside offline masks", xlabel="killed")


EXPERIMENT = Experiment(
    name="launched",
    about=__doc__ or "",
    settings=sets,
    measure=measure,
    draw=draw,
    published={},
    seeds=1,
)

if __name__ == "__main__":
    main(EXPERIMENT)
