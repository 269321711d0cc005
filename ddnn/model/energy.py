"""What a sample costs in energy: multiplications, memory and radio, beside plain 32-bit networks.

All of it follows from a topology, the share of the samples that each exit answers and a table of
constants; nothing is measured on hardware.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, NonNegativeFloat

from ddnn.model.cost import scores_sent
from ddnn.model.layers import LayerCost, block_layers, head_layers
from ddnn.topology import Bits, Model, Topology, exit_name
from ddnn.yamlfile import read_yaml

PICO_A_NANO = 1000
PICO_A_MICRO = 1_000_000
PLAIN_BITS: Bits = 32
DEFAULT = Path(__file__).with_name("energy.yaml")
"""Constants from publications, with their sources."""
Shares = Mapping[str, float]
"""By exit name, lowest first: the part of all samples that it answers, 0 to 1."""


class MacEnergy(Model):
    """Of a multiply-accumulate, by the width of its wider factor."""

    pj: dict[Bits, NonNegativeFloat] = Field(min_length=5)
    source: str


class MemoryEnergy(Model):
    """Of reading a weight or an input, each once a layer and sample."""

    pj_per_bit: NonNegativeFloat
    source: str


class RadioEnergy(Model):
    """Of sending payload."""

    nj_per_bit: NonNegativeFloat
    source: str


class Constants(Model):
    """A table of constants, such as DEFAULT."""

    mac: MacEnergy
    memory: MemoryEnergy
    radio: RadioEnergy


class Energy(NamedTuple):
    """Picojoule a sample."""

    compute_pj: float = 0.0
    memory_pj: float = 0.0
    radio_pj: float = 0.0


class Comparison(NamedTuple):
    """Microjoule a sample, ours and of a plain network at 32 bits."""

    ours_uj: float
    plain_uj: float

    @property
    def reduction(self) -> float:
        return self.plain_uj / self.ours_uj


def read_constants(path: str | Path) -> Constants:
    """Raises ConfigError naming file, key path, the value got and what was wanted."""
    return read_yaml(Path(path), Constants)


def comparisons(topology: Topology, constants: Constants, shares: Shares) -> dict[str, Comparison]:
    """One system beside a plain network in four ways, by name.

    edge: multiplications below the cloud; plain: the same layers at 32 bits.
    compute: all multiplications; plain: the network at 32 bits without early exits. This is the one
        that fits the figures of Long et al. 2020.
    sent: multiplications, memory and radio; plain: as before, in the cloud, which gets raw views.
    kept: the same of ours; plain: as before, all of it on the device, which sends nothing.
    """
    ours = [energy_of(topology, tier.name, constants, shares) for tier in topology.tiers]
    same = [
        energy_of(topology, tier.name, constants, shares, plain=True) for tier in topology.tiers
    ]
    plain = _sum(
        working(_as_plain(_trunk(topology, tier.name)), constants) for tier in topology.tiers
    )
    edge, whole = _sum(ours[:-1]), _sum(ours)
    raw_bits = topology.views * topology.view_bytes * 8
    raw = plain._replace(radio_pj=raw_bits * constants.radio.nj_per_bit * PICO_A_NANO)
    return {
        "edge": _compared(edge.compute_pj, _sum(same[:-1]).compute_pj),
        "compute": _compared(whole.compute_pj, plain.compute_pj),
        "sent": _compared(sum(whole), sum(raw)),
        "kept": _compared(sum(whole), sum(plain)),
    }


def energy_of(
    topology: Topology, tier: str, constants: Constants, shares: Shares, *, plain: bool = False
) -> Energy:
    """Of a tier's nodes, and of what they send, a sample of those that enter the system.

    plain: with layers of 32 bits.
    """
    here, left = passing(topology, shares)[tier]
    total = Energy()
    for name in topology.members(tier):
        layers = [*block_layers(topology, name), *head_layers(topology, name)]
        spent = working(_as_plain(layers) if plain else layers, constants)
        bits = 8 * (here * scores_sent(topology, name) + left * _feature_bytes(topology, name))
        radio_pj = bits * constants.radio.nj_per_bit * PICO_A_NANO
        total = _sum([total, Energy(here * spent.compute_pj, here * spent.memory_pj, radio_pj)])
    return total


def working(layers: Iterable[LayerCost], constants: Constants) -> Energy:
    """Of layers that each work once, their weights and inputs read once."""
    compute_pj = memory_pj = 0.0
    for layer in layers:
        compute_pj += layer.macs * constants.mac.pj[layer.mac_bits]
        read_bits = layer.weights * layer.weight_bits + layer.input_values * layer.input_bits
        memory_pj += read_bits * constants.memory.pj_per_bit
    return Energy(compute_pj, memory_pj)


def passing(topology: Topology, shares: Shares) -> dict[str, tuple[float, float]]:
    """By tier: which part of the samples reaches it, and which part its exit leaves open."""
    found, here = {}, 1.0
    for tier in topology.tiers:
        left = here - shares.get(exit_name(tier.name), 0.0)
        found[tier.name] = here, left
        here = left
    return found


def _trunk(topology: Topology, tier: str) -> list[LayerCost]:
    """Of a tier's nodes, without early exits."""
    is_last = tier == topology.tiers[-1].name
    layers: list[LayerCost] = []
    for name in topology.members(tier):
        layers += block_layers(topology, name)
        layers += head_layers(topology, name) if is_last else []
    return layers


def _as_plain(layers: Iterable[LayerCost]) -> list[LayerCost]:
    return [layer._replace(weight_bits=PLAIN_BITS, input_bits=PLAIN_BITS) for layer in layers]


def _feature_bytes(topology: Topology, name: str) -> int:
    return 0 if topology.nodes[name].parent is None else topology.feature_bytes(name)


def _sum(energies: Iterable[Energy]) -> Energy:
    return Energy(*map(sum, zip(*energies, strict=True)))


def _compared(ours_pj: float, plain_pj: float) -> Comparison:
    return Comparison(ours_pj / PICO_A_MICRO, plain_pj / PICO_A_MICRO)
