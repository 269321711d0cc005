"""Figures that the main README and the page on the papers tell are those of the rows of record."""

from statistics import mean

import pytest

from experiments import benchmark_table
from experiments.shared.rows import read_csv, read_means
from experiments.tables import OF_RECORD, READMES

PAGES = (READMES[1], READMES[1].parent / "docs/reproducing.md")
TEXT = " ".join(" ".join(path.read_text(encoding="utf-8") for path in PAGES).split())


def seeds(results: str, setting: str, row: str, measure: str) -> list[float]:
    """One value a seed."""
    lines = read_csv(OF_RECORD / f"{results}.csv")
    found = [float(x[measure]) for x in lines if (x["setting"], x["row"]) == (setting, row)]
    assert found, (results, setting, row, measure)
    return found


def short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def with_range(values: list[float], digits: int = 1) -> str:
    """Mean, lowest and highest seed."""
    unit = "%" if digits else "B"
    low, high = (short(value) if digits else f"{value:.0f}" for value in (min(values), max(values)))
    return f"{mean(values):.1f} {unit} ({low} – {high})"


@pytest.mark.parametrize(
    ("label", "row", "measures"),
    [
        ("local exit, all samples", "lost none", ["local"]),
        ("cloud exit, all samples", "lost none", ["cloud"]),
        ("overall at the calibrated thresholds", "lost none", ["overall"]),
        ("payload per device and sample", "lost none", ["payload_bytes"]),
        ("one device lost, overall: mean / worst", "1 lost", ["overall", "overall_worst"]),
        ("three devices lost, overall, mean of 20 subsets", "3 lost", ["overall"]),
    ],
)
def test_the_table_of_robust_on_the_old_splits(label, row, measures):
    start = TEXT.index(f"| {label} |")
    line = TEXT[start : TEXT.index(" | |", start) if " | |" in TEXT[start:] else None]
    cells = []
    for card in ("epfl", "rendered"):
        found = [seeds(f"paper/failures-{card}", "robust", row, measure) for measure in measures]
        if row == "lost none":
            cells.append(with_range(found[0], digits="bytes" not in measures[0]))
        else:
            cells.append(" / ".join(f"{mean(values):.1f}" for values in found) + " %")
    assert f"| {' | '.join(cells)}" in line


CLAIMS = [
    (
        "a linear classifier on the pixels of all cameras in one place is right for {:.1f} "
        "(70 to 99) and {:.1f} %",
        [
            ("paper/baselines-epfl-by-object", "linear", "test", "per_object"),
            ("paper/baselines-rendered", "linear", "test", "overall"),
        ],
    ),
    (
        "always the commonest class for {:.1f} and {:.1f} %",
        [
            ("paper/baselines-epfl-by-object", "commonest_class", "test", "per_object"),
            ("paper/baselines-rendered", "commonest_class", "test", "overall"),
        ],
    ),
    (
        "looking for a copy among the training views is right for {:.1f} %",
        [("paper/baselines-epfl", "near_copy", "test", "overall")],
    ),
    (
        "its recipe keeps {:.0f} %, at as many updates as `robust` {:.0f} %",
        [
            ("paper/headline-epfl-by-object", "paper", "3", "per_object"),
            ("paper/headline-epfl-by-object", "batches", "3", "per_object"),
        ],
    ),
    (
        "`robust` keeps {:.0f} %, device dropout and a cosine alone {:.0f} %",
        [
            ("paper/headline-epfl-by-object", "robust", "3", "per_object"),
            ("paper/headline-epfl-by-object", "batches + dropout + cosine", "3", "per_object"),
        ],
    ),
    (
        "{:.1f} / {:.1f} / {:.1f} % |",
        [
            ("early_exit/eeoi-cifar10-jpeg", "all test samples", f"exit {name}", "accuracy")
            for name in ("local", "edge", "cloud")
        ],
    ),
    (
        "{:,.0f} at {:.1f} % (loss {:.1f} points)",
        [
            ("early_exit/eeoi-bits-cifar10-jpeg", "2 and 4", "per exit, coded", measure)
            for measure in ("payload_bytes", "accuracy", "loss_points")
        ],
    ),
]


@pytest.mark.parametrize(("claim", "sources"), CLAIMS, ids=[text[:40] for text, _ in CLAIMS])
def test_a_claim_has_its_rows(claim, sources):
    values = []
    for results, setting, row, measure in sources:
        means = read_means(OF_RECORD / f"{results}-means.csv")
        values.append(means[setting][row][measure].value)
    assert claim.format(*values) in TEXT


def test_the_table_of_the_benchmark_is_that_of_the_submission():
    page = benchmark_table.PAGE.read_text(encoding="utf-8")
    assert benchmark_table.filled(page) == page, "run `python experiments/benchmark_table.py`"


def test_a_wrong_cell_of_the_benchmark_is_written_anew():
    page = benchmark_table.PAGE.read_text(encoding="utf-8")
    wrong = page.replace("| `late-fusion` | 40.0 |", "| `late-fusion` | 99.9 |")
    assert wrong != page
    assert benchmark_table.filled(wrong) == page
