"""Processes that are killed before they have read their bundle, which is not there."""

from pathlib import Path

import pytest

from ddnn.errors import LaunchError
from ddnn.run.child import ChildConfig
from ddnn.run.epochs import Epochs
from ddnn.run.processes import Processes
from ddnn.run.workplace import own_folder

CONFIG = ChildConfig(bundle="gone", node="cam0")


def test_every_start_counts_whoever_asks_for_it_and_whichever_launcher_does_it(tmp_path: Path):
    path = tmp_path / "epochs"
    for _ in range(2):
        with own_folder() as folder, Processes(folder, Epochs(path)) as processes:
            processes.start(CONFIG)
            processes.kill("cam0")
            processes.restart("cam0")
    assert Epochs(path).start("cam0") == 4


def test_a_process_that_the_system_does_not_start_is_named_by_its_node():
    """Linux refuses an argument of 128 KiB."""
    with (
        own_folder() as folder,
        Processes(folder) as processes,
        pytest.raises(LaunchError, match=r"^cam0: cannot be started, Argument list too long"),
    ):
        processes.start(ChildConfig(bundle="x" * 2**22, node="cam0"))
