"""The tables of README.md of the residual networks: early exits and the hybrid edge."""

from __future__ import annotations

from experiments.early_exit import eeoi_bits, eeoi_images, eeoi_limits
from experiments.early_exit.eeoi import LAUNCHED, OFFLINE, PER_EXIT, PIPELINED
from experiments.hybrid.hybrid import EDGE_FIRST, JOINT, TRUNK_FIRST
from experiments.table_shape import Column, Table, exits, of

EEOI_T = ("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.7", "1")
"""Of eeoi.py's thresholds, those shown."""
IMAGE_TABLES = {
    "eeoi-exits": Table(
        "eeoi-cifar10-jpeg",
        "exit",
        {
            f"{exit_}, wanted {wanted}": (OFFLINE, f"exit {exit_}")
            for exit_, wanted in (("local", 65), ("edge", 80), ("cloud", 88))
        },
        exits("accuracy"),
    ),
    "eeoi": Table(
        "eeoi-cifar10-jpeg",
        "T",
        of(LAUNCHED, (*(f"T {t}" for t in EEOI_T), PER_EXIT, PIPELINED)),
        [
            Column("accuracy", "accuracy", setting=OFFLINE),
            Column(
                "answered at device / edge / cloud, %",
                "local_share / edge_share / cloud_share",
                setting=OFFLINE,
                short=True,
                digits=0,
            ),
            Column("mean ms", "mean_ms"),
            Column("samples/s", "samples_per_s", digits=0),
            Column("payload B to edge / to cloud", "device_bytes / edge_bytes", digits=0),
        ],
    ),
    "eeoi-limits": Table(
        "eeoi-limits-cifar10-jpeg",
        "memory, processor",
        {container: (container, "") for container in eeoi_limits.PUBLISHED_MS},
        [
            Column(f"{share} % leave", "mean_ms", row=f"{share} % leave")
            for share in eeoi_limits.LEAVING
        ],
    ),
    "eeoi-bits": Table(
        "eeoi-bits-cifar10-jpeg",
        "bits, rule",
        {
            f"{bits}, {row}": (bits, row)
            for bits in eeoi_bits.BITS
            for row in (eeoi_bits.ALL, eeoi_bits.PER_EXIT, eeoi_bits.CODED)
        },
        [
            Column("accuracy", "accuracy"),
            Column("payload B, both links", "payload_bytes", digits=0),
            Column("loss, points", "loss_points", digits=2),
            Column(
                "answered at device / edge / cloud, %",
                "local_share / edge_share / cloud_share",
                short=True,
                digits=0,
            ),
            Column("equal", "equal_verdicts"),
        ],
    ),
    "eeoi-images": Table(
        "eeoi-images-cifar10-short",
        "sent",
        {
            f"{setting}, {row}": (setting, row)
            for setting in eeoi_images.SETTINGS
            for row in (eeoi_images.FILES, eeoi_images.EARLY, eeoi_bits.CODED)
        },
        [
            Column("accuracy", "accuracy"),
            Column("bytes a sample", "payload_bytes", digits=0),
            Column("loss, points", "loss_points"),
            Column("answered at the device, %", "local_share", short=True, digits=0),
            Column("equal", "equal_verdicts"),
        ],
    ),
    "hybrid": Table(
        "hybrid-cifar10-jpeg",
        "rule",
        {
            "all at the edge's exit": ("joint", "exit local"),
            "all at the cloud's exit": ("joint", "exit cloud"),
            "threshold for the published share": ("joint", "edge share 65"),
            "at most half a point below the cloud": ("joint", "half a point"),
            "the latter launched, 1,000 samples": ("joint", "launched"),
        },
        [
            Column("edge share", "local_share"),
            Column("right, overall", "accuracy"),
            Column("right at the edge", "local_answers"),
            Column("right in the cloud", "cloud_answers"),
            *(Column(f"`{x}`", f"{x}_times") for x in ("compute", "edge", "sent", "kept")),
            Column("payload B", "payload_bytes", digits=0),
            Column("equal", "equal_verdicts"),
        ],
    ),
    "hybrid-ways": Table(
        "hybrid-cifar10-few",
        "trained",
        {way: (way, "edge share 65") for way in (JOINT, EDGE_FIRST, TRUNK_FIRST)},
        [
            Column("edge's exit", "accuracy", row="exit local"),
            Column("cloud's exit", "accuracy", row="exit cloud"),
            Column("edge share", "local_share"),
            Column("right, overall", "accuracy"),
            Column("launched, equal", "equal_verdicts", row="launched"),
        ],
    ),
}
