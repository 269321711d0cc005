"""How much an object remembers: the number of things in all containers that it reaches."""

from __future__ import annotations

from collections import deque
from typing import Any

_LEAVES = (str, bytes, int, float, bool, type(None), range)


def size_of(*roots: object) -> int:
    """Things in lists, dicts, sets, queues and byte arrays, through objects of ddnn's nodes.

    Models, topologies and arrays are not looked into: they do not change.
    """
    seen: set[int] = set()
    waiting: list[Any] = list(roots)
    total = 0
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, _LEAVES) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, bytearray):
            total += len(thing)
        elif isinstance(thing, dict):
            total += len(thing)
            waiting += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            total += len(thing)
            if thing and not isinstance(next(iter(thing)), _LEAVES):
                waiting += thing
        elif type(thing).__module__.startswith(
            ("ddnn.nodes", "ddnn.wire", "ddnn.simulation.members")
        ):
            waiting += _fields(thing)
    return total


def _fields(thing: Any) -> list[Any]:
    if type(thing).__module__ in ("ddnn.nodes.engine", "ddnn.wire.codec", "ddnn.wire.payloads"):
        return []
    found = list(getattr(thing, "__dict__", {}).values())
    for kind in type(thing).__mro__:
        names = getattr(kind, "__slots__", ())
        found += [getattr(thing, n) for n in names if hasattr(thing, n)]
    return found
