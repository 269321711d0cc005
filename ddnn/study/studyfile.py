"""STUDY.yaml: which networks to train with which seeds, and what to lose of them.

name: filters
data: rendered
topologies: [six-cameras, my-edge.yaml]
change:                                         # of each topology, every combination
  tiers.device.section.blocks.0.filters: [2, 4, 8]
settings:                                       # of the training, every combination
  device_dropout: [0.0, 0.3]
seeds: 5
masks: all
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ddnn.data.loading import load
from ddnn.errors import ConfigError
from ddnn.shipped import find
from ddnn.study.job import Job
from ddnn.study.places import card_place
from ddnn.study.trainings import FUNCTION
from ddnn.topology import Model, Name, Topology, read_topology
from ddnn.training.failures import subsets
from ddnn.training.settings import PresetName, Settings, settings_for
from ddnn.yamlfile import check_values, read_yaml

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Values = Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]
Seeds = Annotated[tuple[Seed, ...], Field(strict=False, min_length=1)]
Masks = Annotated[tuple[Annotated[tuple[str, ...], Field(strict=False)], ...], Field(strict=False)]
MOST_JOBS = 100_000


class StudyFile(Model):
    """The checked content of a study file."""

    name: Name
    data: str = Field(description="data card: a file, relative to the study, or a shipped name")
    topologies: tuple[str, ...] = Field(
        strict=False, min_length=1, description="files, relative to the study, or shipped names"
    )
    change: dict[str, Values] = Field(
        default_factory=dict,
        description="by key path in the topology, tiers by name: values of which each is tried",
    )
    preset: PresetName = "robust"
    settings: dict[str, Values] = Field(
        default_factory=dict, description="by knob of the training: values of which each is tried"
    )
    seeds: Annotated[int, Field(ge=1, le=10_000)] | Seeds = Field(
        description="how many from 0, or which"
    )
    masks: Literal["none", "one", "all"] | Masks = Field(
        "none",
        description="devices lost: none, each one, every set, or which sets; none lost is always "
        "measured",
    )
    split: Literal["validation", "test"] = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One network and training of a study. chosen: what tells it from the others, by column."""

    topology: Topology
    settings: Settings
    chosen: dict[str, Any]

    @property
    def label(self) -> str:
        """For a person."""
        return " ".join(str(value) for value in self.chosen.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A study, ready to run. jobs: by point, one a seed."""

    name: str
    points: tuple[Point, ...]
    jobs: tuple[tuple[Job, ...], ...]

    @property
    def all_jobs(self) -> list[Job]:
        """Seed by seed, so that there is something of every network early."""
        return [job for jobs in zip(*self.jobs, strict=True) for job in jobs]


def read_study(path: str | Path, *, runs: Path) -> Plan:
    """The jobs of a study file. runs: folder of the trained networks.

    Raises ConfigError naming file, key path, the value got and what was wanted, whatever is wrong
    with any of its networks.
    """
    file = Path(path)
    study = read_yaml(file, StudyFile)
    points = tuple(_points(study, file))
    seeds = range(study.seeds) if isinstance(study.seeds, int) else study.seeds
    if len(points) * len(seeds) > MOST_JOBS:
        raise ConfigError(f"{file}: {len(points) * len(seeds)} jobs, want at most {MOST_JOBS}")
    card = card_place(study.data, beside=file)
    digest = load(card).digest
    jobs = tuple(
        tuple(
            Job(
                function=FUNCTION,
                inputs={
                    "topology": point.topology.model_dump(mode="json"),
                    "settings": point.settings.model_dump(mode="json"),
                    "seed": seed,
                    "data": digest,
                    "masks": masks,
                    "split": study.split,
                },
                places={"card": card, "runs": str(runs.absolute())},
                label=f"{point.label} seed {seed}",
            )
            for seed in seeds
        )
        for point in points
        for masks in [_masks(study, point.topology, file)]
    )
    return Plan(name=study.name, points=points, jobs=jobs)


def changed(topology: Topology, changes: Mapping[str, Any], *, source: str) -> Topology:
    """The topology with values put at key paths.

    Raises ConfigError naming the path that is none, or what no longer fits together.
    """
    document = topology.model_dump(mode="json")
    for path, value in changes.items():
        _put(document, path, value, source=source)
    return check_values(document, Topology, source=source) if changes else topology


def _points(study: StudyFile, file: Path) -> Iterator[Point]:
    for name in study.topologies:
        beside = file.parent / name
        topology = read_topology(beside if beside.is_file() else find("topologies", name))
        for changes in _grid(study.change):
            network = changed(topology, changes, source=f"{file}: change")
            for knobs in _grid(study.settings):
                if knobs.get("start_from") is not None:
                    raise ConfigError(f"{file}: settings.start_from: a study begins with none")
                try:
                    settings = settings_for(study.preset, **knobs)
                except ConfigError as error:
                    raise ConfigError(f"{file}: settings: {error}") from error
                chosen = {"topology": topology.name} | changes | knobs
                yield Point(topology=network, settings=settings, chosen=chosen)


def _grid(values: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination; one that is empty where there is nothing to choose."""
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _masks(study: StudyFile, topology: Topology, file: Path) -> list[list[str]]:
    """Sets of lost devices, none first, no set twice."""
    devices = list(topology.devices)
    if study.masks == "all":
        return [list(lost) for lost in subsets(topology)]
    if study.masks == "one":
        return [[], *([device] for device in devices if len(devices) > 1)]
    given = () if study.masks == "none" else study.masks
    for lost in given:
        for name in lost:
            if name not in devices:
                raise ConfigError(
                    f"{file}: masks: no device named {name!r} in {topology.name} "
                    f"(known: {', '.join(devices)})"
                )
        if len(set(lost)) == len(devices):
            raise ConfigError(f"{file}: masks: {list(lost)} leave no device of {topology.name}")
    sets = dict.fromkeys(tuple(d for d in devices if d in lost) for lost in ((), *given))
    return [list(lost) for lost in sets]


def _put(document: Any, path: str, value: Any, *, source: str) -> None:
    """At a path whose last key must be there already, as the model fills all in."""
    keys = path.split(".")
    for at, key in enumerate(keys):
        place = _step(document, key)
        if place is None:
            here = ".".join(keys[: at + 1])
            raise ConfigError(f"{source}: {here}: no such key (known: {_known(document)})")
        if at == len(keys) - 1:
            document[place] = value
        else:
            document = document[place]


def _step(document: Any, key: str) -> str | int | None:
    if isinstance(document, dict):
        return key if key in document else None
    if isinstance(document, list):
        names = [part.get("name") if isinstance(part, dict) else None for part in document]
        if key in names:
            return names.index(key)
        return int(key) if key.isdecimal() and int(key) < len(document) else None
    return None


def _known(document: Any) -> str:
    if isinstance(document, dict):
        return ", ".join(map(str, document))
    if isinstance(document, list):
        names = [part.get("name") for part in document if isinstance(part, dict)]
        return ", ".join(str(name or at) for at, name in enumerate(names))
    return "none, it is a value"
