"""The other sentences of experiments/README.md that tell figures, and figures that no row tells."""

from __future__ import annotations

from experiments.sentence_list_failures import DEFAULTS, LOSSES
from experiments.sentence_list_headline import OURS
from experiments.sentence_shape import Cell, Rows, Sentence

CLOUDS = Rows("max-clouds-rendered", "cloud")
IMAGES, WHOLE = Rows("eeoi-images-cifar10-short", "payload_bytes"), "all offloaded"
EARLY = "early, else a file"
BITS = Rows("eeoi-bits-cifar10-jpeg", "payload_bytes")
CODED = ("2 and 4", "per exit, coded")
EEOI = Rows("eeoi-cifar10-jpeg", "accuracy")
LIMITS = Rows("eeoi-limits-cifar10-jpeg", "mean_ms")
HYBRID = Rows("hybrid-cifar10-jpeg", "accuracy")
SPACE = Rows("hybrid-space-cifar10-few", "accuracy")
SENSORS, WATCH = Rows("sensors-lost-sensors"), Rows("sensors-lost-watch")
POINT = IMAGES("WebP 75, one point", EARLY)
TILES = Rows("tiles-mnist-tiles", "cloud")
FIGURE9, ALONE = Rows("figure9-rendered"), Rows("figure8-rendered", "individual")
BLACK = Rows("image-codes-rendered", "view_bytes")
EPFL = Rows("ablation-epfl-by-object", "per_object")
EVERY_N = ("10", "17", "21", "26")
DEVICES = ("1", "2", "3", "4", "5", "6")


def loss(setting: str, row: str) -> Cell:
    """Points, with their interval over the test samples."""
    return IMAGES(setting, row, "loss_points")


def space(measure: str, bits: int, upto: int = 4) -> list[float]:
    """Of the hybrid design space, by N."""
    return [SPACE(f"{n},{bits}", f"{n},{bits}", measure).value for n in EVERY_N[:upto]]


def behind(published: dict[str, float], rows: Rows) -> list[float]:
    """Points below the published values, by row."""
    return [known - rows(name, name).value for name, known in published.items()]


ALONE_PUBLISHED = {"1": 37, "2": 37, "3": 46, "4": 52, "5": 60, "6": 73}
FILTERS_PUBLISHED = {"1": 91, "2": 95, "4": 96, "8": 97}

CLOUD = [
    Sentence(
        "the plain network has {0:.1f} % with all tiles and falls as the published one does with "
        "few tiles left: {1:.0f} against 83 with four, {2:.0f} against 60 with three, {3:.0f} "
        "against 10 with one, though with two it has {4:.0f} against 10",
        *(TILES("plain", row) for row in ("all", "only 0-3", "only 0-2", "only 0", "only 0-1")),
    ),
    Sentence(
        "tiles 1 and 4 here ({0:.0f} % without either)",
        max(TILES("plain", row).value for row in ("without 1", "without 4")),
    ),
    Sentence(
        "Dropping devices in training costs {0:.1f} points with all tiles and keeps {1:.0f} % with "
        "three lost, {2:.0f} % with one left",
        TILES("plain", "all") - TILES("dropout", "all"),
        TILES("dropout", "only 0-2"),
        TILES("dropout", "only 0"),
    ),
    Sentence(
        "Alone, most devices are some {0:.0f} to {1:.0f} points below the published values",
        min(behind(ALONE_PUBLISHED, ALONE)),
        max(behind(ALONE_PUBLISHED, ALONE)),
    ),
    Sentence(
        "the fewer the filters ({0:.0f} to {1:.0f} points overall)",
        min(behind(FILTERS_PUBLISHED, FIGURE9)),
        max(behind(FILTERS_PUBLISHED, FIGURE9)),
    ),
    Sentence(
        "clipping batch norm's parameters costs {0:.0f} points with three lost and {1:.0f} with "
        "nobody lost",
        EPFL("robust", 3) - EPFL("robust + clipped norms", 3),
        EPFL("robust", 0) - EPFL("robust + clipped norms", 0),
    ),
]

WORN = [
    Sentence(
        "the commonest class {0:.1f}, a linear classifier {1:.1f}, the nearest training window "
        "{2:.1f}. The rendered sensors",
        *(WATCH("1 bit", name) for name in ("commonest class", "linear", "nearest pixels")),
    ),
    Sentence(
        "the commonest class {0:.1f}, a linear classifier {1:.1f}, the nearest training window "
        "{2:.1f}. Wrist",
        *(SENSORS("1 bit", name) for name in ("commonest class", "linear", "nearest pixels")),
    ),
]

