"""A data set larger than memory: `ddnn train` in a process that may hold less than the set has.

    python experiments/runtime/past_memory.py --gigabytes 6 --limit 2 --out FOLDER

Writes an archive of that size with `np.savez`, then trains one epoch on it twice, each time in a
process that may hold so much private memory (RLIMIT_DATA: what is mapped from a file does not
count, it can be dropped at any time): once as ddnn does by itself, and once with all arrays in
memory (DDNN_IN_MEMORY_MB), which the system refuses. `--packed` writes the archive with
`np.savez_compressed`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ddnn.data.storage import VARIABLE
from ddnn.topology import Topology, read_topology
from ddnn.yamlfile import to_yaml
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

VIEWS, SIDE = 6, 256
SAMPLE_BYTES = VIEWS * 3 * SIDE * SIDE
CHILD = """
import atexit, json, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
def tell():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    kilobytes = {name: int(status[name].split()[0]) for name in ("RssAnon", "VmData")}
    print(json.dumps(kilobytes))
atexit.register(tell)
from ddnn.cli.main import main
sys.argv[:] = ["ddnn", "train", *sys.argv[2:]]
main()
"""
SETTINGS: dict[str, dict[str, str]] = {"by default": {}, "in memory": {VARIABLE: "1000000"}}
"""The environment, by where the arrays lie."""
COLUMNS = ("arrays", "set_mb", "limit_mb", "samples", "outcome", "seconds", "private_mb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=6)
    parser.add_argument("--limit", type=float, default=2, help="gigabytes it may hold")
    parser.add_argument("--packed", action="store_true", help="a compressed archive")
    add_places(parser, smoke="a set of 0.45 gigabytes, a limit of 1.5")
    given = parser.parse_args()
    size, limit = (0.45, 1.5) if given.smoke else (given.gigabytes, given.limit)
    batch = 8 if given.smoke else 32  # torch itself takes most of the smaller limit
    with tempfile.TemporaryDirectory(prefix="ddnn-past-memory-") as name:
        folder = Path(name)
        samples = make(folder, round(size * 2**30 / SAMPLE_BYTES), packed=given.packed)
        sizes = (round(size * 1024), round(limit * 1024), samples)
        rows = [(arrays, *sizes, *measured(folder, arrays, limit, batch)) for arrays in SETTINGS]
    path = results_folder(given) / "past-memory.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_measured(path, COLUMNS, rows)
    print(*(",".join(map(str, row)) for row in (COLUMNS, *rows)), path, sep="\n")


def make(folder: Path, samples: int, *, packed: bool) -> int:
    """The archive, its card and a topology for views of that size."""
    rng = np.random.default_rng(0)
    labels_N = np.arange(samples) % 3
    shape = (samples, VIEWS, 3, SIDE, SIDE)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.uint8, shape)
    for n, label in enumerate(labels_N):
        X[n] = rng.integers(1, 120, (VIEWS, 3, SIDE, SIDE), dtype=np.uint8) + np.uint8(40 * label)
    save = np.savez_compressed if packed else np.savez
    save(folder / "data.npz", X=X, y=np.repeat(labels_N[:, None], VIEWS, axis=1))
    del X
    (folder / "X.npy").unlink()
    card = {
        "kind": "npz",
        "path": "data.npz",
        "classes": ["car", "bus", "person"],
        "split": {"by": "sample", "validation": 0.1, "test": 0.1},
    }
    (folder / "card.yaml").write_text(to_yaml(card), encoding="utf-8")
    document = read_topology("six-cameras").model_dump(mode="json")
    document["view"] = {"channels": 3, "height": SIDE, "width": SIDE}
    block = {"kind": "convp", "filters": 4, "stride": 4, "pool_stride": 4}
    document["tiers"][0]["section"]["blocks"] = [block]
    Topology.model_validate(document)
    (folder / "topology.yaml").write_text(to_yaml(document), encoding="utf-8")
    return samples


def measured(folder: Path, arrays: str, limit: float, batch: int) -> tuple[object, ...]:
    """One epoch under the limit: how it went, seconds, megabytes of its own."""
    begun_s = time.perf_counter()
    card, out = str(folder / "card.yaml"), str(folder / arrays.replace(" ", "-"))
    places = (str(folder / "topology.yaml"), "--data", card, "--out", out)
    options = ("--epochs", "1", "--batch", str(batch))
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(round(limit * 2**30)), *places, *options],
        env=environment | SETTINGS[arrays] | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    seconds = round(time.perf_counter() - begun_s, 1)
    outcome, private = "trained", ""
    if done.returncode:
        outcome = done.stderr.strip().splitlines()[-1][:120]
    else:
        private = str(json.loads(done.stdout.splitlines()[-1])["RssAnon"] // 1024)
    return (outcome, seconds, private)


if __name__ == "__main__":
    command(main)
