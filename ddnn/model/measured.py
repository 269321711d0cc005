"""Fills in what a topology cannot say of itself: the shapes that modules give."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ddnn.blocks import Block, Measured, MeasuredFile, Module, Onnx
from ddnn.errors import ConfigError
from ddnn.model.onnx_block import measure_file
from ddnn.model.own_module import ModuleBlock, measure
from ddnn.topology import Section, Shape, Tier, Topology

Sections = dict[str, Section]
"""By node, with all modules measured."""


class _Found(NamedTuple):
    section: Section
    shape: Shape


def measured(
    topology: Topology, try_out: Callable[[ModuleBlock], object] | None = None
) -> Topology:
    """The same topology with what each module gives written into it, checked as a whole.

    try_out: what else to do with each module that is run.
    A tier's section whose modules give different shapes at different nodes becomes the nodes' own.
    Raises ConfigError naming the module that cannot be made or run, or what does not fit.
    """
    if not topology.has_modules:
        return topology
    shapes: dict[str, Shape] = {}
    sections: Sections = {}
    run = _Runner(try_out)
    for name in topology.section_nodes:
        shape = topology.input_shape(name, shapes)
        sections[name], shapes[name] = run(topology.section(name), shape, f"nodes.{name}.section")
    document = topology.model_dump(mode="json")
    for tier, written in zip(topology.tiers, document["tiers"], strict=True):
        members = topology.members(tier.name)
        shared = {name: sections[name] for name in members if not topology.nodes[name].section}
        first = next(iter(shared.values()), tier.section)
        differ = any(section != first for section in shared.values())
        if not differ:
            written["section"] = first.model_dump(mode="json")
        for name in members:
            if differ or name not in shared:
                document["nodes"][name]["section"] = sections[name].model_dump(mode="json")
        if tier.exit is not None and tier.exit.blocks:
            heads = {
                name: run(tier.exit.head(sections[name]), shapes[name], _where(tier)).section
                for name in members
            }
            written["exit"]["blocks"] = _same_blocks(heads, _where(tier))
    return Topology.model_validate(document)


def _where(tier: Tier) -> str:
    return f"tier {tier.name}: exit"


def _same_blocks(heads: Sections, where: str) -> list[object]:
    """The blocks of a tier's exit as they are to be written."""
    first, *rest = heads.values()
    if any(head.blocks != first.blocks for head in rest):
        raise ConfigError(
            f"{where}.blocks: a module gives different shapes at {', '.join(heads)}, want the same"
        )
    return [block.model_dump(mode="json") for block in first.blocks]


class _Runner:
    """Runs the modules of sections, equal ones on equal shapes once."""

    def __init__(self, try_out: Callable[[ModuleBlock], object] | None) -> None:
        self._try_out = try_out
        self._known: dict[tuple[str, Shape], Measured | MeasuredFile] = {}

    def __call__(self, section: Section, shape: Shape, where: str) -> _Found:
        blocks: list[Block] = []
        for number, given in enumerate(section.blocks):
            block = given
            if isinstance(block, Module | Onnx):
                try:
                    block = block.model_copy(update={"measured": self._measure(block, shape)})
                except ConfigError as error:
                    raise ConfigError(f"{where}.blocks.{number}: {error}") from error
            shape = block.output(shape)
            blocks.append(block)
        return _Found(section.model_copy(update={"blocks": tuple(blocks)}), shape)

    def _measure(self, block: Module | Onnx, shape: Shape) -> Measured | MeasuredFile:
        key = (block.model_dump_json(), shape)
        if key not in self._known:
            self._known[key] = (
                measure(block, shape, self._try_out)
                if isinstance(block, Module)
                else measure_file(block, shape)
            )
        return self._known[key]
