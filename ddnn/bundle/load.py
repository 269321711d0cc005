"""Reads a bundle and believes nothing of it: hashes, names and sizes are checked first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from pydantic import ValidationError

from ddnn.bundle.external import check_model
from ddnn.bundle.manifest import MANIFEST, WEIGHTS, Manifest, exit_file, files_of, section_file
from ddnn.errors import BundleError, DdnnError
from ddnn.runfolder import BUNDLE, BUNDLE_VERSION, check_finished, is_run
from ddnn.seal import is_sealed, without_seal
from ddnn.topology import Topology

MAX_FILE_BYTES = 1 << 30
MAX_MANIFEST_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are whole and belong together.

    sha256: of the manifest, which holds the hashes of all other files.
    """

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def topology(self) -> Topology:
        return self.manifest.topology

    @property
    def session(self) -> int:
        """64 bits of its digest: nodes of different bundles do not talk."""
        return int(self.sha256[:16], 16)

    @property
    def tables(self) -> dict[str, bytes]:
        """By node name, how to code its features."""
        return {name: bytes.fromhex(table) for name, table in self.manifest.tables.items()}

    def section_path(self, node: str) -> Path:
        """The ONNX file of a node's section."""
        return self.folder / section_file(self.topology.original(node))

    def exit_path(self, name: str) -> Path:
        """The ONNX file of an exit."""
        return self.folder / exit_file(name)

    def with_endpoints(self, endpoints: dict[str, str]) -> Bundle:
        """The same bundle with its nodes listening elsewhere."""
        topology = self.topology.with_endpoints(endpoints)
        manifest = self.manifest.model_copy(update={"topology": topology})
        return Bundle(self.folder, manifest, self.sha256)


def load_bundle(folder: Path, nodes: Iterable[str] | None = None) -> Bundle:
    """The bundle in `folder`, or in its sub-folder `bundle` when `folder` is a run.

    nodes: whose files must be there and whole; None: all. A part of a bundle (bundle.split) has
    the same manifest and so the same session as the whole.
    Raises BundleError naming the file that is missing, damaged or does not fit, ConfigError for
    a run whose training was interrupted.
    """
    folder = Path(folder)
    check_finished(folder)
    if not (folder / MANIFEST).exists() and (folder / BUNDLE / MANIFEST).exists():
        folder = folder / BUNDLE
    content = _read(folder / MANIFEST, MAX_MANIFEST_BYTES)
    manifest = _parse(folder / MANIFEST, content)
    _check_names(folder, manifest)
    bundle = Bundle(folder, manifest, hashlib.sha256(content).hexdigest())
    check_files(bundle, manifest.sha256 if nodes is None else files_of(manifest.topology, nodes))
    return bundle


def check_files(bundle: Bundle, names: Iterable[str]) -> None:
    """Raises BundleError naming the first of these files that is missing or damaged."""
    for name in names:
        read_checked(bundle.folder, bundle.manifest, name)


def read_checked(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The file's content. Raises BundleError unless it is what the manifest says."""
    content = _read(folder / name, MAX_FILE_BYTES)
    found, wanted = hashlib.sha256(content).hexdigest(), manifest.sha256[name]
    if found != wanted:
        raise BundleError(f"{folder / name}: sha256 {found[:12]}…, want {wanted[:12]}…")
    if name.endswith(".onnx"):
        check_model(folder / name, content)
    return content


def read_weights(bundle: Bundle) -> bytes:
    """The trained network as safetensors. Raises BundleError where it is missing or damaged."""
    if WEIGHTS not in bundle.manifest.sha256:
        raise BundleError(f"{bundle.folder / MANIFEST}: sha256: no {WEIGHTS}, want a trained run's")
    return read_checked(bundle.folder, bundle.manifest, WEIGHTS)


def _parse(path: Path, content: bytes) -> Manifest:
    _check_version(path, content)
    if not is_sealed(content):
        raise BundleError(f"{path}: not as it was written, {_remedy(path)}")
    try:
        return Manifest.model_validate_json(without_seal(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{key}." for key in first["loc"])[:-1]
        raise BundleError(f"{path}: {where and where + ': '}{first['msg']}") from error
    except DdnnError as error:
        raise BundleError(f"{path}: {error}") from error


def _check_version(path: Path, content: bytes) -> None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not JSON, {_remedy(path)}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int):
        raise BundleError(f"{path}: says no schema_version, {_remedy(path)}")
    if version < BUNDLE_VERSION:
        raise BundleError(
            f"{path}: of bundle version {version}, this ddnn reads {BUNDLE_VERSION}: "
            f"{_remedy(path)}"
        )
    if version > BUNDLE_VERSION:
        raise BundleError(
            f"{path}: of bundle version {version}, this ddnn reads {BUNDLE_VERSION}: want a newer "
            "ddnn"
        )


def _remedy(path: Path) -> str:
    """How to come by a bundle in place of the one with this manifest."""
    run = path.parent.parent
    if path.parent.name == BUNDLE and is_run(run):
        return f"make it again with ddnn train --resume {run}"
    return "make it again from its run, with ddnn train --resume RUN and, for a part, ddnn bundle"


def _check_names(folder: Path, manifest: Manifest) -> None:
    """Every file stays in the folder, and every model the topology needs is among them."""
    for name in manifest.sha256:
        path, windows = Path(name), PureWindowsPath(name)
        outside = path.is_absolute() or windows.anchor or ".." in windows.parts
        if outside or "\\" in name or not path.parts or "\0" in name:
            raise BundleError(f"{folder / MANIFEST}: file {name!r}, want a path in the bundle")
        try:
            inside = (folder / path).resolve().is_relative_to(folder.resolve())
        except (OSError, RuntimeError) as error:  # a loop of links
            raise BundleError(f"{folder / name}: {error}, want a plain file") from error
        if not inside:
            raise BundleError(f"{folder / name}: leads out of the bundle, want a file in it")
    topology = manifest.topology
    for name in files_of(topology, topology.nodes):
        if name not in manifest.sha256:
            raise BundleError(f"{folder / MANIFEST}: sha256: no {name}, the topology needs it")
    if set(manifest.exits) != set(topology.exits):
        raise BundleError(
            f"{folder / MANIFEST}: exits {sorted(manifest.exits)}, want {sorted(topology.exits)}"
        )
    if manifest.prior_class >= len(topology.classes):
        raise BundleError(
            f"{folder / MANIFEST}: prior_class {manifest.prior_class}, want less than "
            f"{len(topology.classes)}"
        )


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise BundleError(f"{path}: not a plain file, want a whole bundle")
        if path.stat().st_size > max_bytes:
            raise BundleError(f"{path}: larger than {max_bytes} bytes, want less")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}, want a whole bundle") from error
