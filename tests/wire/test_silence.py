"""How long others wait for a node: the rules of when another start of it may be believed."""

import math

import pytest

from ddnn.wire.silence import Silence


def test_any_word_is_good_for_one_patience():
    silence = Silence(1.0, 0.0)
    silence.heard(5.0)
    assert (silence.heard_s, silence.ends_s) == (5.0, 6.0)


def test_a_heartbeat_is_good_for_as_many_intervals_as_it_says():
    silence = Silence(1.0, 0.0)
    silence.hold(6)
    assert silence.ends_s == 6.0


def test_a_word_after_a_heartbeat_that_holds_long_shortens_nothing():
    silence = Silence(1.0, 0.0)
    silence.hold(6)
    silence.heard(2.0)
    assert silence.ends_s == 6.0


def test_the_next_heartbeat_takes_back_what_the_one_before_had_promised():
    silence = Silence(1.0, 0.0)
    silence.hold(6)
    silence.heard(2.0)
    silence.hold(1)
    assert silence.ends_s == 3.0


@pytest.mark.parametrize("every", [1, 6])
def test_who_is_let_go_has_one_patience_from_its_last_word(every: int):
    silence = Silence(1.0, 0.0)
    silence.heard(2.0)
    silence.hold(every)
    silence.let_go()
    assert silence.ends_s == 3.0


def test_what_nobody_could_hear_is_nobodys_silence():
    silence = Silence(1.0, 0.0)
    silence.excuse(10.0)
    assert (silence.heard_s, silence.ends_s) == (10.0, 11.0)


def test_whoever_watches_itself_is_never_silent():
    silence = Silence(1.0, math.inf)
    assert silence.ends_s == math.inf
