"""Shorter lists that still break something."""

import pytest

from ddnn.simulation.shrink import MOST_TRIES, shortest


@pytest.mark.parametrize("guilty", [[], [7], [0, 99], [3, 4, 50], list(range(20))])
def test_only_the_guilty_are_left(guilty):
    assert shortest(range(100), lambda left: set(guilty) <= set(left)) == guilty


def test_it_gives_up_with_what_it_has():
    tries = []

    def breaks(left):
        tries.append(left)
        return len(left) % 2 == 0 and set(range(0, 3000, 2)) <= set(left)

    assert len(shortest(range(3000), breaks)) >= 1500
    assert len(tries) <= MOST_TRIES
