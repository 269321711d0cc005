"""What versions a deployment has, and which comes before and next."""

import pytest

from ddnn.deploy.record import Deployment
from ddnn.errors import ConfigError


def deployed(*digests: str) -> Deployment:
    """A version of each, the last one current."""
    known = Deployment(topology="star", collector="site", hosts={})
    for digest in digests:
        known = known.with_version(known.next_version(digest, 10, ()))
    return known


def test_each_version_goes_back_to_the_one_right_before_it():
    known = deployed("a" * 64, "b" * 64, "c" * 64)
    first, second, third = (version.name for version in known.versions)
    assert known.current == third
    known = known.model_copy(update={"current": known.before_current()})
    assert known.current == second
    known = known.model_copy(update={"current": known.before_current()})
    assert known.current == first
    with pytest.raises(ConfigError, match=f"no version before {first}"):
        known.before_current()


def test_a_new_version_has_a_number_above_all_that_there_are_also_of_tries_that_broke_off():
    known = deployed("a" * 64, "b" * 64)
    assert known.next_version("c" * 64, 10, ()).name.startswith(f"0003-{'c' * 12}-")
    assert known.next_version("c" * 64, 10, ["0007-x", "notes"]).name.startswith("0008-")
