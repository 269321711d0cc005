"""Processes that are killed before they have read their bundle, which is not there."""

import pytest

from ddnn.errors import LaunchError
from ddnn.run.child.config import ChildConfig
from ddnn.run.launcher.private_folder import own_folder
from ddnn.run.launcher.processes import Processes


def test_a_process_that_the_system_does_not_start_is_named_by_its_node():
    """Linux refuses an argument of 128 KiB."""
    with (
        own_folder() as folder,
        Processes(folder) as processes,
        pytest.raises(LaunchError, match=r"^cam0: cannot be started, Argument list too long"),
    ):
        processes.start(ChildConfig(bundle="x" * 2**22, node="cam0"))
