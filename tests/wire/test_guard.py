"""Which connections are cut, by what is known of them."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from ddnn.wire.guard import BATCH_BYTES, HALF_OPEN, STRANGERS, Guard

MESSAGE_BYTES = 1000
REST_BYTES = MESSAGE_BYTES + BATCH_BYTES


@dataclass
class Connections:
    """As the kernel would tell of them."""

    new: tuple[int, ...] = ()
    read: dict[int, int] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    whole: int | None = None

    @property
    def open(self) -> tuple[int, ...]:
        return tuple(self.read)

    def read_bytes(self) -> dict[int, int]:
        return dict(self.read)

    def cut(self, descriptor: int, whole: int | None = None) -> None:
        self.cuts.append(descriptor)
        self.whole = whole


class Door:
    """A guard, and what it watches over."""

    def __init__(self) -> None:
        self.connections = Connections()
        self.events: Counter[str] = Counter()
        self.guard = Guard(self.connections, self.events, expected=2, message_bytes=MESSAGE_BYTES)

    def look(self, *came: int, is_empty: bool = True) -> list[int]:
        """Who has been cut so far."""
        self.guard.look(frozenset(came))
        self.guard.settle(is_empty=is_empty)
        return self.connections.cuts


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(("rest", "cuts"), [(REST_BYTES, []), (REST_BYTES + 1, [7])])
def test_what_is_more_than_a_message_and_never_handed_over_is_cut(door, rest, cuts):
    door.connections.read = {7: 5000 + rest}
    door.guard.note(7, 5000)
    assert door.look(7) == cuts
    assert door.look() == cuts
    assert door.events.total() == len(cuts)
    assert door.connections.whole == (5000 if cuts else None)


def test_who_waits_for_a_busy_node_is_not_cut(door):
    door.connections.read = {7: 2 * REST_BYTES, 8: 0}
    assert door.look(7, 8, is_empty=False) == []
    door.guard.note(7, 2 * REST_BYTES)
    assert door.look() == []


def test_who_had_its_turns_and_said_nothing_whole_is_cut_though_the_node_is_busy(door):
    door.connections.read = {7: 2 * REST_BYTES, 8: 0}
    door.look(7, 8, is_empty=False)
    for _ in range(2):
        door.guard.note(8, 10)
    assert door.look(is_empty=False) == [7]


@pytest.mark.parametrize("before", [0, 10 * REST_BYTES], ids=["silent", "speaking"])
def test_a_descriptor_that_is_used_again_inherits_no_credit(door, before):
    door.connections.read = {7: before}
    door.guard.note(7, before)
    door.look(7)
    door.connections.read = {7: REST_BYTES + 1}
    assert door.look(7) == [7]


def test_what_came_since_the_last_look_may_be_of_the_new_connection(door):
    door.connections.read = {7: 0}
    door.look(7)
    door.guard.note(7, 2 * REST_BYTES)
    door.connections.read = {7: 2 * REST_BYTES}
    assert door.look(7) == []


def test_the_oldest_without_a_handshake_are_cut(door):
    door.connections.new = tuple(range(HALF_OPEN + 2))
    assert door.look(*door.connections.new) == [0, 1]
    assert door.look() == [0, 1]
    assert door.events == {"crowd": 2}


def test_of_too_many_the_silent_are_cut_first_and_then_the_longest_silent(door):
    wanted = 2 + STRANGERS
    door.connections.read = dict.fromkeys(range(wanted), 0)
    for descriptor in range(wanted):
        if descriptor != 5:
            door.guard.note(descriptor, 10)
    door.look(*range(wanted))
    door.guard.note(0, 10)
    door.look()
    door.connections.read |= {100: 0, 101: 0}
    door.guard.note(100, 10)
    door.guard.note(101, 10)
    assert door.look(100, 101) == [5, 1]
