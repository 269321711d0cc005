"""What is made to fail, when: the failures of one launch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ddnn.errors import ConfigError
from ddnn.topology import Topology

FailureKind = Literal["kill", "recover"]
KINDS: tuple[str, ...] = get_args(FailureKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Before `sample` is asked for, `kind` happens to `node`."""

    node: str
    kind: FailureKind
    sample: int


def parse_failure(text: str, kind: FailureKind, topology: Topology, samples: int) -> Failure:
    """A failure written NODE@SAMPLE.

    Raises ConfigError for an unknown node or a sample that will not be run.
    """
    match = re.fullmatch(r"([^@]+)@(\d{1,9})", text)
    if match is None:
        raise ConfigError(f"--{kind}: got {text!r}, want NODE@SAMPLE, for example cam4@100")
    check_node(match[1], topology)
    sample = int(match[2])
    if sample >= samples:
        raise ConfigError(f"--{kind} {text}: sample {sample}, want less than {samples}")
    return Failure(node=match[1], kind=kind, sample=sample)


def check_node(node: str, topology: Topology) -> None:
    """Raises ConfigError if the topology has no such node."""
    if node not in topology.nodes:
        raise ConfigError(f"no node named {node!r} (known: {', '.join(topology.nodes)})")
