import math

import pytest

from ddnn.nodes.liveness import Liveness
from ddnn.wire.messages import Heartbeat


def test_all_are_alive_until_the_patience_has_passed_once():
    liveness = Liveness(["a", "b"], patience_s=1)
    assert liveness.alive(100) == 0b11
    assert liveness.alive(100.9) == 0b11
    assert liveness.alive(101) == 0


def test_whoever_is_heard_of_is_alive_again():
    liveness = Liveness(["a", "b"], patience_s=1)
    liveness.hear("a", 0)
    liveness.hear("b", 5)
    assert (liveness.is_alive("a", 5), liveness.is_alive("b", 5)) == (False, True)
    liveness.hear("a", 5.5)
    assert liveness.is_alive("a", 5.5)  # at once, and not when the next would be given up


def test_strangers_are_not_watched():
    liveness = Liveness(["a"], patience_s=1)
    liveness.hear("stranger", 0)
    assert liveness.is_alive("stranger", 1e9)


def test_the_node_itself_is_alive_however_long_it_says_nothing_to_itself():
    liveness = Liveness(["a", "me"], patience_s=1, own="me")
    liveness.hear("me", 0)
    assert liveness.alive(0) == 0b11
    assert liveness.alive(1e9) == 0b10


@pytest.mark.parametrize(
    ("heard_b_s", "now_s", "change_s"), [(0.5, 0.6, 1.0), (0.5, 1.2, 1.5), (0.5, 9, None)]
)
def test_the_next_change_is_when_the_longest_silent_is_given_up(heard_b_s, now_s, change_s):
    liveness = Liveness(["a", "b"], patience_s=1)
    liveness.hear("a", 0)
    liveness.hear("b", heard_b_s)
    assert liveness.next_change_s(now_s) == change_s


@pytest.mark.parametrize(
    ("heard_s", "now_s", "fell_silent"),
    [
        pytest.param(None, 10.9, False, id="just started"),
        pytest.param(None, 12, False, id="still starting"),
        pytest.param(None, 40, True, id="never came up"),
        pytest.param(13, 13.9, False, id="came up"),
        pytest.param(13, 14.1, True, id="came up and fell silent"),
        pytest.param(9, 10.5, False, id="spoke before it was started again"),
    ],
)
def test_a_node_that_starts_has_time_to_speak_before_it_counts_as_silent(
    heard_s, now_s, fell_silent
):
    liveness = Liveness(["a"], patience_s=1)
    liveness.alive(0)
    if heard_s is not None:
        liveness.hear("a", heard_s)
    assert liveness.fell_silent("a", now_s, started_s=10, start_s=30) == fell_silent


def test_a_node_that_was_never_started_again_falls_silent_after_the_patience():
    liveness = Liveness(["a"], patience_s=1)
    liveness.hear("a", 0)
    assert not liveness.fell_silent("a", 0.9, started_s=-math.inf, start_s=30)
    assert liveness.fell_silent("a", 1, started_s=-math.inf, start_s=30)


def test_a_heartbeat_is_good_for_as_many_intervals_as_it_says():
    liveness = Liveness(["a"], patience_s=1)
    liveness.hear_beat("a", Heartbeat(every=10), 0)
    liveness.hear("a", 5)  # something else, which shortens nothing
    assert liveness.is_alive("a", 9.9)
    assert not liveness.is_alive("a", 10)
    liveness.hear_beat("a", Heartbeat(every=10), 20)
    liveness.hear_beat("a", Heartbeat(), 20.5)
    assert liveness.next_change_s(20.6) == 21.5
    assert not liveness.is_alive("a", 21.5)


def test_whom_its_keeper_has_given_up_is_alive_no_longer_than_its_last_word_is_good_for():
    liveness = Liveness(["a", "keeper"], patience_s=1)
    liveness.hear_beat("a", Heartbeat(every=10), 0)
    liveness.hear_beat("keeper", Heartbeat(gone=frozenset({"a", "stranger"})), 0.9)
    assert liveness.is_alive("a", 0.95)
    assert not liveness.is_alive("a", 1)


def test_whom_its_keeper_alone_does_not_hear_is_given_up_once_and_not_at_each_word():
    """The way from one to the other is cut, and others hear both."""
    liveness = Liveness(["a", "keeper"], patience_s=1)
    lost = Heartbeat(gone=frozenset({"a"}))
    for now_s in range(30):
        if now_s % 10 == 0:
            liveness.hear_beat("a", Heartbeat(every=10), now_s)
        liveness.hear_beat("keeper", lost if now_s > 2 else Heartbeat(), now_s)
        assert liveness.is_alive("a", now_s) == (not 3 <= now_s < 10)


def test_a_keeper_that_hears_of_one_again_may_give_it_up_again():
    liveness = Liveness(["a", "keeper"], patience_s=1)
    for start_s in (0, 20):
        liveness.hear_beat("a", Heartbeat(every=10), start_s)
        liveness.hear_beat("keeper", Heartbeat(), start_s)
        liveness.hear_beat("keeper", Heartbeat(gone=frozenset({"a"})), start_s + 2)
        assert not liveness.is_alive("a", start_s + 2)
