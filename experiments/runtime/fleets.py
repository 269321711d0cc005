"""Many sites on one cloud: what it costs and how long answers take, launched and simulated.

    python experiments/runtime/fleets.py [--launched 1 4 8] [--simulated 8 50] [--thousand 20]

Sites are six cameras with a gateway; half of the samples go to the cloud. `launched`: real ones on
this machine, the devices and gateway of each in one process, and `ddnn fleet` as their cloud.
`simulated`: the same nodes in virtual time, in which only the cloud's process is shared and each
site's own nodes have cores enough, with this machine's times, measured first. Where both are for
the same number of sites, what the simulator says is held against what a launch does. --thousand:
1,000 sites in one simulation, spread over so many processes.
Prints and writes CSV. thread: the share of a core that the thread used in which a cloud's process
takes its turns, of the busiest replica, while all sites ran; cores: all threads, launched only.
Messages and bytes (ZMTP) are those that the cloud receives and sends, a site and second; took_s:
processor time of the simulation itself.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle
from ddnn.bundle.place import place_bundle
from ddnn.data.multiview import MultiView
from ddnn.run.outcome import link_counts
from ddnn.simulation.fleet import SimulatedSite, simulate_fleet
from ddnn.simulation.laboratory import Laboratory
from ddnn.simulation.profile import Profile, measured
from ddnn.simulation.schedule import Schedule
from ddnn.topology import Topology, read_topology
from experiments.runtime.scale import random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

COLUMNS = (
    *("how", "sites", "replicas", "rate_hz", "samples", "degraded", "local_p50_ms", "local_p99_ms"),
    *(
        "cloud_p50_ms",
        "cloud_p99_ms",
        "thread",
        "cores",
        "messages_site_s",
        "bytes_site_s",
        "took_s",
    ),
)
ON_PAPER = (
    *("devices", "sites", "sites_a_process", "processes", "cores", "cloud_p99_ms"),
    *("messages_s", "megabytes_s"),
)
DEVICES, SITES = 6, 1000
"""Of a site; of the rows over several processes."""
MOST = 0.8
"""Of a core, so that a process can catch up."""
FIRST_PORT, PORTS = 21_000, 16
"""Of a site; below those that the system gives to whoever connects."""
SHORT_S = 15.0
"""How long launched sites run."""
STARTED_S = 90.0
ARRIVE_S, WARM = 1.0, 2
"""In so many seconds simulated sites start, one after the other; what they answer in the seconds
after that does not count, so that latencies are those of sites that all run."""


def site_topology(
    name: str,
    place: int = 0,
    *,
    pack: bool = False,
    replicas: int = 1,
    beat_ms: float | None = None,
) -> Topology:
    """Six cameras and a gateway on one host, the cloud on another. place: of its ports. beat_ms:
    time between two heartbeats; None: as every topology has it."""
    document = read_topology("six-cameras").model_dump(mode="json")
    document["name"] = name
    if beat_ms is not None:
        document["heartbeat"]["interval_ms"] = beat_ms
    ports = count(FIRST_PORT + place * PORTS)
    document["collector"] |= {"host": "site", "endpoint": f"tcp://127.0.0.1:{next(ports)}"}
    for node in document["nodes"].values():
        is_cloud = node["role"] == "cloud"
        node |= {"host": "far" if is_cloud else "site", "restart": "never"}
        node |= {"pack": pack and not is_cloud, "replicas": replicas if is_cloud else None}
        node["endpoint"] = f"tcp://127.0.0.1:{next(ports)}"
    return Topology.model_validate(document)


def launched(trained: Bundle, views: MultiView, sites: int, rate_hz: float) -> list[object]:
    """A row: as many real sites at once."""
    samples = round(SHORT_S * rate_hz)
    with TemporaryDirectory(prefix="ddnn-fleets-") as place, ExitStack() as stack:
        folder = Path(place)
        write_card(folder, views)
        names = [f"site{number}" for number in range(sites)]
        for number, name in enumerate(names):
            topology = site_topology(name, number, pack=True)
            place_bundle(trained.folder, topology, folder / name)
        lines = "".join(f"  {name}: {{bundle: {name}}}\n" for name in names)
        (folder / "fleet.yaml").write_text(f"sites:\n{lines}", encoding="utf-8")
        cloud = start(folder, "cloud", ["fleet", "fleet.yaml", "cloud"])
        stack.callback(end, [cloud])
        wait_for(folder, ["cloud"], "listens at", sites)
        options = ["--host", "site", "--join", "--data", "card.yaml", "--split", "all"]
        options += ["--rate", str(rate_hz), "--samples", str(samples)]
        launches = [
            start(folder, name, ["launch", name, *options, "--out", f"{name}-out"])
            for name in names
        ]
        stack.callback(end, launches)
        wait_for(folder, names, "nodes ready", 1)
        begun_s, used_s = time.monotonic(), cpu_s(cloud.pid)
        while all(process.poll() is None for process in launches):
            time.sleep(0.05)
        seconds = time.monotonic() - begun_s
        shares = [
            (now_s - before_s) / seconds
            for now_s, before_s in zip(cpu_s(cloud.pid), used_s, strict=True)
        ]
        for process in launches:
            process.wait(60)
        reports = [
            json.loads((folder / f"{name}-out" / "report.json").read_text(encoding="utf-8"))
            for name in names
        ]
    return launched_row(reports, sites, rate_hz, shares)


def launched_row(
    reports: Sequence[dict[str, Any]], sites: int, rate_hz: float, shares: Sequence[float]
) -> list[object]:
    """Medians over the sites."""

    def latency(exit_name: str, quantile: str) -> str:
        return f"{median(r['latency_ms'][exit_name][quantile] for r in reports):.2f}"

    seconds = sum(r["answered"] / rate_hz + r["ready_s"] for r in reports)
    links = [
        link
        for report in reports
        for link in report["bytes"]["links"]
        if "cloud" in (link["from"], link["to"])
    ]
    return [
        *("launched", sites, 1, rate_hz, sum(r["answered"] for r in reports)),
        sum(r["degraded"] for r in reports),
        *(latency(name, q) for name in ("local", "cloud") for q in ("p50", "p99")),
        *(f"{share:.3f}" for share in shares),
        f"{sum(link['messages'] for link in links) / seconds:.0f}",
        f"{sum(link['zmtp'] for link in links) / seconds:.0f}",
        "",
    ]


def write_card(folder: Path, views: MultiView) -> None:
    """The views as a card that the command line reads; what they show means nothing."""
    labels_N = np.arange(len(views)) % len(views.classes)
    labels_NV = np.repeat(labels_N[:, None], views.views_NVCHW.shape[1], axis=1)
    np.savez(folder / "views.npz", X=views.views_NVCHW, y=labels_NV)
    classes = ", ".join(views.classes)
    (folder / "card.yaml").write_text(
        f"kind: npz\npath: views.npz\nclasses: [{classes}]\n", encoding="utf-8"
    )


def start(folder: Path, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """A command of ours, whose words go to NAME.log."""
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ddnn", *arguments],
            cwd=folder,
            stdout=log,
            stderr=log,
            env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
        )


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Those that still run."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def wait_for(folder: Path, names: Iterable[str], words: str, times: int) -> None:
    """Until each has said it so often. Raises TimeoutError with what one said that did not."""
    deadline_s = time.monotonic() + STARTED_S
    for name in names:
        while (said := (folder / f"{name}.log").read_text(encoding="utf-8")).count(words) < times:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{name}: {said}")
            time.sleep(0.05)


def cpu_s(pid: int) -> tuple[float, float]:
    """Processor time that a process's first thread has used, and all of its threads."""
    stats = (f"/proc/{pid}/task/{pid}/stat", f"/proc/{pid}/stat")
    fields = [Path(stat).read_text(encoding="utf-8").rsplit(")", 1)[1].split() for stat in stats]
    thread_s, all_s = ((int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK") for f in fields)
    return thread_s, all_s


def simulated(
    laboratory: Laboratory,
    profile: Profile,
    sites: int,
    rate_hz: float,
    samples: int,
    *,
    processes: int = 1,
) -> list[object]:
    """A row: as many sites in one virtual time, spread over processes that share nothing."""
    clouds = [n for n in laboratory.bundle.topology.nodes if n.startswith("cloud")]
    chosen = chosen_sites(laboratory, profile, sites, rate_hz, samples, processes=processes)
    begun_s = time.process_time()
    found = simulate_fleet(chosen, clouds)
    took_s = time.process_time() - begun_s
    if found.broken is not None:
        raise found.broken
    counting = [
        answer
        for result in found.results.values()
        for answer in result.answers
        if answer.sample >= WARM * rate_hz
    ]

    def latency(place: int, quantile: int) -> str:
        chosen = [1000 * answer.latency_s for answer in counting if answer.exit == place]
        return f"{float(np.percentile(chosen, quantile)):.2f}"

    seconds = sum(
        result.begun_s + result.virtual_s - start_s(int(name.removeprefix("site")))
        for name, result in found.results.items()
    )
    counts = [
        each
        for result in found.results.values()
        for each in link_counts(result.collector.accounts)
        if not set(clouds).isdisjoint(each.link)
    ]
    return [
        *("simulated", sites, len(clouds), rate_hz, len(counting)),
        sum(answer.degraded for answer in counting),
        *(latency(place, q) for place in (0, 1) for q in (50, 99)),
        f"{max(found.busy_s.values()) / found.virtual_s:.3f}",
        "",
        f"{sum(each.messages for each in counts) / seconds:.0f}",
        f"{sum(each.zmtp for each in counts) / seconds:.0f}",
        f"{took_s:.1f}",
    ]


def chosen_sites(
    laboratory: Laboratory,
    profile: Profile,
    sites: int,
    rate_hz: float,
    samples: int,
    *,
    processes: int,
) -> dict[str, SimulatedSite]:
    """Each with a phase and clocks of its own, one process after the other with its share."""
    return {
        f"site{number}": SimulatedSite(
            laboratory=laboratory,
            starts_s=start_s(number),
            process=number % processes,
            schedule=Schedule(
                topology=laboratory.bundle.topology.name,
                samples=round(WARM * rate_hz) + samples,
                rate_hz=rate_hz,
                seed=number,
                shifted_clocks=True,
                profile=profile,
            ),
        )
        for number in range(sites)
    }


def start_s(number: int) -> float:
    """When a simulated site starts."""
    return random.Random(number).uniform(0, ARRIVE_S)


def on_paper(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """What 1,000 sites and a million devices need, by the simulated rows of one replica: as many
    sites a process as leave its answers as they are (p99 of the cloud's exit within twice the
    least, at most MOST of a core)."""
    found = [dict(zip(("processes", *COLUMNS), row, strict=True)) for row in rows]
    one = [row for row in found if row["how"] == "simulated" and row["replicas"] == 1]
    if not one:
        return []
    good_ms = 2 * min(float(str(row["cloud_p99_ms"])) for row in one)
    fit = [
        row
        for row in one
        if float(str(row["cloud_p99_ms"])) <= good_ms and float(str(row["thread"])) <= MOST
    ]

    def held(row: dict[str, object]) -> int:
        return int(str(row["sites"])) // int(str(row["processes"]))

    best = max(fit, key=held)
    sites = held(best)
    cores = float(str(best["thread"])) / sites
    return [
        [
            *(devices, wanted, sites, -(-wanted // sites), f"{wanted * cores:.0f}"),
            *(best["cloud_p99_ms"], wanted * int(str(best["messages_site_s"]))),
            f"{wanted * int(str(best['bytes_site_s'])) / 1e6:.0f}",
        ]
        for devices in (6_000, 1_000_000)
        for wanted in [-(-devices // DEVICES)]
    ]


def main() -> None:
    """Every number of sites, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launched", type=int, nargs="*", default=[1, 4, 8, 16])
    parser.add_argument("--simulated", type=int, nargs="*", default=[1, 4, 8, 16, 25, 50, 75, 100])
    parser.add_argument("--replicated", type=int, nargs="*", default=[16, 50])
    parser.add_argument("--rates", type=float, nargs="+", default=[10.0])
    parser.add_argument("--beat-ms", type=float, help="of simulated heartbeats")
    parser.add_argument("--samples", type=int, default=20, help="a simulated site")
    parser.add_argument("--name", default="fleets", help="of the CSV")
    parser.add_argument("--thousand", type=int, nargs="*", default=[20, 14, 10])
    parser.add_argument("--grown", type=int, nargs="*", default=[], help="sites, 50 a process")
    add_places(parser, smoke="one launched site, two simulated")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.launched, arguments.simulated, arguments.replicated = [1], [1, 2], [1]
        arguments.thousand = []
    torch.set_num_threads(1)
    rows: list[list[object]] = []

    def add(row: list[object], processes: int = 1) -> None:
        rows.append([processes, *row])
        print(" ".join(f"{value!s:>15}" for value in row), flush=True)

    print(" ".join(f"{name:>15}" for name in COLUMNS))
    with TemporaryDirectory() as folder:
        topology = site_topology("site", beat_ms=arguments.beat_ms)
        views = random_views(topology, math.ceil(SHORT_S * max(arguments.rates)))
        _, bundle = random_network(topology, views, Path(folder) / "one")
        for rate_hz in arguments.rates:
            for sites in arguments.launched:
                add(launched(bundle, views, sites, rate_hz))
        profile = measured(bundle).model_copy(update={"cores": None})
        replicated = place_bundle(
            bundle.folder,
            site_topology("site", replicas=2, beat_ms=arguments.beat_ms),
            Path(folder) / "two",
        )
        for placed, many in ((bundle, arguments.simulated), (replicated, arguments.replicated)):
            laboratory = Laboratory(placed, views.views, profile)
            for rate_hz in arguments.rates:
                for sites in many:
                    add(simulated(laboratory, profile, sites, rate_hz, arguments.samples))
        grown = [(sites, -(-sites // 50)) for sites in arguments.grown]
        for sites, processes in (*grown, *((SITES, number) for number in arguments.thousand)):
            laboratory = Laboratory(bundle, views.views, profile)
            rate_hz, samples = arguments.rates[0], arguments.samples
            row = simulated(laboratory, profile, sites, rate_hz, samples, processes=processes)
            add(row, processes)
    results, columns = results_folder(arguments), ("processes", *COLUMNS)
    write_measured(results / f"{arguments.name}.csv", columns, rows)
    paper = on_paper(rows)
    for row in (ON_PAPER, *paper):
        print(" ".join(f"{value!s:>15}" for value in row))
    write_measured(results / f"{arguments.name}-on-paper.csv", ON_PAPER, paper)


if __name__ == "__main__":
    command(main)
