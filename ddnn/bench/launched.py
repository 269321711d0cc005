"""One launch, measured: latency, throughput, processor time and switches a sample.

Called as a script in a process of its own, `python launched.py CONFIG`, which prints JSON. So the
same measurement can be made of another version of ddnn: of it this file uses only `launch`,
`leaving_at` and `random_views`, and `rate_hz` where it has that.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

WARM_SHARE = 0.1
"""Of the samples: what processor time they take does not count."""


class Usage(NamedTuple):
    """Of some processes, since their starts. switches: voluntary ones, each a wait."""

    processor_s: float
    switches: int

    def since(self, before: Usage) -> Usage:
        """What came in between."""
        return Usage(self.processor_s - before.processor_s, self.switches - before.switches)


def usage(pids: list[int]) -> Usage:
    """Of all their threads. Linux alone tells it (proc(5))."""
    nanoseconds = switches = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text(encoding="utf-8").split()[0])
            for line in (task / "status").read_text(encoding="utf-8").splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    switches += int(line.split()[1])
    return Usage(nanoseconds / 1e9, switches)


def family() -> list[int]:
    """This process and those that it started."""
    own = os.getpid()
    found = [own]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text("utf-8", "replace").rsplit(")", 1)[1].split()[1]
        except OSError:
            continue  # it has just ended
        if int(parent) == own:
            found.append(int(path.parent.name))
    return found


class Meter:
    """Watches a launch: what its processes use for its samples."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._family: list[int] = []
        self._warm: tuple[int, Usage] | None = None
        self.processor_us = 0.0
        self.switches = 0.0

    def say(self, line: str) -> None:
        """Lines for a person: one says that all nodes are ready."""
        if "nodes ready" in line:
            self._family = family()

    def progress(self, answered: int) -> None:
        """So many samples are answered."""
        if self._warm is None and answered >= WARM_SHARE * self._samples:
            self._warm = answered, usage(self._family)
        elif self._warm is not None and answered == self._samples:
            warm, before = self._warm
            used = usage(self._family).since(before)
            self.processor_us = used.processor_s * 1e6 / max(1, answered - warm)
            self.switches = used.switches / max(1, answered - warm)


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Launches the bundle in `config` and says what it took. exit: where all samples leave.
    samples: as many random ones, `rounds` times. window, idle_s, rate_hz: see launch's Options."""
    from ddnn.bench.runtime import leaving_at, random_views  # noqa: PLC0415 - of the version that is measured
    from ddnn.bundle.load import load_bundle  # noqa: PLC0415
    from ddnn.run.launcher.launch import Options, Watcher, launch  # noqa: PLC0415

    bundle = load_bundle(Path(config["bundle"]))
    samples = random_views(bundle.topology, config["samples"])
    meter = Meter(config["samples"] * config["rounds"])
    known = {field.name for field in fields(Options)}
    given = {
        name: value for name in ("rounds", "window", "idle_s", "rate_hz") if (value := config[name])
    }
    if given.keys() - known:
        return {"unknown": sorted(given.keys() - known)}
    options = Options(free_ports=True, **given)
    watcher = Watcher(say=meter.say, progress=meter.progress)
    with leaving_at(bundle, config["exit"]) as changed:
        report = launch(changed, samples, options, watcher).report
    times = report["latency_ms"].get(config["exit"], {})
    return {
        "latency_us": {name: 1000 * value for name, value in times.items()},
        "samples_per_s": report["throughput_samples_per_s"],
        "degraded": report["degraded"],
        "ready_s": report["ready_s"],
        "processor_us": meter.processor_us,
        "switches": meter.switches,
        "idle_core_share": report.get("idle_core_share", 0.0),
        "device_resident_mb": max(
            report["nodes"][name]["resident_mb"] or 0.0 for name in bundle.topology.devices
        ),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.loads(sys.argv[1]))) + "\n")
