"""What a live system takes: latency from a camera's picture to its verdict, and what a camera
that stops, and any number of samples, cost.

    python experiments/runtime/live.py latency memory page [--run RUN] [--seconds 60] [--smoke]

RUN: default the six-camera network with random weights. `latency`: six films, each served as RTSP
by a process of its own (aio-rtsp-toolkit) on loopback, ten pictures a second; every new picture of
cam0 asks for a sample, for which the others have the view nearest to it. A picture has arrived
when it is decoded, which each device's process notes in a file, for this script alone. Half way the
server of cam5 is stopped (SIGSTOP) until the end. `memory`: recorded views, as fast as they are
answered; the resident memory and descriptors of each process after the first 10,000 samples and
eight times until the end. `page`: recorded views, as fast as they are answered, in turns without a
page and with one that a process follows as a browser does, and whose metrics it reads each second.
Prints and writes CSV.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ddnn.api.live import live_of
from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.live.events import VerdictEvent
from ddnn.live.feed import Feed
from ddnn.live.page.beside import page_beside
from ddnn.live.page.options import page_options
from ddnn.live.service import Service
from ddnn.live.serving import Live
from ddnn.live.sources.file import read_sources
from ddnn.run.launcher.launch import Options, Watcher
from ddnn.topology import Topology, read_topology
from experiments.runtime.scale import random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

PICTURES_PER_S = 10
FILM_S = 20
SIZE = (320, 240)
FIRST = 10_000  # samples after which memory should stay as it is
LOOKS = 8  # after these, evenly
STOPPED = "cam5"
SERVER = """
import asyncio, sys
import aio_rtsp_toolkit.server as server
asyncio.run(server.serve(sys.argv[1], "127.0.0.1", int(sys.argv[2]), control_port=int(sys.argv[3])))
"""
NOTES = """
import os, time
from ddnn.live.sources.arrivals import Arrivals
put = Arrivals.put
def noted(self, picture):
    with open(f"{FOLDER}/{os.getpid()}", "a", encoding="utf-8") as file:
        file.write(f"{time.time()}\\n")
    return put(self, picture)
Arrivals.put = noted
"""
"""Of a sitecustomize that the nodes' processes load: when pictures arrive."""
FOLLOWER = """
import sys, threading, time, urllib.request
def scrape():
    while True:
        urllib.request.urlopen(sys.argv[1] + "/metrics").read()
        time.sleep(1)
threading.Thread(target=scrape, daemon=True).start()
for line in urllib.request.urlopen(sys.argv[1] + "/events"):
    pass
"""
PAIRS = 8
LATENCY_COLUMNS = (
    *("cameras", "samples", "answered", "from", "p50_ms", "p99_ms", "longest_ms", "present_of_six"),
)
PAGE_COLUMNS = ("pair", "seconds", "samples_per_s_without", "samples_per_s_with", "ratio")
MEMORY_COLUMNS = ("process", "samples", "resident_mb", "files")


def make_film(path: Path, seed: int) -> None:
    """A bar that moves over noise, as a camera would send it: H.264 without delay."""
    import av  # noqa: PLC0415  # of ddnn[cameras]

    rng = np.random.default_rng(seed)
    width, height = SIZE
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=PICTURES_PER_S)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10"}
        for number in range(FILM_S * PICTURES_PER_S):
            picture = rng.integers(30, 60, (height, width, 3), np.uint8)
            left = 5 * number % (width - 20)
            picture[20:-20, left : left + 20] = 200
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            film.mux(stream.encode(frame.reformat(format="yuv420p")))
        film.mux(stream.encode())


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


@contextmanager
def cameras(topology: Topology, folder: Path) -> Iterator[dict[str, tuple[str, int]]]:
    """By device, the URL of its camera and the process id of the server."""
    found: dict[str, tuple[str, int]] = {}
    servers = []
    try:
        for number, name in enumerate(topology.devices):
            films = folder / name
            films.mkdir()
            make_film(films / "live.mp4", number)
            port, control = free_ports(2)
            server = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(films), str(port), str(control)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            servers.append(server)
            found[name] = f"rtsp://127.0.0.1:{port}/live.mp4", server.pid
        yield found
    finally:
        for server in servers:
            server.kill()
            server.wait()


