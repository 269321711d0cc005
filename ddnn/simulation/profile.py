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
from ddnn.data.noise import random_views
from ddnn.nodes.engine import Engine
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import DEVICE, Model
from ddnn.wire.messages import Kind
from ddnn.yamlfile import read_yaml

Shapes = dict[str, tuple[type[np.generic], tuple[int, ...]]]

ROWS = (1, 32)
"""Batch sizes between which an engine's time is taken as a line."""
REPEATS = 60
COLD = 1.8
"""A process that wakes up finds caches of others: things take longer by so much than in a loop.
Fitted once, to one sample at a time at the local exit of a launch on two idle cores (2.8 ms)."""
SAMPLES = 60
"""As many are run to see what messages take."""
SOCKET_US = 20.0
"""What a socket of ZeroMQ, its thread and the kernel take for each message, sent or received."""


class Cost(Model):
    """Of a run of an engine."""

    fixed_us: float = Field(25, ge=0, le=1e9)
    row_us: float = Field(6, ge=0, le=1e9)


class Profile(Model):
    """A checked profile file. The defaults are those of a small machine of 2026."""

    wake_us: float = Field(60, ge=0, le=1e9, description="a turn of a node's loop")
    message_us: float = Field(45, ge=0, le=1e9, description="each message taken in or sent")
    row_us: float = Field(1.2, ge=0, le=1e9, description="each row of a message")
    latency_us: float = Field(40, ge=0, le=1e9, description="from a socket to the other")
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
            kind = topology.view_of(name)
            shapes = {"views": (np.dtype(kind.type).type, tuple(kind.shape))}
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
    handling_us = COLD * _handling_us(bundle, engines)
    engines = {name: _cold(cost) for name, cost in engines.items()}
    update = {"engines": engines, "message_us": round(handling_us, 2), "cores": os.cpu_count()}
    return (base or Profile()).model_copy(update=update)


def _cold(cost: Cost) -> Cost:
    return Cost(fixed_us=round(COLD * cost.fixed_us, 2), row_us=round(COLD * cost.row_us, 3))


def _handling_us(bundle: Bundle, engines: dict[str, Cost]) -> float:
    """What a message takes at each of its ends, beside engines: a run in one process, one sample
    at a time, and what a socket takes on top."""
    topology = bundle.topology
    views = random_views(topology, SAMPLES)
    begun_s = time.process_time()
    recorder = run_inprocess(bundle, views, window=1)
    spent_us = (time.process_time() - begun_s) * 1e6
    counts = [c for account in recorder.accounts.values() for c in account.links if c.sent]
    asked = sum(c.rows for c in counts if c.kind is Kind.CAPTURE) / len(topology.devices)
    spent_us -= asked * sum(cost.fixed_us + cost.row_us for cost in engines.values())
    messages = sum(count.messages for count in counts)
    return round(SOCKET_US + max(0.0, spent_us) / messages / 2, 2)


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
