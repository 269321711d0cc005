"""Which version a deployment goes back to."""

import pytest

from ddnn.deploy.record import Deployment
from ddnn.errors import ConfigError


def upgraded(deployment: Deployment) -> Deployment:
    return deployment.with_version(deployment.next_version("ab" * 32, 1, ()))


def rolled_back(deployment: Deployment) -> Deployment:
    return deployment.model_copy(update={"current": deployment.before_current()})


def number(deployment: Deployment) -> int:
    return int(deployment.current.partition("-")[0])


def deployed() -> Deployment:
    return upgraded(Deployment(topology="two", collector="here", hosts={}))


def test_a_rollback_never_goes_to_a_version_that_was_rolled_back_from():
    first = deployed()
    again = upgraded(rolled_back(upgraded(first)))
    assert [number(each) for each in (first, again, rolled_back(again))] == [1, 3, 1]


def test_there_is_nothing_before_the_first_version():
    with pytest.raises(ConfigError, match=r"two: no version before 0001-.*, want an upgrade"):
        rolled_back(deployed())


def test_what_a_rollback_goes_to_is_kept_however_many_were_tried_since():
    tried = deployed()
    for _ in range(4):
        tried = rolled_back(upgraded(tried))
    tried = upgraded(tried)
    kept = [int(name.partition("-")[0]) for name in tried.kept_versions(3)]
    assert kept == [1, 4, 5, 6]
    assert number(rolled_back(tried)) == 1