def latency(bundle: Bundle, seconds: float, folder: Path) -> list[list[object]]:
    """A row with six cameras, a row with one of them stopped; each from both beginnings."""
    with cameras(bundle.topology, folder) as found:
        path = folder / "cameras.yaml"
        devices = "\n".join(
            f"  {name}: {{kind: video, url: '{url}', open_s: 10}}"
            for name, (url, _) in found.items()
        )
        path.write_text(
            f"sample: {{events_of: [cam0]}}\nmatch_ms: 110\ndevices:\n{devices}\n", encoding="utf-8"
        )
        live = Live(path=path, sources=read_sources(path, bundle.topology, bundle.topology.devices))
        notes = folder / "notes"
        notes.mkdir()
        (notes / "sitecustomize.py").write_text(
            f"FOLDER = {str(notes)!r}\n{NOTES}", encoding="utf-8"
        )
        os.environ["PYTHONPATH"] = str(notes)
        service = Service(bundle, live, Options(free_ports=True), Watcher(say=print))
        with service:
            reader = service.feed.subscribe(10**6)
            turning = threading.Thread(target=service.run)
            turning.start()
            wait_for_views(service.feed, len(found))
            reader.take()
            rows = []
            for stopped in (False, True):
                if stopped:
                    os.kill(found[STOPPED][1], signal.SIGSTOP)
                begun_s = time.time()
                time.sleep(seconds / 2)
                verdicts = [e for e in reader.take() if e["kind"] == "verdict"]
                noted = (
                    (notes / str(service.pids["cam0"])).read_text(encoding="utf-8").split("\n")[:-1]
                )
                arrived = [at_s for at_s in map(float, noted) if at_s >= begun_s]
                rows += latency_rows(len(found) - stopped, verdicts, arrived)
            os.kill(found[STOPPED][1], signal.SIGCONT)
            service.stop()
            turning.join()
    return rows


def wait_for_views(feed: Feed, cameras: int) -> None:
    """Until all cameras have a part."""
    with feed.subscribe() as reader:
        while True:
            for event in reader.take(None):
                if event["kind"] == "verdict" and event["present"].count("1") == cameras:
                    return


def latency_rows(
    cameras: int, verdicts: list[VerdictEvent], arrived: list[float]
) -> list[list[object]]:
    """From the arrival of the picture that asked, and from asking the devices."""
    from_arrival, asking = [], [v["latency_ms"] for v in verdicts]
    for verdict in verdicts:
        asked_s = verdict["time"] - verdict["latency_ms"] / 1000
        before = [at_s for at_s in arrived if at_s <= asked_s]
        from_arrival += [1000 * (verdict["time"] - before[-1])] if before else []
    present = np.mean([v["present"].count("1") for v in verdicts])
    rows = []
    for name, found_ms in (("arrival", from_arrival), ("asking", asking)):
        p50, p99 = np.percentile(found_ms, [50, 99])
        figures = (f"{value:.1f}" for value in (p50, p99, max(found_ms), present))
        rows.append([cameras, len(arrived), len(verdicts), name, *figures])
    return rows


def resident_mb(pid: int) -> float:
    """Of 10^6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def files(pid: int) -> int:
    """Open descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def page(bundle: Bundle, seconds: float, folder: Path) -> list[list[object]]:
    """A row a pair of systems, each for so long."""
    rows: list[list[object]] = []
    live = recorded(bundle, folder / "recorded.yaml")
    for pair in range(1 if seconds < PAIRS else PAIRS):
        without = samples_per_s(bundle, live, Watcher(), seconds / PAIRS)
        with ExitStack() as stack:
            said: list[str] = []
            beside = page_beside(
                page_options("127.0.0.1:0"), Watcher(say=said.append), folder, bundle, total=None,
                out=folder,
            )  # fmt: skip
            watcher = stack.enter_context(beside)
            url = said[0].removeprefix("page: ").rstrip("/")
            follower = subprocess.Popen([sys.executable, "-c", FOLLOWER, url])
            stack.callback(follower.wait)
            stack.callback(follower.kill)
            beside_it = samples_per_s(bundle, live, watcher, seconds / PAIRS)
        ratio = f"{beside_it / without:.3f}"
        rows.append([pair, seconds / PAIRS, f"{without:.0f}", f"{beside_it:.0f}", ratio])
    return rows


