"""The sentences of both READMEs that tell figures of the DDNN paper's experiments."""

from __future__ import annotations

from experiments.paper import figure8
from experiments.paper.image_codes import CODES
from experiments.sentence_list_headline import FIRST_WORDS
from experiments.sentence_shape import Cell, Rows, Sentence
from experiments.shared.variants import WITH_BATCHES
from experiments.table_list_objects import PAIRS as EVERY_PAIR

BY_OBJECT = Rows("baselines-epfl-by-object", "per_object")
BY_FRAME, BY_SAMPLE = Rows("baselines-epfl"), Rows("baselines-epfl-by-sample")
BASE = Rows("baselines-rendered")
EPFL, RENDERED = Rows("ablation-epfl-by-object", "per_object"), Rows("ablation-rendered")
TABLE1, PAIRS = Rows("table1-rendered", "cloud"), ("MP-MP", "AP-MP", "CC-MP")
TABLE1_OBJECTS = Rows("table1-epfl-by-object", "cloud")
TABLE2 = Rows("table2-rendered")
TABLE2_OBJECTS, TABLE2_FRAMES = Rows("table2-epfl-by-object"), Rows("table2-epfl")
FIGURE8, FIGURE9 = Rows("figure8-rendered"), Rows("figure9-rendered")
FIGURE10 = Rows("figure10-rendered", "outage_overall")
OUTAGE = {
    card: Rows(f"outage-{card}", "gained_points")
    for card in ("epfl-by-object", "epfl", "epfl-by-sample", "rendered")
}
DEPTH = Rows("depth-rendered-hard", "gained_points")
EDGES = {name: Rows("edges-rendered", name) for name in ("local", "edge", "cloud")}
CARDS = ("epfl-by-object", "rendered")
IMAGES = {card: Rows(f"image-codes-{card}", "sent_bytes") for card in CARDS}
OPTIONS = {card: Rows(f"byte-options-{card}", "payload_bytes") for card in CARDS}
LAST_STEP = "int8, skip, coded"
D, E = "d-device-edge-cloud", "e-devices-edge-cloud"
BOTH, SEVERAL = "batches + dropout + cosine", "without"


def batched(devices: str, measure: str) -> Cell:
    """Of figure 8 with batches."""
    setting = f"{devices}, {WITH_BATCHES}"
    return FIGURE8(setting, setting, measure)


def clouds(*, is_max: bool) -> list[float]:
    """The cloud's exits of table I on EPFL by object, of those that pool maps by max or not."""
    return [
        TABLE1_OBJECTS(pair, pair).value for pair in EVERY_PAIR if pair.endswith("-MP") == is_max
    ]


def of_smallest_file(card: str, step: str) -> float:
    """Payload in per cent of the shortest image file of which black ones are not sent."""
    least = min(IMAGES[card](code, code).value for code in CODES)
    return 100 * OPTIONS[card](step, step).value / least


def alone_below(devices: str) -> float:
    """Points that the best device alone lacks of the published value, with batches."""
    published = figure8.PUBLISHED[devices][0]
    return max(0.0, published - batched(devices, "individual").value)


def moving(setting: str, row: object) -> object:
    """Of the samples that move."""
    return EPFL(setting, row, "moving")


BASELINES = [
    Sentence(
        "is right for {0:.1f} %, a linear classifier on the pixels as well, 1-NN for {1:.1f} %",
        BY_FRAME("near_copy", "test"),
        BY_FRAME("nearest_pixels", "test"),
    ),
    Sentence(
        "which a look for copies solves ({0:.1f} % with nobody lost)",
        BY_FRAME("near_copy", "test"),
    ),
    Sentence(
        "(`epfl-by-sample`) is easier still: {0:.1f}, {1:.1f} and {2:.1f} %",
        *(BY_SAMPLE(name, "test") for name in ("near_copy", "linear", "nearest_pixels")),
    ),
    Sentence(
        "always the commonest class is right for {0:.1f} %: a network",
        BY_OBJECT("commonest_class", "test", "moving"),
    ),
    Sentence("a linear classifier on all pixels in one place is right for {0:.1f} %.",
             BASE("linear", "test")),
]  # fmt: skip

