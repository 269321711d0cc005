"""The tables of README.md: which rows and columns of which means file each shows."""

from __future__ import annotations

from ddnn.topology import AGGREGATORS
from experiments.paper import (
    baselines,
    calibration,
    depth,
    image_codes,
    max_clouds,
    tiles,
)
from experiments.paper.byte_options import STEPS
from experiments.paper.failures import SURVIVALS
from experiments.shared.variants import WITH_BATCHES, each_way
from experiments.table_list_failures import (
    LOST,
    choice,
    gains,
    headline,
    headroom,
    knowing,
    outage,
)
from experiments.table_list_images import IMAGE_TABLES
from experiments.table_list_objects import OBJECT_TABLES, PAIRS, THRESHOLDS
from experiments.table_shape import Column, Table, exits, of, same

WITH_FRAME = {
    "epfl-by-object": "EPFL by object",
    "rendered": "rendered",
    "epfl": "EPFL by frame",
}
"""Cards by file name; the old split is last."""
SENSORS_LOST = (
    "none", "wrist", "ankle", "microphone", "pressure", "wrist and ankle", "wrist and pressure",
    "ankle and pressure", "wrist and ankle and microphone", "wrist and ankle and pressure",
)  # fmt: skip


def early_exits() -> Table:
    """What rules for early exits gain on the last exit, on all sets."""
    rules = (calibration.FORMER, calibration.CAREFUL)
    rows = {
        f"{count} samples, {rule}": (count, rule) for count in calibration.COUNTS for rule in rules
    }
    measures = " / ".join(("gain_points", "lost_points", "half_points"))
    columns = [
        Column(card, measures, f"calibration-{card}", short=True) for card in calibration.SETS
    ]
    seeds = Column("seeds", "gain_points", is_count=True)
    return Table("calibration-digits", "thresholds chosen on, rule", rows, [*columns, seeds])