def samples_per_s(bundle: Bundle, live: Live, watcher: Watcher, seconds: float) -> float:
    """After a fifth of the time, which warms it up."""
    service = Service(bundle, live, Options(free_ports=True), watcher)
    with service:
        turning = threading.Thread(target=service.run)
        turning.start()
        time.sleep(seconds / 5)
        before, begun_s = service.answered, time.monotonic()
        time.sleep(4 * seconds / 5)
        found = (service.answered - before) / (time.monotonic() - begun_s)
        service.stop()
        turning.join()
    return found


def memory(bundle: Bundle, samples: int, seconds: float, folder: Path) -> list[list[object]]:
    """Rows of each process after FIRST samples and LOOKS times until so many, or so long."""
    live = recorded(bundle, folder / "recorded.yaml")
    service = Service(bundle, live, Options(free_ports=True), Watcher(say=print))
    first = min(FIRST, samples // 2)
    rows: list[list[object]] = []
    with service:
        turning = threading.Thread(target=service.run)
        turning.start()
        end_s = time.monotonic() + seconds
        for look in range(LOOKS + 1):
            wanted = first + look * (samples - first) // LOOKS
            due_s = end_s - seconds * (LOOKS - look) / LOOKS if look else end_s
            answered = wait_answered(service, wanted, due_s)
            for name, pid in {**service.pids, "launcher": os.getpid()}.items():
                rows.append([name, answered, f"{resident_mb(pid):.2f}", files(pid)])
        service.stop()
        turning.join()
    return rows


def recorded(bundle: Bundle, path: Path) -> Live:
    """Of the run's own data; of random weights, random views."""
    devices = "\n".join(f"  {name}: {{kind: recorded}}" for name in bundle.topology.devices)
    path.write_text(f"sample: {{every_ms: 0}}\ndevices:\n{devices}\n", encoding="utf-8")
    if bundle.manifest.data.get("card"):
        return live_of(bundle, path)
    views = random_views(bundle.topology, 256)
    return Live(
        path=path,
        sources=read_sources(path, bundle.topology, bundle.topology.devices),
        recorded=dict(zip(bundle.topology.devices, views.views.arrays, strict=True)),
        labels=tuple(views.fused_labels_N.tolist()),
    )


def wait_answered(service: Service, samples: int, end_s: float) -> int:
    """Until so many are, or so long; how many are."""
    while service.answered < samples and time.monotonic() < end_s:
        time.sleep(0.05)
    return service.answered


def main() -> None:
    """What is asked for, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="+", choices=["latency", "memory", "page"])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--samples", type=int, default=2_000_000)
    add_places(parser, smoke="4 seconds, 500 samples")
    arguments = parser.parse_args()
    seconds = 4 if arguments.smoke else arguments.seconds
    samples = 500 if arguments.smoke else arguments.samples
    with tempfile.TemporaryDirectory(prefix="ddnn-live-") as name:
        folder = Path(name)
        if arguments.run:
            bundle = load_bundle(arguments.run)
        else:
            topology = read_topology("six-cameras")
            _, bundle = random_network(topology, random_views(topology, 64), folder / "bundle")
        columns: tuple[str, ...]
        for what in arguments.what:
            if what == "latency":
                columns, rows = LATENCY_COLUMNS, latency(bundle, seconds, folder)
            elif what == "page":
                columns, rows = PAGE_COLUMNS, page(bundle, seconds, folder)
            else:
                columns, rows = MEMORY_COLUMNS, memory(bundle, samples, seconds, folder)
            for row in [columns, *rows]:
                print(" ".join(f"{value!s:>14}" for value in row))
            write_measured(results_folder(arguments) / f"live-{what}.csv", columns, rows)


if __name__ == "__main__":
    command(main)