TABLES = [
    Sentence(
        "**Missed:** max-pooled maps, {0:.0f} to {1:.0f} against 87 to 93",
        min(TABLE1(pair, pair).value for pair in PAIRS),
        max(TABLE1(pair, pair).value for pair in PAIRS),
    ),
    Sentence(
        "maps are best joined by concat or average ({0:.0f} to {1:.0f} with max, {2:.0f} to "
        "{3:.0f} without)",
        *(pick(clouds(is_max=True)) for pick in (min, max)),
        *(pick(clouds(is_max=False)) for pick in (min, max)),
    ),
    Sentence(
        "below the cloud as published, {0:.1f} ({0.low:.1f} – {0.high:.1f}) against {1:.1f} "
        "({1.low:.1f} – {1.high:.1f})",
        TABLE2_OBJECTS("paper", "1.0"),
        TABLE2_OBJECTS("paper", "calibrated", "cloud"),
    ),
    Sentence(
        "T = 0.7 costs nothing and T = 0.9 {0:.1f} points",
        TABLE2_OBJECTS("paper", "0.1") - TABLE2_OBJECTS("paper", "0.9"),
    ),
    Sentence(
        "calibrated thresholds let {0:.0f} % leave early",
        TABLE2_OBJECTS("paper", "calibrated", "local_share"),
    ),
    Sentence(
        "`robust` answers {0:.1f} % locally at T = 0.8 there and has {1:.1f} % right, {2:.1f} and "
        "{3:.1f} % by frame",
        TABLE2_OBJECTS("robust", "0.8", "local_share"),
        TABLE2_OBJECTS("robust", "0.8"),
        TABLE2_FRAMES("robust", "0.8", "local_share"),
        TABLE2_FRAMES("robust", "0.8"),
    ),
    Sentence(
        "met from three devices on ({0:.0f} against {1:.0f})",
        FIGURE8("3", "3"),
        FIGURE8("6", "6", "individual"),
    ),
    Sentence(
        "ahead of the local exit by {0:.1f}, {1:.1f}, {2:.1f}, {3:.1f} and {4:.1f} points with one "
        "to five devices and {5:.1f} behind with all six",
        *(batched(n, "cloud") - batched(n, "local") for n in "12345"),
        batched("6", "local") - batched("6", "cloud"),
    ),
    Sentence(
        "overall, at T = 0.8, {0:.1f}, {1:.1f}, {2:.1f} and {3:.1f} % are right with three to six",
        *(batched(n, "overall") for n in "3456"),
    ),
    Sentence(
        "devices gain up to {0:.1f} points and stay {1:.0f} to {2:.0f} below the published values",
        max((batched(n, "individual") - FIGURE8(n, n, "individual")).value for n in "123456"),
        min(alone_below(n) for n in "123456"),
        max(alone_below(n) for n in "123456"),
    ),
    Sentence(
        "met with 1 and 2 ({0:.0f} and {1:.0f})",
        FIGURE9("1", "1", "cloud") - FIGURE9("1", "1", "local"),
        FIGURE9("2", "2", "cloud") - FIGURE9("2", "2", "local"),
    ),
    Sentence(
        "met in the mean by every device ({0:.1f} to {1:.1f}; single runs fall to {2:.1f}",
        min(FIGURE10(n, n, "retrained_overall").value for n in "123456"),
        max(FIGURE10(n, n, "retrained_overall").value for n in "123456"),
        min(FIGURE10(n, n, "retrained_overall").least for n in "123456"),
    ),
    Sentence(
        "A real outage costs most with device 5 ({0:.1f} at T = 0.8, missed), the others leave "
        "{1:.1f} to {2:.1f}, and calibrated thresholds {3:.1f} to {4:.1f}",
        FIGURE10("5", "5"),
        min(FIGURE10(n, n).value for n in "12346"),
        max(FIGURE10(n, n).value for n in "12346"),
        min(FIGURE10(n, n, "outage_overall_calibrated").value for n in "123456"),
        max(FIGURE10(n, n, "outage_overall_calibrated").value for n in "123456"),
    ),
]

