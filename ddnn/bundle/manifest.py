"""`manifest.json`: what a bundle holds and what it was made for.

    BUNDLE/
      manifest.json          its last key is a hash of all the rest of it, see ddnn.seal
      sections/NODE.onnx     one a node with a section
      exits/EXIT.onnx        one a tier with an exit
      weights.safetensors    what training and evaluation read; the runtime never does

ONNX inputs and outputs (N is the batch, always first):

    section of a device   views (N,C,H,W) of its view's type         -> features, scores
    section above         features_0 .. features_M-1 float32 (N,F,H,W), one a child in the order
                          of Topology.children, present float32 (N,M) -> features, scores
    exit                  scores float32 (N,M,K), one a member in the order of
                          Topology.section_nodes, present float32 (N,M) -> logits float32 (N,K)

`features` float32 (N,F,H,W) exists where the node has a parent, `scores` float32 (N,K) where
its tier has an exit. present is 1 where the child or member delivered, else 0. Feature values
are -1 or +1 for 1 bit, multiples of 1/(2^k - 1) in [0, 1] for k = 2, 4, 8, anything for 32.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from ddnn.coding.entropy import CONTEXTS
from ddnn.errors import ConfigError
from ddnn.runfolder import BUNDLE_VERSION
from ddnn.seal import seal
from ddnn.topology import Model, Name, Topology, ViewNames

MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"


def _as_tuple(given: object) -> object:
    """One number, or nothing, as bundles of one threshold for all losses have it."""
    if given is None:
        return ()
    return (given,) if isinstance(given, int | float) else given


class ExitRule(Model):
    """How an exit decides: see ddnn.decision. threshold_lost: where 1, 2 and so on views have no
    part; the last also where more have none. Empty: the threshold. One number is the same for all.
    """

    threshold: float | None = Field(ge=0, le=1)
    temperature: float = Field(1.0, gt=0, le=1000)
    threshold_lost: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...], BeforeValidator(_as_tuple)
    ] = Field((), strict=False)

    def thresholds(self, lost_N: NDArray[np.integer[Any]]) -> NDArray[np.float32] | None:
        """Of each sample, by how many views have no part in it; None: the exit always answers."""
        if self.threshold is None:
            return None
        table = np.array([self.threshold, *self.threshold_lost], dtype=np.float32)
        return np.asarray(table[np.minimum(lost_N, len(table) - 1)])  # as entropies are

    def threshold_for(self, lost: int) -> float | None:
        """As `thresholds`, of one sample."""
        if self.threshold is None or not lost or not self.threshold_lost:
            return self.threshold
        return self.threshold_lost[min(lost, len(self.threshold_lost)) - 1]

    def always(self, threshold: float) -> ExitRule:
        """The same with this threshold, whoever is lost."""
        return self.model_copy(update={"threshold": threshold, "threshold_lost": ()})


class Manifest(Model):
    """The checked content of `manifest.json`."""

    schema_version: Literal[2] = BUNDLE_VERSION
    topology: Topology
    exits: dict[Name, ExitRule]
    prior_class: int = Field(ge=0, description="commonest class in training: the answer to nothing")
    views: ViewNames | None = Field(
        None, description="names of those trained on, in the devices' order; none: not kept"
    )
    data: dict[str, Any] = Field(default_factory=dict, description="card and digest trained on")
    training: dict[str, Any] = Field(default_factory=dict, description="summary of the training")
    versions: dict[str, str] = Field(default_factory=dict)
    tables: dict[Name, str] = Field(
        default_factory=dict, description="of nodes with entropy-coded features, hexadecimal"
    )
    sha256: dict[str, str] = Field(description="of every other file, by path in the bundle")

    @model_validator(mode="after")
    def _views_fit(self) -> Manifest:
        if self.views is not None and len(set(self.views)) != self.topology.views:
            raise ConfigError(
                f"views: got {list(self.views)}, want {self.topology.views} that differ"
            )
        return self

    @model_validator(mode="after")
    def _tables_fit(self) -> Manifest:
        topology = self.topology
        wanted = {
            name
            for name in topology.section_nodes
            if topology.feature_code(name) == "entropy-coded"
        }
        if set(self.tables) != wanted:
            raise ConfigError(f"tables: got {sorted(self.tables)}, want {sorted(wanted)}")
        for name, table in self.tables.items():
            planes = topology.feature_shape(name).F * topology.section(name).sent_bits
            if not re.fullmatch(f"(?!(..)*00)[0-9a-f]{{{2 * CONTEXTS * planes}}}", table):
                raise ConfigError(
                    f"tables.{name}: {len(table)} characters, want {2 * CONTEXTS * planes} "
                    f"hexadecimal ones and no byte 00"
                )
        return self

    def to_bytes(self) -> bytes:
        """The file's content, with its own hash at the end."""
        return seal(self.model_dump(mode="json"))


def section_file(node: str) -> str:
    """Path in the bundle of a node's section."""
    return f"sections/{node}.onnx"


def exit_file(name: str) -> str:
    """Path in the bundle of an exit."""
    return f"exits/{name}.onnx"


def files_of(topology: Topology, nodes: Iterable[str]) -> tuple[str, ...]:
    """Paths in the bundle of all that these nodes run: their sections and the exits they hold."""
    wanted = {topology.original(node) for node in nodes}
    sections = [section_file(node) for node in topology.section_nodes if node in wanted]
    exits = [
        exit_file(name)
        for name, tier in topology.exits.items()
        if tier.exit is not None and tier.exit.at in wanted
    ]
    return (*sections, *exits)
