"""What ddnn writes into a run's folder, and whether its training has come to its end.

config.json says how many epochs are wanted, history.jsonl how many are done, the bundle's manifest
of how many the bundle is. The bundle is what is evaluated, calibrated and launched, and reports are
of it; all of them stand until the training comes to its end, which replaces the bundle in one step
and then removes the reports. So a run that is gone on with, and interrupted, is used as it was
before; it is finished when its bundle is of all the epochs wanted.

Known without torch: the runtime says of an unfinished run what it is, not what it lacks.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

from ddnn.errors import ConfigError, DdnnError
from ddnn.plainfile import read_plain
from ddnn.seal import is_sealed

CONFIG, BUNDLE = "config.json", "bundle"
BUNDLE_VERSION: Final = 2
"""Of a bundle's manifest: 1 had no hash of its own."""
CHECKPOINT, HISTORY = "checkpoint.safetensors", "history.jsonl"
TRAINING = (CHECKPOINT, HISTORY)
MANIFEST = f"{BUNDLE}/manifest.json"
BUNDLED = (
    MANIFEST,  # first: without it the rest is no bundle
    f"{BUNDLE}/weights.safetensors",
    f"{BUNDLE}/sections/*.onnx",
    f"{BUNDLE}/exits/*.onnx",
)
REPORTS = (
    "weights.safetensors",  # of folders written before the bundle's were read
    *("report.json", "verdicts.csv", "thresholds.csv", "validation.json"),
    *("demo.json", "thresholds.png", "devices-lost.png"),
    *("failures/report.json", "failures/subsets.csv"),
    *(f"launch/{name}" for name in ("report.json", "verdicts.csv", "links.csv", "memory.csv")),
)
"""What follows from the bundle: of no use once it changes."""


def is_run(folder: Path) -> bool:
    """Whether `ddnn train` has begun here: other programs write a config.json too."""
    return epochs_wanted(folder) is not None


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Raises DdnnError where a new run has no place: it would be mixed with what is there."""
    if is_run(folder):
        if not overwrite:
            raise ConfigError(f"{folder}: holds a run already, want --overwrite or another folder")
    elif not _is_empty(folder):
        raise ConfigError(f"{folder}: not empty and no run of ddnn train, want a new folder")


def check_new(folder: Path) -> None:
    """Raises ConfigError where no new folder can take this place: something is there, or it is
    one that cannot be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ConfigError(f"{folder}: exists, want a new folder")
    if folder.samefile(Path.cwd()):
        raise ConfigError(f"{folder}: the folder you are in, want a new folder")
    if os.path.ismount(folder):
        raise ConfigError(f"{folder}: where something is mounted, want a new folder in it")


def is_finished(folder: Path) -> bool:
    """Whether `ddnn train` has come to its end here: the bundle is of all epochs wanted."""
    wanted = epochs_wanted(folder)
    path = folder / MANIFEST
    return wanted is not None and wanted == _epochs(path, "training") and _is_whole(path)


def epochs_wanted(folder: Path) -> int | None:
    """How many epochs `ddnn train` was asked for here, in all; None: this is no run."""
    return _epochs(folder / CONFIG)


def epochs_done(folder: Path) -> int:
    """How many epochs `ddnn train` has finished here."""
    try:
        return len(read_plain(folder / HISTORY).splitlines())
    except OSError:
        return 0


def check_finished(folder: Path) -> None:
    """Raises ConfigError for a run without a bundle, saying how to come by one."""
    done, wanted = epochs_done(folder), epochs_wanted(folder)
    if wanted is None or (folder / MANIFEST).exists():
        return
    if done >= wanted:
        raise ConfigError(
            f"{folder}: has all its {wanted} epochs but no bundle, make it with "
            f"ddnn train --resume {folder}"
        )
    raise ConfigError(
        f"{folder}: training stopped at epoch {done} of {wanted}, finish it with "
        f"ddnn train --resume {folder}"
    )


def remove(folder: Path, patterns: tuple[str, ...]) -> None:
    """Removes the run's files of these names, and folders that are empty then; no others.

    Raises DdnnError for a file that cannot be removed.
    """
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise DdnnError(f"{error.filename}: cannot be removed, {error.strerror}") from error
    for parent in sorted({path.parent for path in found} | {folder / BUNDLE}, reverse=True):
        if parent != folder:
            with contextlib.suppress(OSError):  # it holds something else
                parent.rmdir()


def _epochs(path: Path, *keys: str) -> int | None:
    """Of the settings under these keys; None: they are not there."""
    foreign = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
    with contextlib.suppress(*foreign):
        document = json.loads(read_plain(path))
        for key in (*keys, "settings", "epochs"):
            document = document[key]
        return int(document)
    return None


def _is_whole(manifest: Path) -> bool:
    """Whether it can be used: as it was written, and by a ddnn of this version's bundles."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        content = read_plain(manifest)
        return is_sealed(content) and json.loads(content)["schema_version"] == BUNDLE_VERSION
    return False


def _is_empty(folder: Path) -> bool:
    try:
        return not folder.is_dir() or not any(folder.iterdir())
    except OSError as error:
        raise DdnnError(f"{folder}: cannot be read, {error.strerror}") from error
