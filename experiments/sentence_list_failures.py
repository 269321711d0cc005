"""Sentences of experiments/README.md about trainings that know of failures, and about defaults."""

from __future__ import annotations

from experiments.defaults.defaults import SETS
from experiments.sentence_shape import Cell, Rows, Sentence

CHOICE = Rows("failure-choice-epfl-by-object", "right")
CHOICE_RENDERED = Rows("failure-choice-rendered", "right")
KNOWING = Rows("failure-training-epfl-by-object", "per_object")
KNOWING_RENDERED = Rows("failure-training-rendered")
TRIED, CHOSEN = Rows("defaults", "whole"), Rows("chosen", "whole")
WEIGHTS = Rows("class-weights", "whole")
PLAIN, KNOWS = "robust", "robust, views as they are"


PRIOR = "robust, prior where lost"


def chosen(rows: Rows, lost: int) -> Cell:
    """What the prior gains on samples to choose by, points."""
    return rows(PRIOR, lost) - rows(PLAIN, lost)


LOSSES = [
    Sentence(
        "With three lost, `prior where lost` was {0:.1f} points ahead on EPFL (in {0.ahead:d} of "
        "{0.seeds:d} seeds) and {1:.1f} on rendered views, with five lost {2:.1f} and {3:.1f}",
        *(chosen(rows, lost) for lost in (3, 5) for rows in (CHOICE, CHOICE_RENDERED)),
    ),
    Sentence(
        "On the test objects `prior where lost` has {0:.1f} points with three lost ({0.low:.1f} to "
        "{0.high:.1f}, paired by seed) and {1:.1f} with five ({1.low:.1f} to {1.high:.1f})",
        KNOWING(PRIOR, 3) - KNOWING(PLAIN, 3),
        KNOWING(PRIOR, 5) - KNOWING(PLAIN, 5),
    ),
    Sentence(
        "`views as they are` has {0:.1f} points less with three lost ({1.low:.1f} to {1.high:.1f}) "
        "and {2:.1f} more with nobody lost ({2.low:.1f} to {2.high:.1f})",
        KNOWING(PLAIN, 3) - KNOWING(KNOWS, 3),
        KNOWING(KNOWS, 3) - KNOWING(PLAIN, 3),
        KNOWING(KNOWS, 0) - KNOWING(PLAIN, 0),
    ),
    Sentence(
        "was ahead by {0:.1f} and {1:.1f} with three lost and `distilled` by {2:.1f} and {3:.1f} "
        "({4:.1f} and {5:.1f} with nobody lost)",
        *(
            rows(way, lost) - rows(PLAIN, lost)
            for way, lost in (
                ("robust, not balanced", 3),
                ("robust, distilled", 3),
                ("robust, distilled", 0),
            )
            for rows in (CHOICE, CHOICE_RENDERED)
        ),
    ),
    Sentence(
        "has {0:.1f} points more with three lost on EPFL ({0.low:.1f} to {0.high:.1f}) and {1:.1f} "
        "on rendered views ({1.low:.1f} to {1.high:.1f}), where it has {2:.1f} less with nobody "
        "lost ({3.low:.1f} to {3.high:.1f})",
        KNOWING("robust, distilled", 3) - KNOWING(PLAIN, 3),
        KNOWING_RENDERED("robust, distilled", 3) - KNOWING_RENDERED(PLAIN, 3),
        KNOWING_RENDERED(PLAIN, 0) - KNOWING_RENDERED("robust, distilled", 0),
        KNOWING_RENDERED("robust, distilled", 0) - KNOWING_RENDERED(PLAIN, 0),
    ),
    Sentence(
        "gains `robust` {0:.1f} points with three lost ({0.low:.1f} to {0.high:.1f}) and **{1:.1f} "
        "with five** ({1.low:.1f} to {1.high:.1f}; {1.least:.1f} to {1.most:.1f} in all five "
        "seeds)",
        KNOWING(PLAIN, 3, "rule_points"),
        KNOWING(PLAIN, 5, "rule_points"),
    ),
    Sentence(
        "`prior where lost` has {0:.1f} points more with three lost ({0.low:.1f} to {0.high:.1f}) "
        "and {1:.1f} with five ({1.low:.1f} to {1.high:.1f})",
        KNOWING_RENDERED(PRIOR, 3) - KNOWING_RENDERED(PLAIN, 3),
        KNOWING_RENDERED(PRIOR, 5) - KNOWING_RENDERED(PLAIN, 5),
    ),
    Sentence(
        "A threshold for each number of losses gains `robust` {0:.1f} points with three lost "
        "({0.low:.1f} to {0.high:.1f}) and {1:.1f} with five ({1.low:.1f} to {1.high:.1f})",
        KNOWING_RENDERED(PLAIN, 3, "rule_points"),
        KNOWING_RENDERED(PLAIN, 5, "rule_points"),
    ),
    Sentence(
        "is ahead by {0:.1f} points with three lost ({0.low:.1f} to {0.high:.1f}) and {1:.1f} with "
        "nobody lost ({1.low:.1f} to {1.high:.1f}); {2:.1f} at survival 0.9 ({2.low:.1f} to "
        "{2.high:.1f})",
        *(
            KNOWING_RENDERED(KNOWS, row) - KNOWING_RENDERED(PLAIN, row)
            for row in (3, 0, "survival 0.9")
        ),
    ),
]


