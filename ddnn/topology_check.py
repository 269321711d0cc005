"""Whether the parts of a topology fit together. Each check names the key path that does not."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from ddnn.addresses import Address, parse_endpoint
from ddnn.deadlines import check_deadlines
from ddnn.errors import ConfigError
from ddnn.topology_parts import CLOUD, COLLECTOR, DEVICE, GATEWAY
from ddnn.topology_structure import Structure

MAX_CODED_BITS = 8
MAX_JPEG_VALUES = 30_000
"""Then every code fits into 64 KiB."""
MAX_WEIGHTS = 1 << 26  # of one fully connected layer; 256 MiB at 32 bits
MAX_VALUES = 1 << 22  # values in one feature map; 16 MiB at 32 bits


def check(topology: Structure) -> None:
    """Raises ConfigError for the first thing that does not fit."""
    _check_tiers(topology)
    _check_roles(topology)
    _check_counts(topology)
    _check_parents(topology)
    _check_exits(topology)
    _check_endpoints(topology)
    _check_shapes(topology)
    _check_links(topology)
    _check_packs(topology)
    check_deadlines(topology)


def _check_packs(topology: Structure) -> None:
    """What a process may use, and whether it is started again, its nodes say alike."""
    for name, node in topology.nodes.items():
        first = topology.pack(name)[0]
        for key in ("limits", "restart"):
            if getattr(node, key) != getattr(topology.nodes[first], key):
                raise ConfigError(
                    f"nodes.{name}.{key}: other than {first}'s, want the same for all nodes of one "
                    "pack: they share a process"
                )


def _known(names: Iterable[str]) -> str:
    return f"(known: {', '.join(names)})"


def _check_tiers(topology: Structure) -> None:
    names = [tier.name for tier in topology.tiers]
    if names[0] != DEVICE or names[-1] != CLOUD:
        raise ConfigError(f"tiers: got {names}, want the first named device and the last cloud")
    if len(set(names)) != len(names):
        raise ConfigError(f"tiers: got {names}, want each name once")
    if GATEWAY in names or COLLECTOR in names:
        raise ConfigError(f"tiers: {GATEWAY} and {COLLECTOR} are no tiers, got {names}")


def _check_counts(topology: Structure) -> None:
    if len(topology.members(CLOUD)) != 1:
        raise ConfigError(
            f"nodes: {len(topology.members(CLOUD))} with role cloud, want exactly one"
        )
    devices = [topology.nodes[name] for name in topology.members(DEVICE)]
    views = sorted(node.view_index for node in devices if node.view_index is not None)
    if not devices:
        raise ConfigError("nodes: none with role device, want at least one")
    if len(set(views)) < len(views) or (views and views[-1] >= len(devices)):
        raise ConfigError(
            f"nodes: devices have views {views}, want 0 to {len(devices) - 1} once each"
        )


def _check_roles(topology: Structure) -> None:
    order = [tier.name for tier in topology.tiers]
    for name, node in topology.nodes.items():
        where = f"nodes.{name}"
        if node.role not in (*order, GATEWAY):
            raise ConfigError(
                f"{where}.role: no tier named {node.role!r} {_known([*order, GATEWAY])}"
            )
        if (node.view is not None) != (node.role == DEVICE):
            raise ConfigError(f"{where}.view: got {node.view}, want one for a device and no other")
        if node.role == GATEWAY and node.section is not None:
            raise ConfigError(f"{where}.section: a gateway runs none, want it at another node")
        if name == COLLECTOR:
            raise ConfigError(f"{where}: the name is taken, want another")


def _check_parents(topology: Structure) -> None:
    order = [tier.name for tier in topology.tiers]
    for name, node in topology.nodes.items():
        where = f"nodes.{name}"
        if node.role in (GATEWAY, CLOUD):
            for key in ("parent", "fallback"):
                if (got := getattr(node, key)) is not None:
                    raise ConfigError(f"{where}.{key}: got {got!r}, want none for {node.role}")
            continue
        if node.parent not in topology.nodes:
            raise ConfigError(
                f"{where}.parent: no node named {node.parent!r} {_known(topology.nodes)}"
            )
        if node.fallback is not None:
            _check_fallback(topology, name)
        above = order[order.index(node.role) + 1]
        if topology.nodes[node.parent].role != above:
            raise ConfigError(
                f"{where}.parent: {node.parent!r} is a {topology.nodes[node.parent].role}, "
                f"want a node of tier {above}"
            )
    for name in topology.section_nodes:
        if topology.nodes[name].role != DEVICE and not topology.children(name):
            raise ConfigError(f"nodes.{name}: no node has it as parent, want at least one")


def _check_fallback(topology: Structure, name: str) -> None:
    """A fallback is the parent's parent: it already hears the parent, and knows when it is gone."""
    node = topology.nodes[name]
    parent = topology.nodes[node.parent or ""]
    if node.fallback != parent.parent:
        wanted = f"its parent {parent.parent!r}" if parent.parent else "none, it has no parent"
        raise ConfigError(
            f"nodes.{name}.fallback: got {node.fallback!r}, beyond {node.parent} want {wanted}"
        )
    if next(tier for tier in topology.tiers if tier.name == node.role).exit is None:
        raise ConfigError(f"nodes.{name}.fallback: tier {node.role} has no exit, want one")


