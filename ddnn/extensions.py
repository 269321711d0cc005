"""What installed packages add to ddnn: blocks, aggregators, sources, trackers and methods.

A package says so in its pyproject.toml; nothing in ddnn is changed for it:

    [project.entry-points."ddnn.blocks"]
    shuffle = "my_package.nets:shuffle"

`known` lists names and imports nothing. `load` imports only what an installed package has declared
under that name, so that a file or message that names an extension cannot name anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from ddnn.errors import ConfigError

Group = Literal["blocks", "aggregators", "sources", "trackers", "methods"]


def known(group: Group) -> tuple[str, ...]:
    """Names that installed packages add to a group, sorted, each once."""
    return tuple(sorted({entry.name for entry in _declared(group)}))


def load(group: Group, name: str, *, where: str) -> Callable[..., Any]:
    """What an installed package adds under this name: something that can be called.

    where: the key or option that names it, for the message.
    Raises ConfigError where no package adds it, several do, it cannot be imported or called.
    """
    found = {entry.value: entry for entry in _declared(group) if entry.name == name}
    if not found:
        names = ", ".join(known(group)) or "none"
        raise ConfigError(
            f"{where}: no installed package adds {name!r} to ddnn.{group} (known: {names})"
        )
    if len(found) > 1:
        raise ConfigError(
            f"{where}: {name!r} of ddnn.{group} is {' and '.join(sorted(found))}, want one of them"
        )
    ((value, entry),) = found.items()
    try:
        thing = entry.load()
    except Exception as error:  # whatever a foreign package's import does
        kind = type(error).__name__
        raise ConfigError(f"{where}: {name!r} is {value}: {kind}: {error}") from error
    if not callable(thing):
        raise ConfigError(f"{where}: {name!r} is {value}, want something that can be called")
    called: Callable[..., Any] = thing
    return called


def _declared(group: Group) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"ddnn.{group}"))
