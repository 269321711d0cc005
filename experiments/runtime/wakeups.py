"""What a sample costs, hop by hop: processor time, waits and system calls of each kind of thread.

    python experiments/runtime/wakeups.py RUN [--samples 2000] [--smoke]

RUN's topology is launched over TCP and over ipc, one sample at a time, all samples leaving at the
local exit; beside it the fair floor of `ddnn bench runtime`. A wait is a voluntary switch: a thread
that waits for something and is woken up. System calls are counted in a launch of their own, since
whoever counts them (strace -c -f) slows the system down; without strace that column stays empty.
Prints and writes CSV. Linux alone.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ddnn.bench.fair import round_trips
from ddnn.bench.launched import family
from ddnn.bench.runtime import first_exit, leaving_at, random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.run.launcher.launch import Options, Watcher, launch
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

RECORDED = 500
WARM = 0.2
"""Share of the samples that does not count."""
COLUMNS = ("way", "who", "thread", "processor_us", "waits", "system_calls")
ALL = "all"
NODE = re.compile(rb'"node": "([^"]+)"')


class Cost(NamedTuple):
    """Of a kind of thread, since its start."""

    processor_ns: int
    waits: int


Costs = dict[tuple[str, str], Cost]
"""By role of the process, and thread: its own, or ZeroMQ's."""


def costs(bundle: Bundle) -> Costs:
    """Of all processes of this launch; threads of one kind together."""
    found: Costs = {}
    for pid in family():
        with suppress(OSError):  # it has just ended
            for task in Path(f"/proc/{pid}/task").iterdir():
                thread = "own" if int(task.name) == pid else "ZeroMQ's"
                key = role(bundle, pid), thread
                before = found.get(key, Cost(0, 0))
                nanoseconds = int((task / "schedstat").read_text(encoding="utf-8").split()[0])
                found[key] = Cost(before.processor_ns + nanoseconds, before.waits + waits_of(task))
    return found


def waits_of(task: Path) -> int:
    """Voluntary switches of a thread."""
    lines = (task / "status").read_text(encoding="utf-8").splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("voluntary_ctxt_switches"))


def role(bundle: Bundle, pid: int) -> str:
    """Of a node, by its command line; the launcher and its helpers are none."""
    found = NODE.search(Path(f"/proc/{pid}/cmdline").read_bytes())
    node = bundle.topology.nodes.get(found[1].decode()) if found else None
    return "launcher" if node is None else node.role


class Watch:
    """Looks at a launch when it is warm and when it is done; between, perhaps, with strace."""

    def __init__(self, bundle: Bundle, samples: int, *, counts_calls: bool) -> None:
        self._bundle = bundle
        self._samples = samples
        self._counts_calls = counts_calls
        self._begun: tuple[int, Costs] | None = None
        self._strace: subprocess.Popen[str] | None = None
        self.rows: list[tuple[str, str, float, float]] = []
        self.system_calls: float | None = None

    def progress(self, answered: int) -> None:
        """So many samples are answered."""
        if self._begun is None and answered >= WARM * self._samples:
            if self._counts_calls:
                pids = [option for pid in family() for option in ("-p", str(pid))]
                self._strace = subprocess.Popen(
                    ["strace", "-qq", "-c", "-f", *pids], stderr=subprocess.PIPE, encoding="utf-8"
                )
            self._begun = answered, costs(self._bundle)
        elif self._begun is not None and answered == self._samples and not self.rows:
            count = self._samples - self._begun[0]
            for key, cost in sorted(costs(self._bundle).items()):
                before = self._begun[1].get(key, Cost(0, 0))
                used = (cost.processor_ns - before.processor_ns) / 1000 / count
                self.rows.append((*key, used, (cost.waits - before.waits) / count))
            self._end_counting(count)

    def _end_counting(self, count: int) -> None:
        if self._strace is None:
            return
        self._strace.send_signal(signal.SIGINT)
        told = self._strace.communicate()[1]
        totals = [line.split() for line in told.splitlines() if line.endswith(" total")]
        self.system_calls = int(totals[0][3]) / count if totals else None


def watched(bundle: Bundle, samples: int, *, ipc: bool, counts_calls: bool) -> Watch:
    """One launch."""
    rounds = max(1, samples // RECORDED)
    views = random_views(bundle.topology, min(samples, RECORDED))
    watch = Watch(bundle, rounds * len(views), counts_calls=counts_calls)
    options = Options(rounds=rounds, window=1, free_ports=not ipc, ipc=ipc)
    with leaving_at(bundle, first_exit(bundle.topology)) as changed:
        launch(changed, views, options, Watcher(progress=watch.progress))
    return watch


def rows_of(way: str, bundle: Bundle, samples: int) -> list[Sequence[object]]:
    """Each kind of thread, and all together."""
    found = watched(bundle, samples, ipc=way == "ipc", counts_calls=False).rows
    calls: float | None = None
    if shutil.which("strace"):
        few = max(RECORDED, samples // 4)
        calls = watched(bundle, few, ipc=way == "ipc", counts_calls=True).system_calls
    rows: list[Sequence[object]] = [
        (way, who, thread, f"{used:.0f}", f"{waits:.1f}", "")
        for who, thread, used, waits in found
        if used >= 1
    ]
    total = f"{sum(x[2] for x in found):.0f}", f"{sum(x[3] for x in found):.1f}"
    return [*rows, (way, ALL, ALL, *total, "" if calls is None else f"{calls:.0f}")]


def fair_row(bundle: Bundle, samples: int) -> Sequence[object]:
    """The fair floor, all threads together."""
    used = round_trips(bundle, samples).used
    processor = used.processor_s * 1e6 / samples
    return "fair floor", ALL, ALL, f"{processor:.0f}", f"{used.switches / samples:.1f}", ""


def main() -> None:
    """Both ways and the floor, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=2000)
    add_places(parser, smoke="300 samples")
    arguments = parser.parse_args()
    samples = 300 if arguments.smoke else arguments.samples
    bundle = load_bundle(arguments.run)
    rows = [row for way in ("tcp", "ipc") for row in rows_of(way, bundle, samples)]
    rows.append(fair_row(bundle, samples))
    for row in (COLUMNS, *rows):
        print(" ".join(f"{value!s:>12}" for value in row))
    write_measured(results_folder(arguments) / "wakeups.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