def _check_exits(topology: Structure) -> None:
    for number, tier in enumerate(topology.tiers[1:], start=1):
        if tier.absent != "send":
            raise ConfigError(f"tiers.{number}.absent: got {tier.absent}, want it at tiers.0 only")
    if topology.tiers[-1].features != "raw-bits":
        last = len(topology.tiers) - 1
        raise ConfigError(
            f"tiers.{last}.features: got {topology.tiers[-1].features}, the last tier sends none"
        )
    for number, tier in enumerate(topology.tiers):
        where, last = f"tiers.{number}.exit", number == len(topology.tiers) - 1
        if tier.exit is None:
            if last:
                raise ConfigError(f"{where}: the last tier has none, want one: it always answers")
            continue
        if tier.exit.at not in topology.nodes:
            raise ConfigError(
                f"{where}.at: no node named {tier.exit.at!r} {_known(topology.nodes)}"
            )
        allowed = (tier.name, GATEWAY) if number == 0 else (tier.name,)
        if topology.nodes[tier.exit.at].role not in allowed:
            raise ConfigError(
                f"{where}.at: {tier.exit.at!r} is a {topology.nodes[tier.exit.at].role}, "
                f"want {' or '.join(allowed)}"
            )
        if last != (tier.exit.threshold is None):
            wanted = "none at the last exit" if last else "a number from 0 to 1"
            raise ConfigError(f"{where}.threshold: got {tier.exit.threshold}, want {wanted}")
    used = {tier.exit.at for tier in topology.tiers if tier.exit}
    for name in topology.members(GATEWAY):
        if name not in used:
            raise ConfigError(f"nodes.{name}: a gateway that holds no exit, want tiers.0.exit.at")


def _check_endpoints(topology: Structure) -> None:
    by_port: dict[int, list[tuple[str, Address]]] = {}
    for name in (COLLECTOR, *topology.nodes):
        try:
            address = parse_endpoint(topology.endpoint(name))
        except ConfigError as error:
            raise ConfigError(f"{_endpoint_key(name)}: {error}") from None
        beside = by_port.setdefault(address.port, [])
        for other, taken in beside:
            _check_apart(topology, (name, address), (other, taken))
        beside.append((name, address))
    for name, address in chain.from_iterable(by_port.values()):
        if address.is_wildcard:
            raise ConfigError(
                f"{_endpoint_key(name)}: got {topology.endpoint(name)!r}, which can only be "
                f"listened at; want the address at which others reach {name}"
            )


def _check_apart(topology: Structure, one: tuple[str, Address], two: tuple[str, Address]) -> None:
    """Raises ConfigError where two nodes would listen at one address of one machine."""
    (name, address), (other, taken) = one, two
    if not address.overlaps(taken):
        return
    endpoint, its = topology.endpoint(name), topology.endpoint(other)
    if address == taken:
        same = "" if endpoint == its else f", written {its}"
        raise ConfigError(
            f"{_endpoint_key(name)}: {endpoint} is already {other}'s{same}, want another"
        )
    if topology.host(name) == topology.host(other):
        raise ConfigError(
            f"{_endpoint_key(name)}: {endpoint} and {other}'s {its} are one port of one machine, "
            "want another"
        )