SEEN = [
    Sentence(
        "{0:.0f} of the {1:.0f} points between `paper` and `robust` come with the number of "
        "updates; a cosine alone brings {2:.0f} more, device dropout alone {3:.0f} and both "
        "together {4:.0f}",
        EPFL("batches", 3) - EPFL("paper", 3),
        EPFL("robust", 3) - EPFL("paper", 3),
        EPFL("batches + cosine", 3) - EPFL("batches", 3),
        EPFL("batches + dropout", 3) - EPFL("batches", 3),
        EPFL(BOTH, 3) - EPFL("batches", 3),
    ),
    Sentence(
        "the cosine ({0:.0f} points with three lost, {1:.0f} with nobody lost) and device dropout "
        "({2:.0f} and {3:.0f})",
        EPFL("robust", 3) - EPFL("robust - cosine", 3),
        EPFL("robust", 0) - EPFL("robust - cosine", 0),
        EPFL("robust", 3) - EPFL("robust - dropout", 3),
        EPFL("robust", 0) - EPFL("robust - dropout", 0),
    ),
    Sentence(
        "as good with three lost ({0:.1f}, {1:.1f} and {2:.1f} for {3:.1f})",
        *(EPFL(f"robust - {part}", 3) for part in ("mixing", "augmentation", "balance")),
        EPFL("robust", 3),
    ),
    Sentence(
        "which `robust` gets right in {0:.0f} of 100 cases and the other in {1:.0f}, one object of "
        "fifteen; of the samples that move they have {2:.1f} and {3:.1f} %",
        EPFL("robust", 0, "still"),
        EPFL(BOTH, 0, "still"),
        moving("robust", 0),
        moving(BOTH, 0),
    ),
    Sentence(
        "updates alone gain {0:.1f} points ({0.low:.1f} to {0.high:.1f}), a cosine {1:.1f} more "
        "({1.low:.1f} to {1.high:.1f}) and device dropout {2:.1f} ({2.low:.1f} to {2.high:.1f}); "
        "`robust` has {3:.1f} over `batches` ({3.low:.1f} to {3.high:.1f}) and the two together "
        "{4:.1f} over `robust` ({4.low:.1f} to {4.high:.1f})",
        RENDERED("batches", 3) - RENDERED("paper", 3),
        RENDERED("batches + cosine", 3) - RENDERED("batches", 3),
        RENDERED("batches + dropout", 3) - RENDERED("batches", 3),
        RENDERED("robust", 3) - RENDERED("batches", 3),
        RENDERED(BOTH, 3) - RENDERED("robust", 3),
    ),
    Sentence(
        "Left out of `robust`, augmentation gains {0:.1f} ({0.low:.1f} to {0.high:.1f}) and mixing "
        "and balance nothing; dropout costs {1:.1f} ({1.low:.1f} to {1.high:.1f}) and the cosine "
        "{2:.1f} ({2.low:.1f} to {2.high:.1f}). Augmentation alone costs `batches` {3:.1f} "
        "({3.low:.1f} to {3.high:.1f})",
        RENDERED("robust - augmentation", 3) - RENDERED("robust", 3),
        RENDERED("robust", 3) - RENDERED("robust - dropout", 3),
        RENDERED("robust", 3) - RENDERED("robust - cosine", 3),
        RENDERED("batches", 3) - RENDERED("batches + augmentation", 3),
    ),
    Sentence(
        "With nobody lost `robust` and `batches` are level ({0:.1f} and {1:.1f})",
        RENDERED("robust", 0),
        RENDERED("batches", 0),
    ),
    Sentence(
        "With five lost `batches + dropout + cosine` has {0:.1f} points more than `robust` "
        "({0.low:.1f} to {0.high:.1f}), and `robust` without weights for rare classes {1:.1f} "
        "({1.low:.1f} to {1.high:.1f})",
        RENDERED(BOTH, 5) - RENDERED("robust", 5),
        RENDERED("robust - balance", 5) - RENDERED("robust", 5),
    ),
]