EDGE = [
    Sentence(
        "The published share costs {0:.1f} points here",
        HYBRID("joint", "exit cloud") - HYBRID("joint", "edge share 65"),
    ),
    Sentence(
        "half a point lets {0:.0f} % be answered at the edge",
        HYBRID("joint", "half a point", "local_share"),
    ),
    Sentence(
        "the unquantised network's {0:.1f} % ({1:.1f} to {2:.1f} times less `compute`), at 2 bits "
        "N up to 21 ({3:.1f} to {4:.1f} times); at 1 bit accuracy falls with each step of N: "
        "{5:.1f}, {6:.1f}, {7:.1f} and {8:.1f} % for {9:.1f}, {10:.1f}, {11:.1f} and {12:.1f} "
        "times",
        SPACE("17,32", "17,32"),
        *(pick(space("compute_times", 4)) for pick in (min, max)),
        *(pick(space("compute_times", 2, upto=3)) for pick in (min, max)),
        *space("accuracy", 1),
        *space("compute_times", 1),
    ),
    Sentence(
        "At 4 bits every N stays within {0:.1f} points",
        SPACE("17,32", "17,32").value - min(space("accuracy", 4)),
    ),
    Sentence("(N = 26 is even worse, {0:.1f} %", SPACE("26,8", "26,8")),
]

EARLY_EXIT = [
    Sentence(
        "{0:.0f} % of the samples are answered at the device and another {1:.0f} % at the edge for "
        "{2:.1f} points",
        *(EEOI("all test samples", "per exit", f"{name}_share") for name in ("local", "edge")),
        EEOI("all test samples", "T 0") - EEOI("all test samples", "per exit"),
    ),
    Sentence(
        "The device takes {0:.0f} MB",
        LIMITS("512 MB, 100 %", "0.14 % leave", "resident_mb"),
    ),
    Sentence(
        "{0:.1f} ms in place of {1:.1f} when the device does all the work",
        LIMITS("1000 MB, 50 %", "0.14 % leave"),
        LIMITS("1000 MB, 100 %", "0.14 % leave"),
    ),
    Sentence(
        "it takes {0:.0f} bytes, coded, but loses {1:.1f} points ({1.low:.1f} to {1.high:.1f})",
        IMAGES("bottleneck", CODED[1]),
        loss("bottleneck", CODED[1]),
    ),
    Sentence(
        "JPEG 75 loses nothing at {0:.0f} bytes, and WebP 75 half a point ({1.low:.1f} to "
        "{1.high:.1f}) at {2:.0f}",
        IMAGES("JPEG 75", WHOLE),
        loss("WebP 75", WHOLE),
        IMAGES("WebP 75", WHOLE),
    ),
    Sentence("how much of the {0:.1f} points longer training", loss("bottleneck", WHOLE)),
    Sentence(
        "sends the others as WebP 75, {0:.0f}, {1:.0f} and {2:.0f} bytes a sample (three seeds) "
        "lose {3:.1f} points in the mean ({3.low:.1f} to {3.high:.1f})",
        *(IMAGES("WebP 75", EARLY).by_seed[seed] for seed in "012"),
        loss("WebP 75", EARLY),
    ),
    Sentence(
        "With thresholds for at most one point it does in two of three: {0:.0f}, {1:.0f} and "
        "{2:.0f} bytes, **{3:.0f} in the mean at {4:.1f} points ({4.low:.1f} to {4.high:.1f})**, "
        "{5:.0f} % fewer than the smallest file that loses at most a point ({6:.0f} bytes), and "
        "fewer than WebP 50's {7:.0f} at {8:.1f} points",
        *(POINT.by_seed[seed] for seed in "012"),
        POINT,
        loss("WebP 75, one point", EARLY),
        100 * (1 - POINT.value / IMAGES("WebP 75", WHOLE).value),
        IMAGES("WebP 75", WHOLE),
        IMAGES("WebP 50", WHOLE),
        loss("WebP 50", WHOLE),
    ),
    Sentence(
        "Before JPEG 75 an early exit saves in all three: {0:.0f} bytes ({0.low:.0f} to "
        "{0.high:.0f}) in place of {1:.0f}, at {2:.1f} points ({2.low:.1f} to {2.high:.1f})",
        IMAGES("JPEG 75", EARLY),
        IMAGES("JPEG 75", WHOLE),
        loss("JPEG 75", EARLY),
    ),
    Sentence(
        "The device answers {0:.0f} %, and the link counts {1:.0f} bytes of payload a sample, two "
        "of each file's its length, {2:.0f} with the framing of ZMTP; {3:.0f} were computed for "
        "all test samples. {4:.0f} % of the verdicts are `evaluate`'s, and the loss is {5:.1f} "
        "points ({5.low:.1f} to {5.high:.1f})",
        *(
            IMAGES("JPEG 75, launched", EARLY, measure)
            for measure in ("local_share", "payload_bytes", "zmtp_bytes")
        ),
        IMAGES("JPEG 75", EARLY),
        IMAGES("JPEG 75, launched", EARLY, "equal_verdicts"),
        loss("JPEG 75, launched", EARLY),
    ),
    Sentence(
        "meet both**: {0:,.0f} bytes and {1:.1f} points ({2:.1f} to {1.high:.1f})",
        BITS(*CODED),
        BITS(*CODED, "loss_points"),
        max(0.0, BITS(*CODED, "loss_points").low),
    ),
    Sentence("of all samples {0:,.0f} bytes would be", BITS(*CODED)),
]

