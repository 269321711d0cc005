"""Draws a topology as text: tiers from the cloud down, and who sends what to whom."""

from __future__ import annotations

from pathlib import Path

from ddnn.blocks import FC, Block, Module, Onnx
from ddnn.topology import COLLECTOR, DEVICE, OwnView, Topology, exit_name


def draw(topology: Topology) -> str:
    """Several lines, for a fixed-width font."""
    sizes = {_size(topology.view_of(device).shape) for device in topology.devices}
    shown = sizes.pop() if len(sizes) == 1 else "of different sizes"
    lines = [
        f"{topology.name}: {topology.views} views {shown}, classes {', '.join(topology.classes)}"
    ]
    for tier in reversed(topology.tiers):
        lines += ["", f"{tier.name}"]
        for name in _members(topology, tier.name):
            lines.append(f"  {_section_line(topology, name)}")
        if tier.exit is not None:
            rule = (
                "always answers"
                if tier.exit.threshold is None
                else f"answers when entropy < {tier.exit.threshold:g}, else asks for features"
            )
            lines.append(
                f"  exit {exit_name(tier.name)} at {tier.exit.at}: "
                f"{tier.exit.aggregator} of {_count(len(topology.members(tier.name)), 'score')}, "
                f"{rule}"
            )
    lines += ["", f"collector  {topology.collector.endpoint}", *_places(topology)]
    return "\n".join(lines)


def _places(topology: Topology) -> list[str]:
    """Who runs on which host, where there are several, and whether they speak in secret."""
    lines = []
    if len(topology.hosts) > 1:
        names = (*topology.nodes, COLLECTOR)
        by_host = {h: [n for n in names if topology.host(n) == h] for h in topology.hosts}
        lines = [f"host {host}: {', '.join(found)}" for host, found in by_host.items()]
    if topology.security.curve:
        lines.append("every connection encrypted (CURVE), every node known by its key")
    return lines


def _members(topology: Topology, tier: str) -> tuple[str, ...]:
    return topology.devices if tier == DEVICE else topology.members(tier)


def _section_line(topology: Topology, name: str) -> str:
    node = topology.nodes[name]
    section = topology.section(name)
    if node.role == DEVICE:
        kind = node.view if isinstance(node.view, OwnView) else None
        size = f" {_size(kind.shape)} {kind.type}" if kind else ""
        source = f"view {topology.view_number(name)}{size}"
    else:
        aggregator = topology.tier(node.role).aggregator
        source = f"{aggregator} of {', '.join(topology.children(name))}"
    blocks = " → ".join(map(_block, section.blocks))
    line = f"{name:<10} {node.endpoint}  {source} → {blocks or 'raw'}"
    if node.parent is None:
        return line
    if name in topology.unmeasured:
        return f"{line} → {node.parent}: sizes are known once it is trained"
    return (
        f"{line} → {node.parent}: {_size(topology.feature_shape(name))} at "
        f"{_count(section.sent_bits, 'bit')} = {topology.feature_bytes(name)} B"
    )


def _block(block: Block) -> str:
    """Its kind, and its filters or what makes it."""
    match block:
        case Module():
            return f"module({block.factory})"
        case Onnx():
            return f"onnx({Path(block.file).name})"
        case FC():
            return f"fc({block.units})"
        case _:
            return f"{block.kind}({block.filters})"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
