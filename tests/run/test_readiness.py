"""Who is named while a run waits for its nodes."""

import pytest

from ddnn.run.readiness import missed

LOST = {"cam0": 0, "gateway": 0, "cloud": 0}


@pytest.mark.parametrize(
    ("unreached", "wanted"),
    [
        ({}, {"cam0", "gateway", "cloud"}),
        ({"cam0": 1, "gateway": 1}, {"cloud"}),
        ({"cam0": 1, "gateway": 0, "cloud": 0}, {"cam0"}),
        ({"cam0": 0, "gateway": 0, "cloud": 0}, set()),
    ],
    ids=["nobody heard", "one never heard", "all heard, one lacks another", "ready"],
)
def test_who_was_never_heard_is_named_and_not_those_who_lack_it(unreached, wanted):
    assert missed(unreached, LOST) == wanted


def test_a_neighbour_that_is_known_to_be_gone_is_not_waited_for():
    assert missed({"cam0": 1}, {"cam0": 1}) == set()
