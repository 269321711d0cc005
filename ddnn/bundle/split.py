"""Takes out of a bundle what some nodes need, so that a device's host holds only its own part."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ddnn.bundle.load import load_bundle, read_checked
from ddnn.bundle.manifest import MANIFEST, files_of
from ddnn.errors import BundleError, ConfigError


def split_bundle(folder: Path, nodes: Sequence[str], out: Path) -> tuple[str, ...]:
    """Writes the manifest, unchanged, and the nodes' files to `out`. Returns the files' names.

    Raises BundleError for a damaged bundle or a place that cannot be written or is in use,
    ConfigError for a node that the topology does not have.
    """
    bundle = load_bundle(folder, nodes)
    for node in nodes:
        if node not in bundle.topology.nodes:
            known = ", ".join(bundle.topology.nodes)
            raise ConfigError(f"node: no node named {node!r} (known: {known})")
    names = files_of(bundle.topology, nodes)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BundleError(f"{out}: exists, want a new folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            for name in names:
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_bytes(read_checked(bundle.folder, bundle.manifest, name))
            shutil.copyfile(bundle.folder / MANIFEST, new / MANIFEST)
            os.chmod(new, 0o755)
            new.rename(out)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written, {error.strerror or error}") from error
    return names
