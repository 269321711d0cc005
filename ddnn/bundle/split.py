"""Takes out of a bundle what some nodes need, so that a device's host holds only its own part."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ddnn.bundle.load import Bundle, load_bundle, read_checked
from ddnn.bundle.manifest import MANIFEST, files_of
from ddnn.errors import BundleError, ConfigError
from ddnn.report.files import mode_for
from ddnn.runfolder import check_new


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
    with new_folder(out) as new:
        copy_files(bundle, names, new)
        shutil.copyfile(bundle.folder / MANIFEST, new / MANIFEST)
    return names


@contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder that becomes `out` when all that is done with it is done; else it is removed.

    replace: there may be a folder at `out`. It is moved aside, and back where the new one cannot
        take its place; a crash between the two moves leaves it as `.NAME.*/old`.
    Raises BundleError for a place that cannot be written or is in use.
    """
    try:
        if not (replace and out.is_dir()):
            _check_new(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        new, old = hidden / "new", hidden / "old"
        try:
            new.mkdir(mode=mode_for(out, 0o777))
            yield new
            if replace and out.exists():
                out.rename(old)
            new.rename(out)
        finally:
            if old.exists() and not out.exists():
                old.rename(out)
            shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written, {error.strerror or error}") from error


def _check_new(out: Path) -> None:
    try:
        check_new(out)
    except ConfigError as error:
        raise BundleError(str(error)) from error


def copy_files(bundle: Bundle, names: Iterable[str], folder: Path) -> None:
    """The bundle's files of these names, checked. Raises BundleError for a damaged one."""
    for name in names:
        content = read_checked(bundle.folder, bundle.manifest, name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
