"""What is no plain file is named at once wherever a file is read, never waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from ddnn.cli.report import _read as read_report
from ddnn.data.archive import array_names, read_npy
from ddnn.data.imagefile import read_image
from ddnn.data.split import read_order
from ddnn.errors import DdnnError
from ddnn.plainfile import open_plain, read_plain
from ddnn.run.child.served import _read_views as read_views
from ddnn.run.failures.plan import read_plan
from ddnn.runfolder import epochs_done, is_run
from ddnn.topology import read_topology
from ddnn.training.checkpoint import _read as read_checkpoint
from ddnn.wire.keys import _read as read_key
from ddnn.yamlfile import read_json, read_yaml


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


KINDS = {"a pipe": pipe, "a socket": bound_socket, "a device": device, "a folder": folder}


class Empty(BaseModel):
    pass


READERS: dict[str, Callable[[Path], object]] = {
    "card, topology or plan": lambda path: read_yaml(path, Empty),
    "topology by name": read_topology,
    "plan by name": read_plan,
    "npz": array_names,
    "npy": read_npy,
    "npy of an order": lambda path: read_order(path.rename(path.with_suffix(".npy"))),
    "order": read_order,
    "image": lambda path: read_image(path, channels=3, size=None),
    "key": lambda path: read_key(path, "a key"),
    "report": read_report,
    "views": lambda path: read_views("cam0", str(path), is_device=True),
    "checkpoint": read_checkpoint,
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_readers_name_what_is_no_plain_file(
    tmp_path: Path, make: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    make(tmp_path / "file")
    with pytest.raises(DdnnError) as caught:
        read(tmp_path / "file")
    kind = next(kind for kind, maker in KINDS.items() if maker is make)
    assert f"{tmp_path}/file" in str(caught.value)
    assert kind in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [pipe, device], ids=["pipe", "device"])
def test_a_runs_own_files_are_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "config.json")
    make(tmp_path / "history.jsonl")
    assert not is_run(tmp_path)
    assert epochs_done(tmp_path) == 0
    with pytest.raises(OSError, match=r"a (pipe|device)"):
        read_json(tmp_path / "config.json", Empty)


def test_a_plain_file_and_a_link_to_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "link") == b"content"
    assert read_plain(tmp_path / "file", 4) == b"cont"
    with open_plain(tmp_path / "file") as file:
        assert file.read() == b"content"
