"""Equation 1 and weight memory: what follows from a topology alone, beside the published numbers.

    python experiments/paper/costs.py

Payload bytes per device and sample at the published local shares (table II, figure 9), by the
equation and by the topology that a launch uses; bits of a device's weights (figure 9, the authors'
mem.csv and, inferred from their counting, one-layer devices). Nothing is trained.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.model.cost import device_payload, equation_1, section_bits
from ddnn.report.plots import BLUE, ORANGE
from ddnn.topology import Topology
from experiments.paper.figure9 import FIRST_FILTERS
from experiments.paper.figure9 import PUBLISHED as FIGURE_9
from experiments.paper.table2 import PUBLISHED as TABLE_2
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

MEM_CSV = {"1": 525, "2": 570, "4": 660, "8": 840}  # filters of the first layer, 2 in the second
ONE_LAYER = {"4": 3244, "16": 12784}
TABLE, FIGURE, MEMORY, SINGLE = "table II", "figure 9", "mem.csv", "one layer"


def measure(study: Study, setting: str, _seed: int) -> Rows:
    """A row for each threshold or number of filters."""
    if setting == TABLE:
        topology = cameras(study.data)
        return {t: payload(topology, share / 100) for t, (share, *_) in TABLE_2.items()}
    if setting == FIGURE:
        rows = {}
        for filters, (_, _, _, share, _, _) in FIGURE_9.items():
            topology = cameras(study.data, filters=(FIRST_FILTERS, int(filters)))
            rows[filters] = payload(topology, share / 100) | memory(topology)
        return rows
    if setting == MEMORY:
        return {n: memory(cameras(study.data, filters=(int(n), 2))) for n in MEM_CSV}
    return {n: memory(cameras(study.data, filters=(int(n),))) for n in ONE_LAYER}


def payload(topology: Topology, local_share: float) -> dict[str, float]:
    """By equation 1, and as the topology's devices send it."""
    shape = topology.feature_shape(topology.devices[0])
    equation = equation_1(
        classes=len(topology.classes),
        local_share=local_share,
        filters=shape.F,
        values=shape.H * shape.W,
    )
    return {"equation_bytes": equation, "sent_bytes": device_payload(topology, local_share)}


def memory(topology: Topology) -> dict[str, float]:
    """Of one device's section and classifier."""
    return {"device_bits": float(section_bits(topology, topology.devices[0]))}


def draw(figure: Figure, means: Means) -> None:
    """Bytes against T and bits against filters, published values as crosses."""
    left, right = figure.subplots(1, 2)
    for axes, setting, measured in (
        (left, TABLE, "sent_bytes"),
        (right, FIGURE, "device_bits"),
    ):
        rows = means[setting]
        found = [values[measured] for values in rows.values()]
        axes.bar(list(rows), [m.value for m in found], color=BLUE, alpha=0.85, label="ours")
        published = [m.published or 0.0 for m in found]
        axes.plot(list(rows), published, "x", color=ORANGE, label="published")
        axes.legend(frameon=False)
    left.set(title="Table II: payload, bytes", xlabel="threshold T")
    right.set(title="Figure 9: device weights, bits", xlabel="filters")


EXPERIMENT = Experiment(
    name="costs",
    about=__doc__ or "",
    settings=lambda _: [TABLE, FIGURE, MEMORY, SINGLE],
    measure=measure,
    draw=draw,
    published={
        (TABLE, t): {"equation_bytes": count, "sent_bytes": count}
        for t, (_, _, count) in TABLE_2.items()
    }
    | {
        (FIGURE, f): {"equation_bytes": count, "sent_bytes": count, "device_bits": bits}
        for f, (_, _, _, _, count, bits) in FIGURE_9.items()
    }
    | {(MEMORY, n): {"device_bits": bits} for n, bits in MEM_CSV.items()}
    | {(SINGLE, n): {"device_bits": bits} for n, bits in ONE_LAYER.items()},
    seeds=1,
)

if __name__ == "__main__":
    main(EXPERIMENT)
