"""Puts a bundle into containers: a folder with docker-compose.yaml, and each node's own part.

    FOLDER/
      docker-compose.yaml, Dockerfile
      NODE/       bundle/ its part, views.npy where it is a device, keys/ with CURVE
      collector/  bundle/ the manifest alone, data/ the samples, keys/, report/ once it has run

A service sees its own folder, as /ddnn, and nothing else: its root is read-only, it runs as whoever
wrote the folder (as nobody where that was root) and has no capability. Docker sees to limits,
restarts and health.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddnn.addresses import parse_endpoint
from ddnn.bundle.load import load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.bundle.samples import write_card
from ddnn.bundle.split import new_folder, split_bundle
from ddnn.data.checks import check_fits
from ddnn.data.multiview import MultiView
from ddnn.data.storage import save
from ddnn.errors import ConfigError, DataError
from ddnn.topology import COLLECTOR, Restart, Topology
from ddnn.wire.keys import PUBLIC, KeyPair, write_keys
from ddnn.yamlfile import to_yaml

COMPOSE, DOCKERFILE = "docker-compose.yaml", "Dockerfile"
IMAGE, MOUNT, NETWORK = "ddnn", "/ddnn", "ddnn"
NOBODY = 65532
"""User and group where root writes the folder; they own it then."""
READY_S = 120
LISTENS = "import socket; socket.create_connection(({host!r}, {port}), 2).close()"
"""Of a node that is healthy: Python."""
_HOW = f"""\
# From a checkout of ddnn: docker build -t {IMAGE} -f THIS_FOLDER/{DOCKERFILE} .
# Then here: docker compose up; the report is in {COLLECTOR}/report.
"""
_DOCKERFILE = f"""\
{_HOW}FROM python:3.11-slim
COPY pyproject.toml README.md /source/
COPY ddnn /source/ddnn
COPY topologies /source/topologies
COPY datasets /source/datasets
RUN pip install --no-cache-dir /source && rm -r /source
ENV OMP_NUM_THREADS=1 HOME=/tmp
USER {NOBODY}:{NOBODY}
ENTRYPOINT ["ddnn"]
"""


def compose_folder(
    bundle: Path, samples: MultiView, out: Path, make_pair: Callable[[], KeyPair]
) -> Topology:
    """Writes `out`, whole or not at all, for the bundle and the samples to run through it.

    make_pair: makes keys, where the topology wants them. Returns the topology in containers.
    Raises ConfigError for a name that cannot be a service's, DataError for samples that
    lack a class, BundleError for a damaged bundle or a place that cannot be written or is in use.
    """
    with new_folder(out) as new, tempfile.TemporaryDirectory(prefix="ddnn-compose-") as temporary:
        topology = write_parts(bundle, samples, new)
        if topology.security.curve:
            _write_keys(new, topology, Path(temporary) / "keys", make_pair)
        compose = _HOW + to_yaml(compose_document(topology))
        (new / COMPOSE).write_text(compose, encoding="utf-8")
        (new / DOCKERFILE).write_text(_DOCKERFILE, encoding="utf-8")
        if os.getuid() == 0:
            _give_away(new)
    return topology


def owner() -> tuple[int, int]:
    """User and group that the containers run as, and that the folder belongs to."""
    return (os.getuid(), os.getgid()) if os.getuid() else (NOBODY, NOBODY)


def _give_away(folder: Path) -> None:
    """To whom the containers run as: keys are read by their owner alone."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *owner())


def write_parts(bundle: Path, samples: MultiView, folder: Path) -> Topology:
    """Each node's own part of the bundle, and who sees or knows what; gives the topology in
    containers. Errors as in `compose_folder`."""
    topology = in_containers(load_bundle(bundle, ()).topology)
    _check(topology, samples)
    with tempfile.TemporaryDirectory(prefix="ddnn-parts-") as temporary:
        whole = Path(temporary) / "whole"
        place_bundle(bundle, topology, whole)
        for name in (COLLECTOR, *topology.nodes):
            split_bundle(whole, [name] if name in topology.nodes else [], folder / name / "bundle")
    _write_samples(folder, topology, samples)
    return topology


