"""`import ddnn`: what is public is there, said, and loaded only when it is used."""

import subprocess
import sys

import pytest

import ddnn


def loaded_by(program: str) -> set[str]:
    """The packages that a Python has loaded after the program."""
    program = (
        f'import sys, ddnn\n{program}\nprint(*{{name.partition(".")[0] for name in sys.modules}})'
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", ddnn.__all__)
def test_what_is_public_is_there_and_says_what_it_is_for(name):
    value = getattr(ddnn, name)
    assert name in dir(ddnn)
    assert value.__doc__
    assert not name.startswith("_")


def test_what_is_not_public_is_named_as_missing():
    with pytest.raises(AttributeError, match="module 'ddnn' has no attribute 'Joint'"):
        ddnn.Joint  # noqa: B018  # looking it up is the test


def test_launching_loads_no_torch_and_importing_loads_nothing():
    assert not loaded_by("pass") & {"numpy", "zmq", "torch", "pydantic"}
    launching = loaded_by("ddnn.launch, ddnn.read_topology, ddnn.LaunchResult, ddnn.DdnnError")
    assert "zmq" in launching
    assert not launching & {"torch", "sklearn", "matplotlib", "pandas"}
