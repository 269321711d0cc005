"""Tables of README.md about lost devices and what is done against them."""

from __future__ import annotations

from collections.abc import Iterable

from experiments.paper import ablation, failure_ways
from experiments.paper import headroom as ways
from experiments.table_shape import Column, Table, of

LOST = tuple("012345")
SURVIVAL = f"survival {ablation.SURVIVAL}"


CARDS = {"EPFL by object": ("epfl-by-object", "per_object"), "rendered": ("rendered", "overall")}
"""Of both, and which samples weigh how much there."""


def by_loss(measure: str) -> list[Column]:
    """By devices lost, and expected."""
    lost = {
        "nobody lost": "0",
        "1 lost": "1",
        "3 lost": "3",
        "5 lost": "5",
        "survival 0.9": SURVIVAL,
    }
    return [Column(heading, measure, row=row) for heading, row in lost.items()]


def coded(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Rows of these settings, labelled as code, of columns that name their own row."""
    return {f"`{name}`": (name, "0") for name in names}


def headline() -> Table:
    """What the preset that ships gains, on both cards."""
    rows = {
        "`paper`: 100 updates": ("paper", "0"),
        "`paper`, as many updates as `robust`": ("batches", "0"),
        "the same with device dropout": ("batches + dropout", "0"),
        "the same with device dropout and a cosine": ("batches + dropout + cosine", "0"),
        "`robust`": ("robust", "0"),
    }
    columns = [
        column
        for name, (card, measure) in CARDS.items()
        for column in (
            Column(f"{name}: nobody lost", measure, f"headline-{card}", row="0"),
            Column("1 lost", measure, f"headline-{card}", row="1", short=True),
            Column("3 lost", measure, f"headline-{card}", row="3"),
            Column("seeds", measure, f"headline-{card}", row="3", is_count=True),
        )
    ]
    return Table("headline-epfl-by-object", "training", rows, columns)


def headroom() -> Table:
    """What could be had with devices lost, on both cards."""
    rows = {
        "`robust`, by its rules": (ways.RULES, "0"),
        "both exits together": (ways.EXITS, "0"),
        "both exits of three networks": (ways.MORE, "0"),
        "limit of sight": (ways.LIMIT, "0"),
    }
    columns = [
        column
        for name, (card, _) in CARDS.items()
        for column in (
            Column(f"{name}: to choose by, 3 lost", "chosen", f"headroom-{card}", row="3"),
            Column("test, nobody lost", "right", f"headroom-{card}", row="0", short=True),
            Column("3 lost", "right", f"headroom-{card}", row="3"),
            Column("5 lost", "right", f"headroom-{card}", row="5", short=True),
            Column("survival 0.9", "right", f"headroom-{card}", row=SURVIVAL, short=True),
        )
    ]
    seeds = Column("seeds", "right", is_count=True)
    return Table("headroom-epfl-by-object", "answers", rows, [*columns, seeds])


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
    return Table(
        results,
        "training",
        coded(ablation.SETTINGS),
        [
            *by_loss(measure),
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
    return Table(
        results,
        "training",
        coded(failure_ways.WAYS),
        [
            *by_loss(measure),
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
    rows = coded(failure_ways.WAYS)
    return Table("failure-choice-epfl-by-object", "training", rows, columns)
