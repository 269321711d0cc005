"""What a version of a deployment gives each host: its nodes' part of the bundle, and its own keys.

HOST/
  run             the command that starts the host's nodes, a shell script
  version.json    its name, the digest of the bundle, the ddnn that wrote it
  bundle/         the manifest and the files of the host's nodes
  keys/           with CURVE: their .key files and public.json; mode 0700 and 0600
  views/          NAME.npy, what each device sees, and the digest of all samples
  data/           where the collector is: all samples, as a data card
  sources.yaml    of a live one, in place of views and data: what its devices see through
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ddnn import __version__
from ddnn.bundle.load import Bundle
from ddnn.bundle.samples import write_card
from ddnn.bundle.split import split_bundle
from ddnn.data.multiview import MultiView
from ddnn.report.files import write_json
from ddnn.run.hosts import nodes_of_host
from ddnn.run.launcher.seen import write_seen
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import PUBLIC, KeyPair, write_keys

RUN, VERSION, SOURCES = "run", "version.json", "sources.yaml"
_RUN = """\
#!/bin/sh
# Starts what {host} runs of {topology}, until it is told to stop. Arguments are added.
cd -P "$(dirname "$0")" || exit 1
umask 077
folder="$(cd -P ../.. && pwd)"
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 XDG_RUNTIME_DIR="$folder/control"
mkdir -p "$XDG_RUNTIME_DIR"
exec {ddnn} "$PWD/bundle" {options} "$@"
"""


def write_version(
    folder: Path,
    bundle: Bundle,
    seen: MultiView | Mapping[str, str],
    *,
    version: str,
    pythons: Mapping[str, str],
    make_pair: Callable[[], KeyPair],
) -> None:
    """Writes FOLDER/HOST for each host of the topology. seen: recorded samples, or the sources
    files by host of what is served live. pythons: by host, what runs ddnn there. make_pair: makes
    keys, new ones for each version, where the topology wants them.

    Raises BundleError for a damaged bundle.
    """
    topology = bundle.topology
    with tempfile.TemporaryDirectory(prefix="ddnn-keys-") as temporary:
        keys = Path(temporary) / "keys"
        if topology.security.curve:
            write_keys(keys, (COLLECTOR, *topology.nodes), make_pair)
        for host in topology.hosts:
            own = folder / host
            nodes = nodes_of_host(topology, host)
            split_bundle(bundle.folder, nodes, own / "bundle")
            if topology.security.curve:
                _copy_keys(keys, own / "keys", _keepers(topology, host))
            options = _options(topology, host) + _write_seen(own, topology, host, seen)
            command = ["launch" if isinstance(seen, MultiView) else "serve", *options]
            run = [pythons[host], "-m", "ddnn", *command]
            _write_run(own / RUN, topology, host, run, has_report=host == topology.collector.host)
            about = {"version": version, "bundle_sha256": bundle.sha256, "ddnn": __version__}
            write_json(own / VERSION, about)


def _keepers(topology: Topology, host: str) -> tuple[str, ...]:
    """Who of this host has a key."""
    return tuple(n for n in (COLLECTOR, *topology.nodes) if topology.host(n) == host)


def _copy_keys(keys: Path, own: Path, names: tuple[str, ...]) -> None:
    own.mkdir(mode=0o700)
    for file in (PUBLIC, *(f"{name}.key" for name in names)):
        shutil.copy(keys / file, own / file)


def _options(topology: Topology, host: str) -> list[str]:
    """Of what the host runs."""
    options = ["--host", host]
    options += ["--keys", "keys"] if topology.security.curve else []
    if host == topology.collector.host:
        options += ["--join"] if len(topology.hosts) > 1 else []
    return options


def _write_seen(
    own: Path, topology: Topology, host: str, seen: MultiView | Mapping[str, str]
) -> list[str]:
    """What the host's devices see, and the options that say where it is."""
    if not isinstance(seen, MultiView):
        if host not in seen:
            return []
        shutil.copyfile(seen[host], own / SOURCES)
        return ["--sources", SOURCES]
    if host == topology.collector.host:
        write_card(own / "data", seen)
        return ["--data", "data/card.yaml", "--split", "all"]
    nodes = nodes_of_host(topology, host)
    if set(nodes).isdisjoint(topology.devices):
        return []
    write_seen(own / "views", topology, seen, nodes)
    return ["--views", "views"]


def _write_run(
    path: Path, topology: Topology, host: str, command: list[str], *, has_report: bool
) -> None:
    """command: python, -m, ddnn, what it does, and options. has_report: it goes to the host's
    folder, and is named from the root: nobody knows from where the script is called."""
    first, options = shlex.join(command[:4]), shlex.join(command[4:])
    options += ' --out "$folder/report"' if has_report else ""
    text = _RUN.format(host=host, topology=topology.name, ddnn=first, options=options)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o777), "wb") as file:
        file.write(text.encode())
