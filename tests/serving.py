"""A live system in this process, and what its cameras are told."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from networks import Trained
from ports import free_port
from posting import post
from waiting import wait_until

from ddnn.live.events import VerdictEvent
from ddnn.live.service import Service
from ddnn.live.serving import Live
from ddnn.live.sources.file import read_sources
from ddnn.live.sources.push import RAW
from ddnn.topology import Topology


class Running:
    """A service that a thread of its own turns, and what it answered."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.verdicts: list[VerdictEvent] = []
        self.others: list[dict] = []
        self.report: dict = {}
        self._reader = service.feed.subscribe(10**6)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.report = self.service.run()

    def __enter__(self) -> "Running":
        self.service.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()
        self._thread.join(60)
        self.service.__exit__()
        self.look()

    def look(self) -> None:
        for event in self._reader.take():
            (self.verdicts if event["kind"] == "verdict" else self.others).append(event)

    def assert_none_is_lost(self) -> None:
        """Each sample that was asked for has one verdict."""
        numbers = sorted(verdict["sample"] for verdict in self.verdicts)
        assert numbers == list(range(len(numbers)))

    def until(self, holds: Callable[["Running"], object]) -> None:
        def is_so() -> bool:
            self.look()
            return bool(holds(self))

        wait_until(is_so)


def recorded(trained: Trained, folder: Path, sample: str, *, loop: bool = True) -> Live:
    """All devices see recorded views."""
    topology, samples = trained.bundle.topology, trained.samples
    path = folder / "sources.yaml"
    devices = "".join(f"  {name}: {{kind: recorded}}\n" for name in topology.devices)
    path.write_text(f"sample: {sample}\ndevices:\n{devices}")
    return Live(
        path=path,
        sources=read_sources(path, topology, topology.devices),
        recorded={name: samples.views_NVCHW[:, v] for v, name in enumerate(topology.devices)},
        labels=tuple(samples.fused_labels_N.tolist()),
        end=None if loop else len(samples),
    )


def pushing(
    topology: Topology, folder: Path, head: str, more: str = ""
) -> tuple[Live, dict[str, int]]:
    """All devices are pushed to, at these ports."""
    ports = {name: free_port() for name in topology.devices}
    path = folder / "sources.yaml"
    devices = "".join(
        f"  {name}: {{kind: push, listen: '127.0.0.1:{port}'{more}}}\n"
        for name, port in ports.items()
    )
    path.write_text(f"{head}\ndevices:\n{devices}")
    return Live(path=path, sources=read_sources(path, topology, topology.devices)), ports


def push(port: int, device: str, view_CHW: np.ndarray) -> None:
    body = np.ascontiguousarray(view_CHW.transpose(1, 2, 0))
    shape = ",".join(map(str, body.shape))
    path = f"/push/{device}"
    assert post(port, path, body.tobytes(), Content_Type=RAW, X_Shape=shape)[0] == 204


def pushed(port: int, device: str, view_CHW: np.ndarray) -> bool:
    try:
        push(port, device, view_CHW)
    except OSError:
        return False
    return True