OUTAGES = [
    Sentence(
        "**{0:.1f} points ({0.low:.1f} to {0.high:.1f}, over objects) at three lost, met.**",
        OUTAGE["epfl-by-object"]("both", 3),
    ),
    Sentence(
        "By frame the gain at three lost is {0:.1f} points ({0.low:.1f} to {0.high:.1f}), at "
        "random {1:.1f}",
        OUTAGE["epfl"]("both", 3),
        OUTAGE["epfl-by-sample"]("both", 3),
    ),
    Sentence(
        "from seed to seed ({0.least:.0f} to {0.most:.0f} %), `robust` does not "
        "({1.least:.1f} to {1.most:.1f} %)",
        OUTAGE["epfl-by-sample"]("both", 3, "paper"),
        OUTAGE["epfl-by-sample"]("both", 3, "robust"),
    ),
    Sentence(
        "**{0:.1f} points ({0.low:.1f} to {0.high:.1f}) over the paper's own rule, T = 0.8, and "
        "{1:.1f} ({1.low:.1f} to {1.high:.1f}) over the same network",
        OUTAGE["rendered"]("both", 3, "gained_over_rule_points"),
        OUTAGE["rendered"]("both", 3),
    ),
    Sentence(
        "Ten points more than the calibrated network's {0:.1f} would be {1:.1f} under the limit of "
        "sight",
        OUTAGE["rendered"]("both", 3, "paper"),
        OUTAGE["rendered"]("both", 3, "sight_limit").value
        - OUTAGE["rendered"]("both", 3, "paper").value
        - 10,
    ),
    Sentence(
        "since the cloud that pools maps of signs by max is right for {0:.0f} %",
        Rows("aggregators-rendered")("max", 0, "cloud"),
    ),
    Sentence(
        "accuracy falls by {0:.0f} and {1:.0f} points in (e) and (f)",
        EDGES["local"](E, E) - EDGES["edge"](E, E),
        EDGES["edge"](E, E) - EDGES["cloud"](E, E),
    ),
    Sentence(
        "**the cloud has {0:.1f} points over the local exit** ({0.low:.1f} to {0.high:.1f}; "
        "n = 700, three seeds, wanted: 3), and both exits together {1:.1f} %",
        DEPTH("4 filters", "4 filters"),
        DEPTH("4 filters", "4 filters", "overall"),
    ),
    Sentence(
        "it is {0:.1f} points behind ({1.low:.1f} to {1.high:.1f}, three seeds)",
        -DEPTH("8 filters", "8 filters"),
        DEPTH("8 filters", "8 filters"),
    ),
    Sentence(
        "A linear classifier that has all pixels in one place is right for {0:.1f} %",
        DEPTH("simple answers", "linear", "overall"),
    ),
    Sentence(
        "({0:.0f} and {1:.0f} bytes a device and sample on EPFL by object and rendered, table "
        "above) is {2:.0f} and {3:.0f} % of the smallest file's where black views are not sent, "
        "and {4:.0f} and {5:.0f} % with all steps of that table",
        *(OPTIONS[card]("as shipped", "as shipped") for card in OPTIONS),
        *(of_smallest_file(card, step) for step in ("as shipped", LAST_STEP) for card in OPTIONS),
    ),
    Sentence(
        "{0:.1f} bytes, but {1:.1f} points behind the cloud's exit in the mean ({1.low:.1f} to "
        "{1.high:.1f})",
        OPTIONS["epfl-by-object"](LAST_STEP, LAST_STEP),
        OPTIONS["epfl-by-object"](LAST_STEP, LAST_STEP, "behind_points"),
    ),
]

FIRST = [*BASELINES, *TABLES, *SEEN, *OUTAGES]
MAIN = [
    *FIRST_WORDS,
    Sentence(
        "With nobody lost, a linear classifier on the pixels of all cameras in one place is right "
        "for {0:.1f} ({0.low:.0f} to {0.high:.0f}) and {1:.1f} %, and always the commonest class "
        "for {2:.1f} and {3:.1f} %",
        BY_OBJECT("linear", "test"),
        BASE("linear", "test"),
        BY_OBJECT("commonest_class", "test"),
        BASE("commonest_class", "test"),
    ),
    Sentence(
        "looking for a copy among the training views is right for {0:.1f} %",
        BY_FRAME("near_copy", "test"),
    ),
    Sentence(
        "no method can exceed {0:.1f} % with three devices lost",
        OUTAGE["epfl"]("both", 3, "sight_limit"),
    ),
]
