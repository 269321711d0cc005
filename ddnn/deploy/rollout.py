"""Brings a version to all hosts or to none.

Everything is sent before anything is switched. A host that cannot be reached, or where the new
version does not come up, leaves all hosts as they were.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.deploy.alone import alone, run_interruptible, to_its_end
from ddnn.deploy.hostsfile import Hosts, check_sources
from ddnn.deploy.parts import write_version
from ddnn.deploy.reach import Reach
from ddnn.deploy.record import FILE, Deployment, Version, read_record, write_record
from ddnn.deploy.together import on_each, reached
from ddnn.errors import ConfigError, DdnnError, DeployError
from ddnn.run.hosts import check_exposure, check_reachable
from ddnn.runfolder import check_new
from ddnn.topology import Topology
from ddnn.wire.keys import KeyPair

KEPT = 3
"""Versions that stay on each host, the newest of the record; the current one stays too."""


def deploy(
    bundle: Bundle,
    samples: MultiView | None,
    *,
    hosts: Hosts,
    out: Path,
    make_pair: Callable[[], KeyPair],
    say: Callable[[str], None],
) -> Deployment:
    """Copies the bundle's parts to all hosts of a hosts file; starts nothing. samples: None where
    it has sources. out: a new folder for what is known of the deployment. say: told what does not
    hold it up.

    Raises ConfigError for a host that has a deployment already, DeployError naming hosts that
    cannot be reached.
    """
    topology = bundle.topology
    _begun_before(out)
    _check_addresses(topology)
    with alone(out):
        new = Deployment(
            topology=topology.name,
            collector=topology.collector.host,
            hosts=hosts.hosts,
            sources=hosts.sources,
            versions=_begun_before(out),
        )
        try:
            return _rolled_out(out, new, bundle, samples, make_pair=make_pair, say=say)
        except BaseException:
            if not _is_there(out):  # else the hosts have it
                shutil.rmtree(out, ignore_errors=True)
            raise


def _begun_before(out: Path) -> tuple[Version, ...]:
    """The versions of tries that broke off. Raises ConfigError where there is anything else."""
    if (out / FILE).exists() and not _is_there(out):
        return read_record(out).versions
    check_new(out)
    return ()


def _is_there(out: Path) -> bool:
    return (out / FILE).exists() and read_record(out).current is not None


def _check_addresses(topology: Topology) -> None:
    check_reachable(topology, source=f"topology {topology.name}")
    check_exposure(topology, insecure=False)


def upgrade(
    folder: Path,
    bundle: Bundle,
    samples: MultiView | None,
    *,
    make_pair: Callable[[], KeyPair],
    say: Callable[[str], None],
) -> Deployment:
    """Replaces what runs on all hosts by another bundle's parts, or on none. samples: None where
    what is deployed is served live; its sources files are read again.

    Raises ConfigError for a bundle with other hosts; else as `deploy`.
    """
    read_record(folder)
    _check_addresses(bundle.topology)
    with alone(folder):
        known = read_record(folder)
        _check_hosts(known, bundle.topology)
        if known.sources:
            check_sources(known.sources, bundle.topology)
        return _rolled_out(folder, known, bundle, samples, make_pair=make_pair, say=say)


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
    read_record(folder)
    with alone(folder):
        known = read_record(folder)
        changed = known.model_copy(update={"current": known.before_current()})

        async def go() -> None:
            async with reached(folder, known) as hosts:
                looks = await on_each(hosts, lambda host: host.ask("look"))
                await _switch(hosts, folder, known, changed, looks)

        run_interruptible(go())
        return changed


def _rolled_out(folder: Path, known: Deployment, *new: Any, **how: Any) -> Deployment:
    return run_interruptible(_roll_out(folder, known, *new, **how))


async def _roll_out(
    folder: Path,
    known: Deployment,
    bundle: Bundle,
    samples: MultiView | None,
    *,
    make_pair: Callable[[], KeyPair],
    say: Callable[[str], None],
) -> Deployment:
    async with reached(folder, known) as hosts:
        looks = await on_each(hosts, lambda host: host.ask("look"))
        if known.current is None:
            _check_empty(looks, known)
        there = [name for look in looks.values() for name in look["versions"]]
        version = known.next_version(bundle.sha256, len(samples or ()), there)
        changed = known.with_version(version)
        if known.current is None:  # else nobody would know of it where this is killed
            write_record(folder, changed.model_copy(update={"current": None}))
        with tempfile.TemporaryDirectory(prefix="ddnn-deploy-") as temporary:
            here = {known.collector: sys.executable}
            pythons = here | {name: host.python for name, host in known.hosts.items()}
            write_version(
                Path(temporary),
                bundle,
                known.sources if samples is None else samples,
                version=version.name,
                pythons=pythons,
                make_pair=make_pair,
            )
            await _send(hosts, Path(temporary), version.name)
        await _switch(hosts, folder, known, changed, looks)
        await _prune(hosts, changed, say)
    return changed


def _check_empty(looks: Mapping[str, dict[str, Any]], known: Deployment) -> None:
    """What a try that broke off has left is no hindrance."""
    own = {None, *(version.name for version in known.versions)}
    for name, look in looks.items():
        if look["current"] not in own:
            raise ConfigError(
                f"host {name}: {look['folder']} holds a deployment already ({look['current']}), "
                "want `ddnn deploy upgrade`, or another `folder`"
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
        await on_each(hosts, receive)
    except (DeployError, asyncio.CancelledError):
        await _drop(hosts, version)
        raise


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


async def _drop(hosts: Sequence[Reach], version: str | None) -> None:
    """Where that can be done."""
    dropped = (host.ask("drop", name=version) for host in hosts)
    await asyncio.gather(*dropped, return_exceptions=True)


async def _switch(
    hosts: Sequence[Reach],
    folder: Path,
    known: Deployment,
    changed: Deployment,
    looks: Mapping[str, dict[str, Any]],
) -> None:
    """All to `changed.current`, and the record with them; or all back from it to `known.current`.
    A version that none had before is taken away then. Where nodes run, they run after it. looks:
    how the hosts stood when this began."""
    name, before = changed.current, known.current

    async def switch(host: Reach) -> dict[str, Any]:
        was, runs = looks[host.name]["current"], looks[host.name]["service"] == "running"
        return await host.ask("switch", name=name, was=was, runs=runs)

    async def go_back(host: Reach) -> dict[str, Any]:
        runs = looks[host.name]["service"] == "running"
        return await host.ask("go_back", name=name, before=before, runs=runs)

    done = await to_its_end(asyncio.gather(*map(switch, hosts), return_exceptions=True))
    failed = [each for each in done if isinstance(each, BaseException)] or _written(folder, changed)
    if not failed:
        return
    back = await asyncio.gather(*map(go_back, hosts), return_exceptions=True)
    if len(changed.versions) > len(known.versions):
        await _drop(hosts, name)
    said = [str(each) for each in back if isinstance(each, BaseException)]
    rest = f"; not all are back at {before}: {'; '.join(said)}" if said else "; nothing is changed"
    raise DeployError("; ".join(map(str, failed)) + rest)


def _written(folder: Path, deployment: Deployment) -> list[BaseException]:
    """Writes the record; what went wrong, if anything."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder, deployment)
    except (DdnnError, OSError) as error:
        return [error]
    return []


async def _prune(
    hosts: Sequence[Reach], deployment: Deployment, say: Callable[[str], None]
) -> None:
    """Old versions go, where they can: they cost a host nothing but room."""
    kept = deployment.kept_versions(KEPT)
    pruned = (host.ask("prune", kept=kept) for host in hosts)
    done = await to_its_end(asyncio.gather(*pruned, return_exceptions=True))
    for _, each in zip(hosts, done, strict=False):  # an interrupt comes too late here
        if isinstance(each, BaseException):
            say(f"{each}; its old versions stay until the next upgrade")
