"""Does a step on all hosts of a deployment at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from ddnn.deploy.reach import Here, OverSsh, Reach, close, connect
from ddnn.deploy.record import Deployment, read_record
from ddnn.errors import DeployError

T = TypeVar("T")


def on_all(folder: Path, step: str, **arguments: Any) -> dict[str, dict[str, Any]]:
    """Does a step on all hosts, and gives what each answered.

    Raises DeployError naming each host that cannot be reached, or does not do it.
    """
    known = read_record(folder)

    async def go() -> dict[str, dict[str, Any]]:
        async with reached(folder, known) as hosts:
            return await on_each(hosts, lambda host: host.ask(step, **arguments))

    return asyncio.run(go())


async def tried_on_all(
    folder: Path, known: Deployment, step: str, **arguments: Any
) -> dict[str, dict[str, Any]]:
    """As `on_all`, but a host that cannot be reached, or does not do it, answers {"error": ...}."""

    async def one(name: str) -> dict[str, Any]:
        try:
            async with reached(folder, known, [name]) as hosts:
                return await hosts[0].ask(step, **arguments)
        except DeployError as error:
            return {"error": str(error)}

    answers = await asyncio.gather(*(one(name) for name in known.names))
    return dict(zip(known.names, answers, strict=True))


async def on_each(
    hosts: Sequence[Reach], step: Callable[[Reach], Coroutine[Any, Any, T]]
) -> dict[str, T]:
    """What each host gives. Raises DeployError naming all that fail."""
    done = await asyncio.gather(*(step(host) for host in hosts), return_exceptions=True)
    _raise(done)
    return {h.name: each for h, each in zip(hosts, done, strict=True) if isinstance(each, dict)}


@asynccontextmanager
async def reached(
    folder: Path, known: Deployment, names: Sequence[str] | None = None
) -> AsyncIterator[list[Reach]]:
    """The hosts of these names, default all, connected; the collector's may be this machine.

    Raises DeployError naming all that cannot be reached.
    """
    names = known.names if names is None else names
    far = [name for name in names if name in known.hosts]
    tried = await asyncio.gather(
        *(connect(name, known.hosts[name]) for name in far), return_exceptions=True
    )
    connections = [each for each in tried if not isinstance(each, BaseException)]
    try:
        _raise(tried)
        hosts: list[Reach] = [Here(name, folder) for name in names if name not in known.hosts]
        for name, connection in zip(far, connections, strict=True):
            unit, is_by_hand = f"ddnn-{known.topology}-{name}.service", name == known.collector
            hosts.append(
                OverSsh(name, known.hosts[name], connection, unit=unit, has_collector=is_by_hand)
            )
        yield hosts
    finally:
        await asyncio.gather(*map(close, connections), return_exceptions=True)


def _raise(tried: Sequence[object]) -> None:
    """Raises one DeployError for all that are among these, or else the first other error."""
    failed = [each for each in tried if isinstance(each, BaseException)]
    for each in failed:
        if not isinstance(each, DeployError):
            raise each
    if failed:
        raise DeployError("; ".join(map(str, failed)))