OLD, NOW, WIDE = "augmented and mixed", "views as they are", "16 filters, 32 bits"
EVEN = "no class weights"


def over_sets(one: str, other: str, measure: str, rows: Rows = TRIED) -> list[float]:
    """What one setting gains over the other on each of the seven sets, points, of both's seeds."""
    return [(rows(one, name, measure) - rows(other, name, measure)).value for name in SETS]


def told(one: str, other: str, measure: str, rows: Rows = TRIED) -> tuple[int, float, float]:
    """On how many sets it is ahead, and the least and most that it gains."""
    gains = over_sets(one, other, measure, rows)
    return sum(gain > 0 for gain in gains), min(gains), max(gains)


def times(measure: str) -> list[float]:
    """The wide devices' in parts of the narrow ones', by set."""
    both = ([CHOSEN(setting, name, measure).value for name in SETS] for setting in (WIDE, NOW))
    return [wide / narrow for wide, narrow in zip(*both, strict=True)]


def lighter(name: str) -> float:
    """How many times less weight memory devices of 16 filters take with 1 bit than with 32."""
    wide, few = (TRIED(setting, name, "device_bits").value for setting in (WIDE, "16 filters"))
    return wide / few


def without_weights(measure: str) -> Cell:
    """Points gained without weights for rare classes, a value a set."""
    gains = over_sets(EVEN, NOW, measure, WEIGHTS)
    return Cell(dict(zip(SETS, gains, strict=True)))


DEFAULTS = [
    Sentence(
        "without them {0:.1f} points more are right with nobody lost ({0.low:.1f} to {0.high:.1f}, "
        "over the sets) and {1:.1f} with half of the devices lost ({1.low:.1f} to {1.high:.1f})",
        without_weights("whole"),
        without_weights("half_lost"),
    ),
    Sentence(
        "at a {0:.0f}nd of the memory, are {1:.1f} to {2:.1f} points behind with nobody lost",
        sum(lighter(name) for name in SETS) / len(SETS),
        *told(WIDE, "16 filters", "whole")[1:],
    ),
    Sentence(
        "(`all over`) are ahead of that on {0:d} sets and behind on {1:d}",
        told("16 filters, 32 bits all over", WIDE, "whole")[0],
        told(WIDE, "16 filters, 32 bits all over", "whole")[0],
    ),
    Sentence(
        "the payload is {0:.1f} to {1:.1f} times that of the narrow devices",
        min(times("payload_bytes")),
        max(times("payload_bytes")),
    ),
    Sentence(
        "ahead of views as they are on {0:d} of 7 sets with nobody lost ({1:.1f} to {2:.1f} "
        "points) and on {3:d} with half of the devices lost ({4:.1f} to {5:.1f})",
        *told(WIDE, NOW, "whole"),
        *told(WIDE, NOW, "half_lost"),
    ),
    Sentence(
        "one seed): ahead on {0:d} sets with nobody lost ({1:.1f} to {2:.1f} points) and on {3:d} "
        "with half of the devices lost ({4:.1f} to {5:.1f})",
        *told(WIDE, NOW, "whole", CHOSEN),
        *told(WIDE, NOW, "half_lost", CHOSEN),
    ),
    Sentence(
        "with nobody lost, views as they are have up to {0:.1f} points more, and {1:.1f} in the "
        "worst case; with half of the devices lost they are ahead on {2:d} sets, and {3:.1f} "
        "points in the worst case",
        max(over_sets(NOW, OLD, "whole")),
        min(over_sets(NOW, OLD, "whole")),
        *told(NOW, OLD, "half_lost")[:2],
    ),
]