TABLES = (
    {
        "headline": headline(),
        "headroom": headroom(),
        "calibration": early_exits(),
        "failure-choice": choice(),
        "failure-training": knowing("failure-training-epfl-by-object", "per_object"),
        "failure-training-rendered": knowing("failure-training-rendered", "overall"),
        "depth": Table(
            "depth-rendered-hard",
            "answer",
            {
                **{f"six cameras, {name}": (name, name) for name in depth.FILTERS},
                "the commonest class": (depth.SIMPLE, "commonest_class"),
                "1-NN on pixels": (depth.SIMPLE, "nearest_pixels"),
                "linear classifier on pixels": (depth.SIMPLE, "linear"),
            },
            [
                *exits("local", "cloud", "overall"),
                Column("cloud over local, points", "gained_points"),
                Column("answered locally", "local_share", short=True),
                Column("seeds", "overall", is_count=True),
            ],
        ),
        "baselines": Table(
            "baselines-epfl-by-object",
            "answer",
            {text: (name, baselines.ROW) for name, text in baselines.SETTINGS.items()},
            [
                Column("EPFL by object: each object alike", "per_object"),
                Column("samples that move", "moving"),
                Column("the parked car", "still", short=True),
                Column("EPFL by frame: what moves", "moving", "baselines-epfl"),
                Column("parked cars", "still", "baselines-epfl", short=True),
                Column("all", "overall", "baselines-epfl"),
                Column("rendered", "overall", "baselines-rendered"),
            ],
        ),
        "ablation-epfl-by-object": gains("ablation-epfl-by-object", "per_object"),
        "ablation-rendered": gains("ablation-rendered", "overall"),
        "ablation-epfl": gains("ablation-epfl", "overall"),
        "table1": Table("table1-rendered", "pair", same(PAIRS), exits("local", "cloud")),
        "max-clouds": Table(
            "max-clouds-rendered",
            "MP-MP",
            {
                f"{setting}, {row} statistics": (setting, row)
                for setting in max_clouds.SETTINGS
                for row in (max_clouds.RUNNING, max_clouds.ESTIMATED)
            },
            [*exits("local", "cloud"), Column("seeds", "cloud", is_count=True)],
        ),
        "table2": Table(
            "table2-rendered",
            "T",
            of("paper", THRESHOLDS),
            [*exits("local_share", "overall"), Column("bytes", "payload_bytes")],
        ),
        "figure8": Table(
            "figure8-rendered",
            "devices",
            same(each_way("123456")),
            [
                Column("alone", "individual"),
                *exits("local", "cloud"),
                Column("overall, T = 0.8", "overall"),
                Column("calibrated", "overall_calibrated"),
            ],
        ),
        "figure9": Table(
            "figure9-rendered",
            "filters",
            same(each_way("1248")),
            [
                *exits("local", "cloud", "overall", "local_share"),
                Column("bytes", "payload_bytes"),
                Column("device, bits", "device_bits", digits=0),
            ],
        ),
        "figure10": Table(
            "figure10-rendered",
            "device lost",
            same("123456"),
            [
                Column("retrained with five: local", "retrained_local"),
                Column("cloud", "retrained_cloud"),
                Column("overall, T = 0.8", "retrained_overall"),
                Column("real outage: local", "outage_local"),
                Column("cloud", "outage_cloud"),
                Column("overall, T = 0.8", "outage_overall"),
                Column("calibrated", "outage_overall_calibrated"),
            ],
        ),
        "failures": Table(
            "failures-rendered",
            "preset, lost",
            {
                f"`{preset}`, {row}": (preset, row)
                for preset in ("paper", "robust")
                for row in (
                    *(f"{count} lost" for count in LOST[1:]),
                    *(f"survival {chance}" for chance in SURVIVALS),
                )
            },
            [*exits("local", "cloud", "overall"), Column("worst", "overall_worst")],
        ),
        "outage-rendered": outage("outage-rendered"),
        "aggregators": Table(
            "aggregators-rendered",
            "lost",
            of("max", LOST),
            [
                Column(f"{name}: {measure}", f"overall{suffix}", setting=name, short=bool(suffix))
                for name in AGGREGATORS
                for measure, suffix in (("mean", ""), ("worst", "_worst"))
            ],
        ),
        "launched": Table(
            "launched-rendered",
            "killed",
            {},
            [
                *exits("launched", "offline", "equal_verdicts"),
                Column("payload", "payload_bytes"),
                Column("equation", "equation_bytes"),
            ],
        ),
        "edges": Table(
            "edges-rendered",
            "figure 2",
            {
                label + way: (name + way,) * 2
                for way in ("", f", {WITH_BATCHES}")
                for label, name in (
                    ("(d), camera 5 alone", "d-device-edge-cloud"),
                    ("(e)", "e-devices-edge-cloud"),
                    ("(f)", "f-edges-cloud"),
                )
            },
            [
                *exits("local", "edge", "cloud", "overall", "local_share", "edge_share"),
                Column("bytes", "payload_bytes"),
                Column("edge → cloud", "edge_to_cloud_bytes"),
                Column("equal", "equal_verdicts"),
            ],
        ),
        "byte-options": Table(
            "byte-options-epfl-by-object",
            "step",
            {text: (name, name) for name, text in STEPS.items()},
            [
                column
                for card, name in WITH_FRAME.items()
                for column in (
                    Column(f"{name}: bytes", "payload_bytes", f"byte-options-{card}"),
                    Column("overall", "overall", f"byte-options-{card}", short=True),
                    Column("cloud", "all_cloud", f"byte-options-{card}", short=True),
                    Column(
                        "seeds that meet, %", "meets", f"byte-options-{card}", short=True, digits=0
                    ),
                )
            ],
        ),
        "image-codes": Table(
            "image-codes-epfl-by-object",
            "code",
            same((image_codes.RAW, *image_codes.CODES)),
            [
                column
                for card, name in WITH_FRAME.items()
                for column in (
                    Column(
                        f"{name}: bytes", "view_bytes", f"image-codes-{card}", short=True, digits=0
                    ),
                    Column("none black", "sent_bytes", f"image-codes-{card}", short=True, digits=0),
                    Column("cloud", "all_cloud", f"image-codes-{card}"),
                )
            ],
        ),
        "tiles": Table(
            "tiles-digits-tiles",
            "tiles",
            of("plain", tiles.PUBLISHED),
            [
                Column(f"{name}: {label}", "cloud", f"tiles-{card}", setting=setting)
                for name, card in (("MNIST", "mnist-tiles"), ("digits", "digits-tiles"))
                for label, setting in (
                    ("plain", "plain"),
                    ("devices dropped in training", "dropout"),
                )
            ],
        ),
        "sensors-lost-watch": Table(
            "sensors-lost-watch",
            "bits of the devices",
            {"1": ("1 bit", "none"), "32": ("32 bits", "none")},
            [
                Column("none lost", "overall"),
                Column("without the accelerometer", "overall", row="accelerometer"),
                Column("without the gyroscope", "overall", row="gyroscope"),
            ],
        ),
        "sensors-lost": Table(
            "sensors-lost-sensors",
            "lost",
            of("1 bit", SENSORS_LOST),
            [
                Column("1 bit: local exit", "local"),
                Column("cloud exit", "cloud"),
                Column("overall", "overall"),
                Column("32 bits: overall", "overall", setting="32 bits"),
            ],
        ),
    }
    | IMAGE_TABLES
    | OBJECT_TABLES
)
