"""Tables of README.md on EPFL split by object; what the split by frame gives stands beside."""

from __future__ import annotations

from experiments.table_list_failures import LOST
from experiments.table_shape import Column, Table, exits, of, same

PAIRS = tuple(f"{local}-{cloud}" for local in ("MP", "AP", "CC") for cloud in ("MP", "CC", "AP"))
THRESHOLDS = ("0.1", "0.3", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0", "calibrated")
CARD, FRAME, SAMPLE = "epfl-by-object", "epfl", "epfl-by-sample"


def beside(heading: str, measure: str, script: str, card: str = FRAME) -> Column:
    """A mean of another split."""
    return Column(heading, measure, f"{script}-{card}", short=True)


OBJECT_TABLES = {
    "table1-epfl-by-object": Table(
        f"table1-{CARD}",
        "pair",
        same(PAIRS),
        [
            *exits("local", "cloud"),
            beside("by frame: local", "local", "table1"),
            beside("cloud", "cloud", "table1"),
        ],
    ),
    "table2-epfl-by-object": Table(
        f"table2-{CARD}",
        "T",
        of("paper", THRESHOLDS),
        [
            *exits("local_share", "overall"),
            Column("bytes", "payload_bytes"),
            beside("by frame: local share", "local_share", "table2"),
            beside("overall", "overall", "table2"),
        ],
    ),
    "outage-epfl-by-object": Table(
        f"outage-{CARD}",
        "lost",
        of("both", LOST),
        [
            Column("`paper`", "paper", short=True),
            Column("`paper`, T = 0.8", "paper_rule", short=True),
            Column("`robust`", "robust", short=True),
            Column("gained", "gained_points"),
            Column("over T = 0.8", "gained_over_rule_points"),
            Column("limit of sight", "sight_limit", short=True),
            *(
                column
                for name, card in (("by frame", FRAME), ("by sample", SAMPLE))
                for column in (
                    beside(f"{name}: `paper`", "paper", "outage", card),
                    beside("`robust`", "robust", "outage", card),
                )
            ),
        ],
    ),
}
