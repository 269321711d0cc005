"""What one host's cameras recorded, as files: for a host that is to see its own views alone.

FOLDER/
  NAME.npy    (N,C,H,W) of each device
  digest      of all samples, of all hosts: decimal; another collector's samples are refused
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ddnn.data.multiview import MultiView
from ddnn.data.storage import save
from ddnn.errors import ConfigError
from ddnn.plainfile import read_plain
from ddnn.topology import Topology

DIGEST = "digest"
MAX_DIGEST_BYTES = 32


class Seen(NamedTuple):
    """files: by device. digest: of all samples."""

    files: dict[str, str]
    digest: int


def write_seen(folder: Path, topology: Topology, samples: MultiView, nodes: Iterable[str]) -> None:
    """Writes a new folder with the views of those nodes that are devices."""
    folder.mkdir()
    for name in nodes:
        if name in topology.devices:
            save(folder / f"{name}.npy", samples.views.arrays[topology.view_number(name)])
    (folder / DIGEST).write_text(f"{samples.digest}\n", encoding="ascii")


def read_seen(folder: Path, topology: Topology, nodes: Iterable[str]) -> Seen:
    """What the devices among these nodes see; the files themselves are read by the nodes.

    Raises ConfigError for a folder that lacks one of them, or the digest.
    """
    files = {name: folder / f"{name}.npy" for name in nodes if name in topology.devices}
    for name, file in files.items():
        if not file.is_file():
            raise ConfigError(f"{file}: no such file, want what {name} sees")
    try:
        digest = int(read_plain(folder / DIGEST, MAX_DIGEST_BYTES))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / DIGEST}: {error}, want the samples' digest") from error
    return Seen({name: str(file.absolute()) for name, file in files.items()}, digest)
