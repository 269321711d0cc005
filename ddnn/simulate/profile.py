"""How long things take in virtual time: measured once on a machine, or told.

Seconds throughout. What a turn of a node takes is the sum of its parts: waking up, each message
in and out, each row, and what its engines take.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import Field

from ddnn.bundle.load import Bundle
from ddnn.nodes.engine import Engine
from ddnn.topology import COLLECTOR, DEVICE, Model, Topology
from ddnn.wire.codec import Codec
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Capture, Heartbeat
from ddnn.wire.transport import Mailbox
from ddnn.yamlfile import read_yaml

Shapes = dict[str, tuple[type[np.generic], tuple[int, ...]]]

ROWS = (1, 32)
"""Batch sizes between which an engine's time is taken as a line."""
REPEATS = 60
MESSAGES = 50
"""As many as are timed together."""
SOCKET_US = 6.0
"""What a socket of ZeroMQ takes on top for each message, sent or received."""


class Cost(Model):
    """Of a run of an engine."""

    fixed_us: float = Field(25, ge=0, le=1e9)
    row_us: float = Field(6, ge=0, le=1e9)


class Profile(Model):
    """A checked profile file. The defaults are those of a small machine of 2026."""

    wake_us: float = Field(25, ge=0, le=1e9, description="a turn of a node's loop")
    message_us: float = Field(14, ge=0, le=1e9, description="each message taken in or sent")
    row_us: float = Field(1.2, ge=0, le=1e9, description="each row of a message")
    latency_us: float = Field(60, ge=0, le=1e9, description="from a socket to the other")
    jitter_us: float = Field(20, ge=0, le=1e9, description="uniform, added to the latency")
    cores: int | None = Field(None, ge=1, le=4096, description="of a host; default: enough")
    engines: dict[str, Cost] = Field({}, max_length=4096, description="by node, or exit:NAME")

    def engine(self, name: str) -> tuple[float, float]:
        """Seconds a run takes, and each row of it."""
        cost = self.engines.get(name, Cost())
        return cost.fixed_us / 1e6, cost.row_us / 1e6

    @property
    def turn_s(self) -> tuple[float, float, float]:
        """Waking up, a message, a row."""
        return self.wake_us / 1e6, self.message_us / 1e6, self.row_us / 1e6


class Meter:
    """What the engines of a turn took."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def spend(self, seconds: float) -> None:
        """Adds to it."""
        self.spent_s += seconds

    def take(self) -> float:
        """What was spent since the last look."""
        spent_s, self.spent_s = self.spent_s, 0.0
        return spent_s


def read_profile(path: str | Path) -> Profile:
    """The profile of a YAML file. Raises ConfigError naming file and key."""
    return read_yaml(Path(path), Profile)


def measured(bundle: Bundle, base: Profile | None = None) -> Profile:
    """A profile with this machine's times for the bundle's sections, exits and
    messages, on its cores."""
    topology, engines = bundle.topology, dict[str, Cost]()
    shapes: Shapes
    for name in topology.section_nodes:
        engine = Engine(bundle.section_path(name))
        if topology.nodes[name].role == DEVICE:
            shapes = {"views": (np.uint8, tuple(topology.view.shape))}
        else:
            children = topology.children(name)
            shapes = {"present": (np.float32, (len(children),))}
            for place, child in enumerate(children):
                shapes[f"features_{place}"] = (np.float32, tuple(topology.feature_shape(child)))
        engines[name] = _cost(engine, shapes)
    classes = len(topology.classes)
    for name, tier in topology.exits.items():
        members = len(topology.members(tier.name))
        shapes = {"scores": (np.float32, (members, classes)), "present": (np.float32, (members,))}
        engines[f"exit:{name}"] = _cost(Engine(bundle.exit_path(name)), shapes)
    update = {"engines": engines, "message_us": _message_us(topology), "cores": os.cpu_count()}
    return (base or Profile()).model_copy(update=update)


def _message_us(topology: Topology) -> float:
    """What an end of a link takes for a short message: sealing or opening, counting, handing on."""
    network, codec = MemoryNetwork(), Codec(topology, 1)
    device = topology.devices[0]
    ends = [Mailbox(name, codec, network.join(name), boot=1) for name in (COLLECTOR, device)]
    for end in ends:
        end.join(1)
    ends[0].send(device, Heartbeat(boot=1))

    def once() -> None:
        for sample in range(MESSAGES):
            ends[0].send(device, Capture([sample]))
        ends[1].receive(0)

    return round(SOCKET_US + _median_us(once) / MESSAGES / 2, 2)


def _cost(engine: Engine, shapes: Shapes) -> Cost:
    """The line through the medians of both batch sizes."""
    few, many = (
        _median_us(
            lambda rows=rows: engine.run(  # type: ignore[misc]  # the batch of this turn
                {name: np.ones((rows, *shape), dtype) for name, (dtype, shape) in shapes.items()}
            )
        )
        for rows in ROWS
    )
    row_us = max(0.0, (many - few) / (ROWS[1] - ROWS[0]))
    return Cost(fixed_us=round(max(0.0, few - row_us), 2), row_us=round(row_us, 3))


def _median_us(once: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        begun_s = time.process_time()
        once()
        times.append(time.process_time() - begun_s)
    return float(np.median(times)) * 1e6
