"""Tables of README.md about lost devices and what is done against them."""

from __future__ import annotations

from experiments.paper import ablation, failure_ways
from experiments.table_shape import Column, Table, of

LOST = tuple("012345")


def outage(results: str) -> Table:
    """Both presets' curves on one card."""
    short = {
        "`paper`": "paper", "`paper`, T = 0.8": "paper_rule", "`paper`, cloud": "paper_cloud",
        "`robust`": "robust", "`robust`, cloud": "robust_cloud", "gained": "gained_points",
        "over T = 0.8": "gained_over_rule_points", "in the cloud": "gained_cloud_points",
        "limit of sight": "sight_limit",
    }  # fmt: skip
    columns = [
        Column(heading, measure, short=not measure.startswith("gained"))
        for heading, measure in short.items()
    ]
    return Table(results, "lost", of("both", LOST), columns)


def gains(results: str, measure: str) -> Table:
    """Each part of `robust` on one card, by devices lost. measure: of which samples."""
    lost = {"nobody lost": "0", "1 lost": "1", "3 lost": "3", "5 lost": "5"}
    return Table(
        results,
        "training",
        {f"`{setting}`": (setting, "0") for setting in ablation.SETTINGS},
        [
            *(Column(heading, measure, row=row) for heading, row in lost.items()),
            Column("survival 0.9", measure, row=f"survival {ablation.SURVIVAL}"),
            *(
                [
                    Column("of samples that move, nobody lost", "moving", short=True),
                    Column("3 lost", "moving", row="3", short=True),
                    Column("parked car, nobody lost", "still", short=True),
                ]
                if measure == "per_object"
                else []
            ),
            Column("seeds", measure, is_count=True),
        ],
    )


def knowing(results: str, measure: str) -> Table:
    """Trainings that know of failures, on one card. measure: of which samples."""
    lost = {"nobody lost": "0", "1 lost": "1", "3 lost": "3", "5 lost": "5"}
    return Table(
        results,
        "training",
        {f"`{setting}`": (setting, "0") for setting in failure_ways.WAYS},
        [
            *(Column(heading, measure, row=row) for heading, row in lost.items()),
            Column("survival 0.9", measure, row=f"survival {ablation.SURVIVAL}"),
            Column("over one threshold for all losses, points: 3 lost", "rule_points", row="3"),
            Column("5 lost", "rule_points", row="5"),
            Column("unseen samples, nobody lost", "right", row="unseen 0", short=True),
            Column("3 lost", "right", row="unseen 3", short=True),
            Column("seeds", measure, is_count=True),
        ],
    )


def choice() -> Table:
    """Ways to train for failures, on samples to choose by."""
    columns = [
        column
        for name, card in (("EPFL", "epfl-by-object"), ("rendered", "rendered"))
        for column in (
            Column(f"{name}: nobody lost", "right", f"failure-choice-{card}", row="0"),
            Column("1 lost", "right", f"failure-choice-{card}", row="1", short=True),
            Column("3 lost", "right", f"failure-choice-{card}", row="3"),
            Column("5 lost", "right", f"failure-choice-{card}", row="5", short=True),
            Column("seeds", "right", f"failure-choice-{card}", row="0", is_count=True),
        )
    ]
    ways = {f"`{way}`": (way, "0") for way in failure_ways.WAYS}
    return Table("failure-choice-epfl-by-object", "training", ways, columns)
