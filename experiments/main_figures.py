"""The main figures: accuracy per exit, bytes, and accuracy with devices lost.

Trains the six-camera topology with the `robust` preset on several seeds, chooses temperatures
and thresholds on the validation split, and measures on the test split.

    python experiments/main_figures.py --data epfl --seeds 5 --out experiments/results

writes main-figures-CARD.csv: one line a seed, then their mean.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ddnn.data.loading import load
from ddnn.data.multiview import DataSet
from ddnn.report.files import write_csv
from ddnn.topology import read_topology
from ddnn.training.evaluate import evaluate
from ddnn.training.failures import by_count, every_failure
from ddnn.training.run import train_run, versions
from ddnn.training.settings import settings_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What is measured. A variant is another line here."""

    topology: str = "six-cameras"
    card: str = "rendered"
    preset: str = "robust"
    epochs: int | None = None
    seeds: int = 5
    out: Path = Path(__file__).parent / "results"


def main() -> None:
    """Measures every seed, writes the CSV, prints the means."""
    config, threads = arguments()
    torch.set_num_threads(threads)
    data = load(config.card)
    rows = []
    for seed in range(config.seeds):
        rows.append(measure(config, data, seed))
        print(*(f"{name} {_cell(value)}" for name, value in rows[-1].items()), sep="  ", flush=True)
    name = Path(config.card).stem
    path = config.out / f"main-figures-{name}.csv"
    lines = [*rows, mean_of(rows)]
    write_csv(path, list(rows[0]), ([_cell(value) for value in line.values()] for line in lines))
    print("mean", *(f"{key} {_cell(value)}" for key, value in lines[-1].items()), sep="  ")
    print(path)


def arguments() -> tuple[Config, int]:
    """The configuration and the number of torch threads."""
    base = Config()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default=base.card, metavar="CARD")
    parser.add_argument("--topology", default=base.topology)
    parser.add_argument("--preset", default=base.preset, choices=["robust", "paper"])
    parser.add_argument("--seeds", type=int, default=base.seeds)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", type=Path, default=base.out)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true", help="one seed, one epoch")
    given = parser.parse_args()
    config = Config(
        topology=given.topology,
        card=given.data,
        preset=given.preset,
        epochs=1 if given.smoke else given.epochs,
        seeds=1 if given.smoke else given.seeds,
        out=given.out,
    )
    return config, given.threads


def measure(config: Config, data: DataSet, seed: int) -> dict[str, Any]:
    """One seed's line: shares in per cent, payload in bytes per device and sample."""
    settings = settings_for(config.preset, epochs=config.epochs)
    with tempfile.TemporaryDirectory() as folder:
        run = train_run(
            Path(folder),
            read_topology(config.topology),
            config.card,
            settings,
            seed=seed,
            data=data,
        )
    test = data.part("test")
    evaluation = evaluate(run, test)
    losses = by_count(every_failure(run.joint, test, run.rules, prior_class=run.prior_class))
    exits = {name: 100 * loss.mean for name, loss in losses[0].items()}
    lost = {
        f"lost_{count}_{what}": 100 * getattr(losses[count]["overall"], what)
        for count in sorted(losses)[1:]
        for what in ("mean", "worst")
    }
    return {
        "seed": seed,
        **exits,
        "local_share": 100 * evaluation.local_share,
        "payload_bytes": evaluation.payload_bytes,
        **lost,
        "test_samples": len(test),
        "epochs": settings.epochs,
        "data": data.name,
        "digest": data.digest[:16],
        "preset": config.preset,
        "versions": " ".join(f"{name}={value}" for name, value in versions().items()),
    }


def mean_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of what varies with the seed; what does not stays."""
    return {
        key: sum(row[key] for row in rows) / len(rows) if isinstance(value, float) else value
        for key, value in rows[0].items()
    } | {"seed": "mean"}


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