AS_IS, SILENT = CLOUDS("as is", "running"), CLOUDS("absent: skip", "running")
FRESH, BOTH_FRESH = CLOUDS("as is", "re-estimated"), CLOUDS("absent: skip", "re-estimated")
POOLS = [
    Sentence(
        "give the cloud {0:.1f} points more ({0.low:.1f} to {0.high:.1f}, paired by seed): "
        "{1:.1f}, where 91 is published. With the statistics that training keeps it is {2:.1f} "
        "more ({2.low:.1f} to {2.high:.1f}), ahead in {2.ahead:d} of {2.seeds:d} seeds. Fresh "
        "statistics alone bring {3:.1f} points ({3.low:.1f} to {3.high:.1f}), and {4:.1f} to "
        "silent devices. The authors' gradient is {5:.1f} points worse as things are "
        "({6.low:.1f} to {6.high:.1f}) and {7:.1f} with silent devices",
        BOTH_FRESH - FRESH,
        BOTH_FRESH,
        SILENT - AS_IS,
        FRESH - AS_IS,
        BOTH_FRESH - SILENT,
        AS_IS - CLOUDS("authors' ties", "running"),
        CLOUDS("authors' ties", "running") - AS_IS,
        SILENT - CLOUDS("both", "running"),
    ),
    Sentence(
        "({0.least:.1f} to {0.most:.1f} with silent devices, {1.least:.1f} to {1.most:.1f} as is)",
        SILENT,
        AS_IS,
    ),
]

OTHERS = [*CLOUD, *WORN, *EDGE, *EARLY_EXIT, *LOSSES, *POOLS, *DEFAULTS, *OURS]
GIVEN = (
    "one parked car is 27 points",
    # what was asked for, and how it was set
    "95 % interval", "95 %), with", "95 % intervals", "(95 % intervals over",
    "the cap of 95 % on early answers", "are divided at random 40 times",
    "at least 10 points over", "at its T = 0.8", "at most 12 bytes", "12 bytes",
    "Claimed: more than 20 points over any single device",
    "any one device lost leaves more than 95 %",
    "raw image's 3,072 bytes", "the share is chosen for 70 % on validation data",
    "20 times the shipped ones", "one sample is 0.6 points", "at an edge share of 65 %",
    "rate up to 0.2", "losses weighted 0.1, 0.2 and 1", "losses weighted 0.3, 0.3 and 1 at first",
    "survival 0.9", "each survives with 0.9", "(512 and 256 bytes)",
    # published
    "65 % of the samples answered at the edge with 5.5 times less compute energy",
    "52 % and 4.8 times",
    "64.09 % with 22.2 % at the edge", "56.8, 71.48 and 84.38",
    "smoothed: 80.99); 79.26 at T = 0 and 58.42 at T = 1",
    "70.14 % and 3.44 ms with 34 % offloaded, 67.56 % and 2.92 ms with 26 %, 61.07 % and 2.09 ms "
    "with 8 %", "two runs of 2 GB took 5.69 and 7.14 ms", "which took 48 ms",
    # what data or a topology alone make
    "40 of the 149 samples", "worth 27 points of the samples", "commonest class, 45 % here",
    "sends 128 bytes of each view's 3,072", "a black one takes 290 bytes as JPEG",
    "which send 128 times the bytes",
    "(the published 5.5 needs 67.5 % with these constants, 65 % where 64 binary",
    "features of 1 bit cost 8 times less than raw views", "carries 1,024 bytes of payload",
    "intervals of +-3.6 points", "files have 921 bytes in the mean", "bytes would be 3,011",
    # runs whose rows were not kept, said so
    "some 20 points from one of the last updates", "samples leave at T = 0.5 to 0.7",
    "the exits had 66.5 and 76.5 %, where the published share cost 4.0 points",
    "(268 and 420 ms an update",
    "gave 78.6, 83.3 and 87.6", "an older one took 5.0 to 1.5 ms",
    "Python 3.11 or newer", "took 2,691 bytes and lost 0.8 points", "(mean of 536 windows",
)  # fmt: skip
"""Phrases whose figures no row of record tells."""
