"""Brings a version to all hosts or to none, and starts, stops and asks all of them at once.

Everything is sent before anything is switched. A host that cannot be reached, or where the new
version does not come up, leaves all hosts as they were.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from ddnn.bundle.load import load_bundle
from ddnn.data.multiview import MultiView
from ddnn.deploy.hostsfile import read_hosts
from ddnn.deploy.parts import write_version
from ddnn.deploy.reach import Here, OverSsh, Reach, connect
from ddnn.deploy.record import Deployment, read_record, write_record
from ddnn.errors import ConfigError, DeployError
from ddnn.run.hosts import check_exposure, check_reachable
from ddnn.runfolder import check_new
from ddnn.topology import Topology
from ddnn.wire.keys import KeyPair

T = TypeVar("T")


def deploy(
    bundle: Path,
    samples: MultiView,
    *,
    hosts: Path,
    out: Path,
    make_pair: Callable[[], KeyPair],
) -> Deployment:
    """Copies the bundle's parts to all hosts of a hosts file; starts nothing. out: a new folder
    for what is known of the deployment.

    Raises ConfigError for a hosts file that does not fit, or a host that has a deployment already,
    DeployError naming hosts that cannot be reached, BundleError for a damaged bundle.
    """
    topology = load_bundle(bundle).topology
    check_new(out)
    check_reachable(topology, source=f"topology {topology.name}")
    check_exposure(topology, insecure=False)
    new = Deployment(
        topology=topology.name,
        collector=topology.collector.host,
        hosts=read_hosts(hosts, topology),
    )
    try:
        return asyncio.run(_roll_out(out, new, bundle, samples, make_pair, is_new=True))
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def upgrade(
    folder: Path, bundle: Path, samples: MultiView, *, make_pair: Callable[[], KeyPair]
) -> Deployment:
    """Replaces what runs on all hosts by another bundle's parts, or on none.

    Raises ConfigError for a bundle with other hosts; else as `deploy`.
    """
    known, topology = read_record(folder), load_bundle(bundle).topology
    check_exposure(topology, insecure=False)
    _check_hosts(known, topology)
    return asyncio.run(_roll_out(folder, known, bundle, samples, make_pair, is_new=False))


def _check_hosts(known: Deployment, topology: Topology) -> None:
    wanted, found = ", ".join(sorted(known.names)), ", ".join(sorted(topology.hosts))
    if wanted != found or known.collector != topology.collector.host:
        raise ConfigError(
            f"topology {topology.name}: has hosts {found}, its collector on "
            f"{topology.collector.host}; want {wanted} and {known.collector}, as deployed"
        )


def rollback(folder: Path) -> Deployment:
    """Makes the version before the current one the current one, on all hosts or on none.

    Raises ConfigError where there is none, DeployError naming hosts.
    """
    known = read_record(folder)
    name = known.before_current()

    async def go() -> None:
        async with reached(folder, known) as hosts:
            await _switch(hosts, name, known.current)

    asyncio.run(go())
    changed = known.model_copy(update={"current": name})
    write_record(folder, changed)
    return changed


def on_all(folder: Path, step: str, **arguments: Any) -> dict[str, dict[str, Any]]:
    """Does a step on all hosts, and gives what each answered.

    Raises DeployError naming each host that cannot be reached, or does not do it.
    """
    known = read_record(folder)

    async def go() -> dict[str, dict[str, Any]]:
        async with reached(folder, known) as hosts:
            return await _each(hosts, lambda host: host.ask(step, **arguments))

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


async def _roll_out(
    folder: Path,
    known: Deployment,
    bundle: Path,
    samples: MultiView,
    make_pair: Callable[[], KeyPair],
    *,
    is_new: bool,
) -> Deployment:
    loaded = load_bundle(bundle)
    version = known.next_version(loaded.sha256, len(samples))
    async with reached(folder, known) as hosts:
        if is_new:
            _check_empty(await _each(hosts, lambda host: host.ask("look")))
        with tempfile.TemporaryDirectory(prefix="ddnn-deploy-") as temporary:
            here = {known.collector: sys.executable}
            pythons = here | {name: host.python for name, host in known.hosts.items()}
            write_version(
                Path(temporary),
                loaded,
                samples,
                version=version.name,
                pythons=pythons,
                make_pair=make_pair,
            )
            await _send(hosts, Path(temporary), version.name)
        await _switch(hosts, version.name, known.current, drops=version.name)
        await _each(hosts, lambda host: host.ask("prune"))
    versions = (*known.versions, version)
    changed = known.model_copy(update={"versions": versions, "current": version.name})
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, changed)
    return changed


def _check_empty(looks: Mapping[str, dict[str, Any]]) -> None:
    for name, look in looks.items():
        if look["versions"]:
            raise ConfigError(
                f"host {name}: {look['folder']} holds a deployment already "
                f"({', '.join(look['versions'])}), want `ddnn deploy upgrade`, or another `folder`"
            )


async def _send(hosts: Sequence[Reach], parts: Path, version: str) -> None:
    """To all, or to none."""

    async def receive(host: Reach) -> dict[str, Any]:
        file = parts / f"{host.name}.tar"
        with tarfile.open(file, "w") as tar:
            tar.add(parts / host.name, ".", filter=_anonymous)
        files = sum(path.is_file() for path in (parts / host.name).rglob("*"))
        return await host.ask("receive", file, name=version, files=files)

    try:
        await _each(hosts, receive)
    except DeployError:
        await _drop(hosts, version)
        raise


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


async def _drop(hosts: Sequence[Reach], version: str | None) -> None:
    """Where that can be done."""
    if version is not None:
        dropped = (host.ask("drop", name=version) for host in hosts)
        await asyncio.gather(*dropped, return_exceptions=True)


async def _switch(
    hosts: Sequence[Reach], name: str, before: str | None, *, drops: str | None = None
) -> None:
    """All to `name`, or all back to `before`. drops: a version to take away where that happens.
    Where nodes run, they run after it."""
    looks = await _each(hosts, lambda host: host.ask("look"))

    async def switch(host: Reach, version: str | None) -> dict[str, Any]:
        runs = looks[host.name]["service"] == "running"
        return await host.ask("switch", name=version, runs=runs)

    done = await asyncio.gather(*(switch(host, name) for host in hosts), return_exceptions=True)
    failed = [each for each in done if isinstance(each, BaseException)]
    if not failed:
        return
    back = await asyncio.gather(*(switch(host, before) for host in hosts), return_exceptions=True)
    await _drop(hosts, drops)
    said = [str(each) for each in back if isinstance(each, BaseException)]
    rest = f"; not all are back at {before}: {'; '.join(said)}" if said else "; nothing is changed"
    raise DeployError("; ".join(map(str, failed)) + rest)


async def _each(
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
        for connection in connections:
            connection.close()
        await asyncio.gather(*(c.wait_closed() for c in connections), return_exceptions=True)


def _raise(tried: Sequence[object]) -> None:
    """Raises one DeployError for all that are among these, or else the first other error."""
    failed = [each for each in tried if isinstance(each, BaseException)]
    for each in failed:
        if not isinstance(each, DeployError):
            raise each
    if failed:
        raise DeployError("; ".join(map(str, failed)))
