"""SEARCH.yaml: what of a network and its training may vary, and what is wanted of it.

name: small
data: rendered
topology: six-cameras
space:
  tiers.device.section.blocks.0.filters: {low: 1, high: 8}      # whole numbers
  tiers.cloud.aggregator: [concat, max]                         # one of a list
  settings.learning_rate: {low: 0.0003, high: 0.03, log: true}
  early_share: {low: 0.3, high: 0.95}                           # of the thresholds
objectives: [accuracy, bytes, energy]
trials: 40
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ddnn.data.loading import load
from ddnn.errors import ConfigError
from ddnn.shipped import find
from ddnn.study.job import Job
from ddnn.study.places import card_place
from ddnn.study.studyfile import Seed, changed
from ddnn.study.trainings import FUNCTION
from ddnn.topology import Model, Name, Topology, read_topology
from ddnn.training.settings import PresetName, settings_for
from ddnn.yamlfile import read_yaml

Objective = Literal["accuracy", "bytes", "energy"]
Number = int | float
KNOB, EARLY_SHARE = "settings.", "early_share"


class Range(Model):
    """low to high, both included; whole numbers where both are. log: by factors."""

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="after")
    def _rises(self) -> Range:
        if not self.low < self.high:
            raise ConfigError(f"low: got {self.low}, want less than high, {self.high}")
        if self.log and self.low <= 0:
            raise ConfigError(f"low: got {self.low}, want more than 0 where log is true")
        return self


Choice = Annotated[tuple[str | int | float | bool | None, ...], Field(strict=False, min_length=2)]


class SearchFile(Model):
    """The checked content of a search file."""

    name: Name
    data: str = Field(description="data card: a file, relative to this one, or a shipped name")
    topology: str = Field(description="a file, relative to this one, or a shipped name")
    space: dict[str, Range | Choice] = Field(
        min_length=1,
        description="by key path in the topology, settings.KNOB of the training, or early_share, "
        "the least share of validation samples that thresholds let answer below the last exit",
    )
    preset: PresetName = "robust"
    settings: dict[str, Any] = Field(default_factory=dict, description="knobs that do not vary")
    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1)] = (0,)
    objectives: Annotated[tuple[Objective, ...], Field(strict=False, min_length=1)] = (
        "accuracy",
        "bytes",
    )
    trials: int = Field(ge=1, le=100_000)
    parallel: int = Field(
        4, ge=1, le=1000, description="trials chosen at a time, whatever the engine: more are "
        "quicker on many cores, fewer learn more from each"
    )  # fmt: skip
    seed: Seed = Field(0, description="of the sampler")


class Search:
    """A search file, with its networks made."""

    def __init__(self, path: str | Path, *, runs: Path) -> None:
        """runs: folder of the trained networks.

        Raises ConfigError naming file, key path, the value got and what was wanted.
        """
        self._source = Path(path)
        self.file = read_yaml(self._source, SearchFile)
        if len(set(self.file.objectives)) != len(self.file.objectives):
            raise ConfigError(f"{path}: objectives: {list(self.file.objectives)}, want each once")
        beside = self._source.parent / self.file.topology
        self._base = read_topology(
            beside if beside.is_file() else find("topologies", self.file.topology)
        )
        card = card_place(self.file.data, beside=self._source)
        data = load(card)
        if not len(data.split.validation):
            raise ConfigError(f"{path}: data: {card} holds no validation samples out, want some")
        self._digest = data.digest
        self._places = {"card": card, "runs": str(runs.absolute())}
        for chosen in self._corners():
            self.jobs(chosen, "validation", label="")

    def jobs(self, chosen: Mapping[str, Any], split: str, *, label: str) -> list[Job]:
        """One a seed, for these values of the space.

        Raises ConfigError where they do not fit together.
        """
        topology, settings = self._network(chosen)
        same = {
            "topology": topology.model_dump(mode="json"),
            "settings": settings.model_dump(mode="json"),
            "data": self._digest,
            "masks": [[]],
            "split": split,
        }
        if EARLY_SHARE in chosen:
            same[EARLY_SHARE] = float(chosen[EARLY_SHARE])
        return [
            Job(
                function=FUNCTION,
                inputs=same | {"seed": seed},
                places=self._places,
                label=f"{label} seed {seed}",
            )
            for seed in self.file.seeds
        ]

    def _network(self, chosen: Mapping[str, Any]) -> tuple[Topology, Any]:
        knobs = dict(self.file.settings)
        changes = {}
        for path, value in chosen.items():
            if path.startswith(KNOB):
                knobs[path.removeprefix(KNOB)] = value
            elif path != EARLY_SHARE:
                changes[path] = value
        topology = changed(self._base, changes, source=f"{self._source}: space")
        try:
            return topology, settings_for(self.file.preset, **knobs)
        except ConfigError as error:
            raise ConfigError(f"{self._source}: {error}") from error

    def _corners(self) -> list[dict[str, Any]]:
        """Each end or choice with the first of all others: what a space gets wrong, it gets wrong
        there."""
        ends = {path: _ends(part) for path, part in self.file.space.items()}
        first = {path: values[0] for path, values in ends.items()}
        return [first | {path: value} for path, values in ends.items() for value in values]


def _ends(part: Range | tuple[Any, ...]) -> list[Any]:
    return [part.low, part.high] if isinstance(part, Range) else list(part)