def _check(topology: Topology, samples: MultiView) -> None:
    """Whether the collector will take the samples."""
    check_fits(topology, samples)
    for number, name in enumerate(samples.classes):
        if number not in samples.fused_labels_N:
            raise DataError(
                f"class {name!r}: none of the {len(samples)} samples, want at least 1: more "
                "--samples, or another --split"
            )


def in_containers(topology: Topology) -> Topology:
    """The same with each node, and the collector, on a host of its own name; ports stay."""
    document = topology.model_dump(mode="json")
    for name in (COLLECTOR, *topology.nodes):
        if "_" in name:
            raise ConfigError(f"nodes.{name}: no host can have this name, want one without '_'")
        place = document[name] if name == COLLECTOR else document["nodes"][name]
        port = parse_endpoint(topology.endpoint(name)).port
        place |= {"host": name, "endpoint": f"tcp://{name}:{port}"}
    return Topology.model_validate(document)


def compose_document(topology: Topology) -> dict[str, Any]:
    """docker-compose.yaml of a topology `in_containers`: one service a node, and the collector."""
    access = ["--keys", f"{MOUNT}/keys"] if topology.security.curve else ["--insecure"]
    run = [
        "launch",
        f"{MOUNT}/bundle",
        "--host",
        COLLECTOR,
        "--join",
        "--ready-timeout",
        f"{READY_S}",
    ]
    run += ["--data", f"{MOUNT}/data/card.yaml", "--split", "all", "--out", f"{MOUNT}/report"]
    services = {COLLECTOR: _service(COLLECTOR, [*run, *access], mode="rw")}
    for name, node in topology.nodes.items():
        command = ["node", f"{MOUNT}/bundle", name, *access]
        if name in topology.devices:
            command += ["--views", f"{MOUNT}/views.npy"]
        services[name] = _service(name, command, mode="ro") | {
            "restart": _restart(node.restart),
            "healthcheck": _health(topology, name),
        }
        if node.limits.cpu is not None:
            services[name]["cpus"] = node.limits.cpu
        if node.limits.memory_mb is not None:
            services[name]["mem_limit"] = node.limits.memory_mb * 10**6
    return {"name": topology.name, "services": services, "networks": {NETWORK: {}}}


def _service(name: str, command: list[str], *, mode: str) -> dict[str, Any]:
    user, group = owner()
    return {
        "image": IMAGE,
        "command": command,
        "user": f"{user}:{group}",
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "volumes": [f"./{name}:{MOUNT}:{mode}"],
        "networks": [NETWORK],
    }


def _health(topology: Topology, name: str) -> dict[str, Any]:
    place = parse_endpoint(topology.endpoint(name))
    looks = LISTENS.format(host=place.host, port=place.port)
    times = {"interval": "5s", "timeout": "3s", "retries": 3, "start_period": f"{READY_S}s"}
    return {"test": ["CMD", "python", "-c", looks], **times}


def _restart(restart: Restart) -> str:
    """A node that was told to stop ends without failure, and stays ended."""
    match restart:
        case "never" | 0:  # on-failure:0 would be without end
            return "no"
        case "always":
            return "on-failure"
        case int():
            return f"on-failure:{restart}"


def _write_samples(folder: Path, topology: Topology, samples: MultiView) -> None:
    """Each device gets its own views, the collector everything: it knows the labels."""
    for name, array in zip(topology.devices, samples.views.arrays, strict=True):
        save(folder / name / "views.npy", array)
    write_card(folder / COLLECTOR / "data", samples)


def _write_keys(
    folder: Path, topology: Topology, keys: Path, make_pair: Callable[[], KeyPair]
) -> None:
    """Each service gets its own keys, and everybody's public ones."""
    names = (COLLECTOR, *topology.nodes)
    write_keys(keys, names, make_pair)
    for name in names:
        own = folder / name / "keys"
        own.mkdir(mode=0o700)
        for file in (PUBLIC, f"{name}.key"):
            shutil.copy(keys / file, own / file)
