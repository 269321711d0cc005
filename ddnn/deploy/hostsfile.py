"""The hosts file: how each host of a topology is reached over ssh, and what runs its nodes there.

all: {user: ddnn, key: ~/.ssh/fleet, python: /opt/ddnn/bin/python}
hosts:
  site: {address: 10.0.1.2}
  cloud: {address: 10.0.2.2, port: 2222, service: process}
sources: {site: site-cameras.yaml}

With `sources` what is deployed is served live: each host with devices has a sources file, here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ddnn.blocks import Model
from ddnn.errors import ConfigError
from ddnn.live.sources.file import read_sources
from ddnn.topology import Topology
from ddnn.topology_parts import Name
from ddnn.yamlfile import read_yaml

Service = Literal["systemd", "process"]


class Host(Model):
    """One host. Paths of this machine begin with ~ or where the hosts file is."""

    address: str = Field(min_length=1, description="name or address at which its sshd is reached")
    port: int = Field(22, ge=1, le=65535, description="of its sshd")
    user: str | None = Field(None, description="default: your own name here")
    key: str | None = Field(None, description="private key file here; default: as ssh has it")
    known_hosts: str = Field(
        "~/.ssh/known_hosts", description="file here that holds its key; no other key is accepted"
    )
    python: str = Field("python3", min_length=1, description="there, with ddnn installed")
    folder: str | None = Field(
        None, description="there, for versions and logs; default: ddnn/TOPOLOGY/HOST in the home"
    )
    service: Service = Field(
        "systemd",
        description="what keeps its nodes running: a unit of systemd (of the user's own, unless it "
        "is root), or, where there is none, a process of its own that starts them again",
    )


class Hosts(Model):
    """All hosts of a deployment."""

    hosts: dict[Name, Host] = Field(min_length=1)
    sources: dict[Name, str] = Field(
        {}, description="by host, the sources file here of its devices: served live"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_all(cls, document: Any) -> Any:
        """`all` holds for every host that does not say otherwise."""
        if not isinstance(document, dict) or "all" not in document:
            return document
        rest = dict(document)
        common, hosts = rest.pop("all"), rest.get("hosts")
        if not isinstance(common, dict):
            raise ConfigError(f"all: got {common!r}, want keys and values, as of a host")
        for key in common:
            if key not in Host.model_fields:
                known = ", ".join(Host.model_fields)
                raise ConfigError(f"all.{key}: unknown key (known: {known})")
        if isinstance(hosts, dict):
            own = {name: h for name, h in hosts.items() if isinstance(h, dict)}
            rest["hosts"] = hosts | {name: common | host for name, host in own.items()}
        return rest


def read_hosts(path: Path, topology: Topology) -> Hosts:
    """How the topology's hosts are reached, and what their devices see through; paths made
    absolute. The collector's may be missing: then it is this machine.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    found = read_yaml(path, Hosts)
    known = ", ".join(topology.hosts)
    for name in found.hosts:
        if name not in topology.hosts:
            raise ConfigError(
                f"{path}: hosts.{name}: topology {topology.name} has no such host (known: {known})"
            )
    for name in topology.hosts:
        if name not in found.hosts and name != topology.collector.host:
            raise ConfigError(f"{path}: hosts: no {name}, want each of {known}")
    hosts = {name: _placed(host, name, path, topology) for name, host in found.hosts.items()}
    sources = {name: _absolute(file, path) for name, file in found.sources.items()}
    if sources:
        try:
            check_sources(sources, topology)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    return Hosts(hosts=hosts, sources=sources)


def check_sources(sources: Mapping[str, str], topology: Topology) -> None:
    """Raises ConfigError unless each host that needs a sources file has one, which fits."""
    first = topology.collector.host
    devices = {
        host: tuple(name for name in topology.devices if topology.host(name) == host)
        for host in topology.hosts
    }
    for host in sources:
        if host != first and not devices.get(host):
            raise ConfigError(f"sources.{host}: no host with devices, want none")
    for host, own in devices.items():
        if host not in sources and (own or host == first):
            why = "has devices" if own else "has the collector: samples are taken there"
            raise ConfigError(f"sources: no {host}, which {why}; want its sources file")
    for host, file in sources.items():
        read_sources(Path(file), topology, devices[host], is_here=False)


def _placed(host: Host, name: str, file: Path, topology: Topology) -> Host:
    key = None if host.key is None else _absolute(host.key, file)
    if key is not None and not os.path.isfile(key):
        raise ConfigError(f"{file}: hosts.{name}.key: {key}: no such file, want a private key")
    changes = {
        "key": key,
        "known_hosts": _absolute(host.known_hosts, file),
        "folder": host.folder or f"ddnn/{topology.name}/{name}",
    }
    return host.model_copy(update=changes)


def _absolute(text: str, file: Path) -> str:
    return str(file.absolute().parent / Path(text).expanduser())