def _endpoint_key(name: str) -> str:
    return f"{name}.endpoint" if name == COLLECTOR else f"nodes.{name}.endpoint"


def _check_shapes(topology: Structure) -> None:
    unmeasured = topology.unmeasured  # training checks them
    for name in topology.section_nodes:
        if name in unmeasured:
            continue
        node = topology.nodes[name]
        tier = topology.tier(node.role)
        shapes = {child: topology.feature_shape(child) for child in topology.children(name)}
        if len(set(shapes.values())) > 1 and tier.aggregator != "concat":
            listed = ", ".join(f"{c} {'x'.join(map(str, s))}" for c, s in shapes.items())
            raise ConfigError(
                f"nodes.{name}: children's maps differ ({listed}): {tier.aggregator} takes one "
                "value of each at every place, want maps of one size, or aggregator concat"
            )
        section = topology.section(name)
        where = f"nodes.{name}.section" if node.section else f"tier {node.role}: section"
        has_bare_exit = tier.exit is not None and not tier.exit.blocks
        if not section.blocks and (node.role != DEVICE or has_bare_exit):
            raise ConfigError(
                f"{where}.blocks: got none, want at least one, or a device without an exit or with "
                "blocks in its exit"
            )
        if not section.blocks and topology.view_of(name).type != "uint8" and section.sent_bits < 32:
            raise ConfigError(
                f"{where}.feature_bits: got {section.sent_bits}, want 32 for a raw view of "
                f"{topology.view_of(name).type}"
            )
        _check_code(topology, name, where)
        _check_sizes(topology, name, where)
        if tier.exit is None:
            continue
        maps = tier.exit.head(section).output(topology.feature_shape(name))
        if not tier.exit.pooled(maps).values:
            raise ConfigError(
                f"tier {node.role}: exit.pool: got {'x'.join(map(str, tier.exit.window))}, want at "
                f"most {maps.H}x{maps.W}, the size of {name}'s maps"
            )


def _check_sizes(topology: Structure, name: str, where: str) -> None:
    """What a block gives, and the weights of a fully connected one, must fit into memory."""
    shape = topology.input_shape(name)
    for number, block in enumerate(topology.section(name).blocks):
        before, shape = shape, block.output(shape)
        if shape.values > MAX_VALUES:
            raise ConfigError(
                f"{where}.blocks.{number}: maps of {shape.values} values, want at most {MAX_VALUES}"
            )
        if block.kind == "fc" and before.values * shape.values > MAX_WEIGHTS:
            weights = before.values * shape.values
            raise ConfigError(
                f"{where}.blocks.{number}: {weights} weights, want at most {MAX_WEIGHTS}"
            )
    if shape.values > MAX_VALUES:
        raise ConfigError(f"{where}: features of more than {MAX_VALUES} values, want fewer")


def _check_code(topology: Structure, name: str, where: str) -> None:
    """Whether the node's features are of a kind that its tier's `features` can code."""
    bits, code = topology.section(name).sent_bits, topology.feature_code(name)
    if code == "entropy-coded" and bits > MAX_CODED_BITS:
        raise ConfigError(
            f"{where}: features of {bits} bits, want at most {MAX_CODED_BITS} to be entropy-coded"
        )
    if code == "jpeg":
        channels, height, width = topology.feature_shape(name)
        if topology.section(name).blocks or bits != 8 or channels not in (1, 3):
            raise ConfigError(
                f"{where}: want no blocks, 8 bits and 1 or 3 channels to be sent as jpeg"
            )
        if channels * height * width > MAX_JPEG_VALUES:
            raise ConfigError(f"{where}: views of more than {MAX_JPEG_VALUES} values, want fewer")


def _check_links(topology: Structure) -> None:
    seen = set()
    for number, link in enumerate(topology.links):
        for key, name in (("from", link.sender), ("to", link.receiver)):
            if name != COLLECTOR and name not in topology.nodes:
                raise ConfigError(
                    f"links.{number}.{key}: no node named {name!r} {_known(topology.nodes)}"
                )
        if (link.sender, link.receiver) in seen:
            raise ConfigError(f"links.{number}: {link.sender} to {link.receiver} is given twice")
        seen.add((link.sender, link.receiver))
