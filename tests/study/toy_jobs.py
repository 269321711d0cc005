"""Jobs for tests of engines: functions that a worker finds by name."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddnn.errors import DataError
from ddnn.study.job import Job
from ddnn.study.subsets import measure

Inputs, Places = Mapping[str, Any], Mapping[str, str]


def job(name: str, *, places: Places | None = None, **inputs: Any) -> Job:
    """Of a function here."""
    return Job(
        function=f"toy_jobs:{name}", inputs=inputs, places=places or {}, label=f"{name} {inputs}"
    )


def square(inputs: Inputs, _places: Places) -> int:
    return int(inputs["n"]) ** 2


def threads(_inputs: Inputs, _places: Places) -> int:
    import torch  # noqa: PLC0415  # loaded in the worker

    return torch.get_num_threads()


def refuse(_inputs: Inputs, _places: Places) -> None:
    raise DataError("the card is empty")


def stumble(_inputs: Inputs, _places: Places) -> None:
    raise ValueError("no\nsuch luck")


def die_once(_inputs: Inputs, places: Places) -> str:
    """The first process to run it is killed, as by a kernel that lacks memory."""
    mark = Path(places["mark"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def die(_inputs: Inputs, _places: Places) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(_inputs: Inputs, places: Places) -> None:
    """Says who it is, then never ends by itself."""
    Path(places["mark"]).write_text(str(os.getpid()))
    signal.pause()


def hold_out(_inputs: Inputs, places: Places) -> None:
    """Says that it runs, then takes no signal that can be caught for its end."""
    Path(places["mark"]).touch()
    while True:
        signal.pause()


def wait_for_looks(inputs: Inputs, places: Places) -> int:
    """Ends once the queue was looked at so often."""
    from waiting import wait_until  # noqa: PLC0415  # on the path of who uses it

    with Path(places["starts"]).open("a", encoding="utf-8") as starts:
        starts.write("started\n")
    asked = Path(places["asked"])
    wait_until(lambda: asked.exists() and len(asked.read_text()) >= inputs["looks"])
    return int(inputs["looks"])


def measure_held(inputs: Inputs, places: Places) -> dict[str, Any]:
    """As the job of `ddnn failures`, but waits until it may go on."""
    from waiting import wait_until  # noqa: PLC0415  # on the path of who uses it

    folder = Path(places["folder"])
    (folder / f"began-{os.getpid()}").touch()
    wait_until((folder / "go").exists)
    return measure(inputs, places)
