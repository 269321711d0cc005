"""From the shipped system to at most 12 payload bytes a device and sample: what each step gains.

    python experiments/byte_options.py --data epfl --seeds 3
    python experiments/byte_steps.py --data epfl

Reads what byte_options.py measured (the first command) and puts its variants in a row, each with
one thing more. Overall accuracy may lie half a point below that of the cloud's exit answering all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from pictures import bars
from rows import read_csv
from study import FOLDER, Experiment, Means, Rows, Study, main

from ddnn.errors import ConfigError

STEPS = {
    "raw views": "raw views",
    "as shipped": "1-bit maps, early exit",
    "scores int8": "scores as int8",
    "int8, skip": "silent on black views",
    "int8, skip, coded": "maps entropy-coded",
    "int8, skip, coded, 3 bytes": "thresholds for 3 bytes",
}
"""By variant of byte_options.py: what it adds."""
TARGET_BYTES, TARGET_POINTS = 12.0, 0.5


def measure(study: Study, variant: str, seed: int) -> Rows:
    """What was measured of this variant, beside the step before."""
    before = list(STEPS)[max(0, list(STEPS).index(variant) - 1)]
    here, earlier = (line_of(study, name, seed) for name in (variant, before))
    payload = float(here["payload"])
    overall, cloud = float(here["overall"]), float(here["all_cloud"])
    meets = payload <= TARGET_BYTES and cloud - overall <= TARGET_POINTS
    return {
        STEPS[variant]: {
            "payload_bytes": payload,
            "bytes_saved": float(earlier["payload"]) - payload,
            "overall": overall,
            "all_cloud": cloud,
            "behind_points": cloud - overall,
            "meets": 100.0 * meets,
        }
    }


def line_of(study: Study, variant: str, seed: int) -> dict[str, str]:
    """The line of byte_options.py's CSV. Raises ConfigError where it is not there."""
    card = "rendered" if study.is_smoke else Path(study.card).stem
    path = study.options.measured or FOLDER / "results" / f"byte-options-{card}.csv"
    if not path.exists():
        raise ConfigError(f"{path}: no such file, want that of byte_options.py --data {card}")
    for line in read_csv(path):
        if (line["variant"], line["seed"]) == (variant, str(seed)):
            return line
    raise ConfigError(f"{path}: no {variant!r} of seed {seed}, want byte_options.py --seeds {seed}")


def draw(figure: Figure, means: Means) -> None:
    axes = figure.subplots()
    rows = {row: values for found in means.values() for row, values in found.items()}
    smaller = {row: values for row, values in rows.items() if row != "raw views"}
    bars(axes, smaller, ("payload_bytes",))
    axes.axhline(TARGET_BYTES, color="black", lw=1, ls=":")
    for place, values in enumerate(smaller.values()):
        high = values["payload_bytes"].high or values["payload_bytes"].value
        text = f"{values['overall'].value:.1f} %"
        axes.annotate(text, (place, high), (0, 3), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(smaller)), [row.replace(" ", "\n", 1) for row in smaller])
    axes.set(title="Payload, bytes a device and sample; overall accuracy above", ylim=(0, None))


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--measured", type=Path, metavar="CSV", help="of byte_options.py")


EXPERIMENT = Experiment(
    name="byte-steps",
    about=__doc__ or "",
    settings=lambda _: list(STEPS),
    measure=measure,
    draw=draw,
    published={},
    preset="robust",
    options=options,
)

if __name__ == "__main__":
    main(EXPERIMENT)
