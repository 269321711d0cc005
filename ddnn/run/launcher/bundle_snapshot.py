"""What a launch works on until it ends: the files of its bundle as they were when it began.

The run may be calibrated, trained on or removed meanwhile: a node that starts again finds the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ddnn.bundle.load import Bundle, read_checked
from ddnn.bundle.manifest import MANIFEST, files_of
from ddnn.errors import BundleError
from ddnn.run.launcher.private_folder import Workplace
from ddnn.runfolder import BUNDLE


def put_bundle(workplace: Workplace, bundle: Bundle, nodes: Iterable[str]) -> Path:
    """Puts what these nodes need of the bundle there; returns the folder in which it is.

    Raises BundleError for a file that changed since the bundle was loaded, LaunchError where the
    disk is full.
    """
    for name, content in _read(bundle, nodes).items():
        workplace.put(f"{BUNDLE}/{name}", partial(_write, content))
    return workplace.path / BUNDLE


def _read(bundle: Bundle, nodes: Iterable[str]) -> dict[str, bytes]:
    path = bundle.folder / MANIFEST
    try:
        manifest = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}, want a whole bundle") from error
    if hashlib.sha256(manifest).hexdigest() != bundle.sha256:
        raise BundleError(f"{path}: has just changed, want it to stay until the launch has begun")
    names = files_of(bundle.topology, nodes)
    return {
        **{name: read_checked(bundle.folder, bundle.manifest, name) for name in names},
        MANIFEST: manifest,
    }


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)
