"""Each promise is found broken where the system is made to break it, and shown by few troubles."""

import math
import re
from collections import Counter

import pytest
from builders import star_topology

from ddnn.nodes.base import Node
from ddnn.nodes.collector import Collector
from ddnn.nodes.gather import Gather
from ddnn.nodes.kept_features import KeptFeatures
from ddnn.simulation.codec import as_received
from ddnn.simulation.health import Health
from ddnn.simulation.promises import BrokenPromiseError, Promises
from ddnn.simulation.schedule import Schedule, Trouble
from ddnn.simulation.simulation import Laboratory, simulate
from ddnn.simulation.study import run_seed
from ddnn.wire.heard import Heard
from ddnn.wire.ledger import Ledger
from ddnn.wire.messages import Heartbeat
from ddnn.wire.transport import Mailbox


def broken_by(laboratory: Laboratory, *troubles: Trouble, samples: int = 300) -> str:
    """The name of the promise that is found broken. A slow laboratory sees 20 ms a sample."""
    schedule = Schedule(
        topology="star", samples=samples, window=1, troubles=troubles, shifted_clocks=True
    )
    broken = simulate(laboratory, schedule).broken
    return "" if broken is None else broken.promise


def killed(node: str, at_s: float = 0.25, for_s: float = 0.5) -> Trouble:
    return Trouble(at_s=at_s, for_s=for_s, kind="kill", node=node)


def test_a_doubled_answer_is_found(laboratory, monkeypatch):
    take = Collector.take_answers
    monkeypatch.setattr(Collector, "take_answers", lambda self: 2 * take(self))
    assert broken_by(laboratory) == "answered once"


def test_a_lost_answer_is_found(laboratory, monkeypatch):
    take = Collector.take_answers
    monkeypatch.setattr(
        Collector, "take_answers", lambda self: [a for a in take(self) if a.sample != 77]
    )
    assert broken_by(laboratory) == "answered once"


def test_a_window_that_ignores_its_deadline_is_found(slow_laboratory, monkeypatch):
    """Its answer comes all the same, when the collector waits no longer."""

    def is_over(self, sample, *_):
        window = self._windows.get(sample)
        return window is not None and not self._everyone & ~window.delivered

    monkeypatch.setattr(Gather, "_is_over", is_over)
    cut = Trouble(at_s=2.0, for_s=3.0, kind="cut", link=("cam1", "gateway"))
    assert broken_by(slow_laboratory, cut) == "answered once"


def test_a_collector_that_waits_though_devices_live_is_found(slow_laboratory, monkeypatch):
    """Its pauses excuse late answers, but only where no device is heard: for five seconds it takes
    nothing in, too short a time for that no answer comes to be noticed."""
    tick, take = Collector.tick, Collector._take_verdict
    begun_s: list[float] = []

    def pausing(self, now_s):
        begun_s.extend([now_s] if self.asked >= 100 and not begun_s else [])
        devices, waits = self._device_bits, begun_s and now_s < begun_s[0] + 5
        self._device_bits = 0 if waits else devices
        out = tick(self, now_s)
        self._device_bits = devices
        return out

    def deaf(self, sender, verdict, now_s):
        if not self.is_paused:
            take(self, sender, verdict, now_s)

    monkeypatch.setattr(Collector, "tick", pausing)
    monkeypatch.setattr(Collector, "_take_verdict", deaf)
    schedule = Schedule(topology="star", samples=150, window=1)
    broken = simulate(slow_laboratory, schedule).broken
    assert broken is not None
    assert re.search(r"answered once: sample \d+ took [\d.]+ s, want 0\.", str(broken))


def test_a_wrong_presence_bit_is_found(slow_laboratory, monkeypatch):
    batch = Gather._batch

    def wrong(self, samples_N):
        closed = batch(self, samples_N)
        closed.views_N[0] |= 0b111
        return closed

    monkeypatch.setattr(Gather, "_batch", wrong)
    assert broken_by(slow_laboratory, samples=50) == ""  # everybody is there
    assert broken_by(slow_laboratory, killed("cam1")) == "masked model"


def test_features_of_another_sample_are_found(laboratory, monkeypatch):
    monkeypatch.setattr(
        KeptFeatures, "_find", lambda self, sample: self._most_R[sample % 256 // 2]
        and self._most_R[sample % 256 // 2]._replace(sample=sample),
    )  # fmt: skip
    assert broken_by(laboratory) == "masked model"


def test_a_message_that_is_not_counted_is_found(slow_laboratory, monkeypatch):
    count = Ledger.count

    def forgetful(self, link, message, kind, data, *, sent):
        self.skipped = getattr(self, "skipped", 0) + 1
        if self.skipped % 50:
            count(self, link, message, kind, data, sent=sent)

    monkeypatch.setattr(Ledger, "count", forgetful)
    assert broken_by(slow_laboratory, samples=60) == "bytes"


def test_messages_that_are_believed_twice_are_found(slow_laboratory, monkeypatch):
    monkeypatch.setattr(Heard, "take", lambda *_: None)
    replay = Trouble(at_s=0.3, for_s=0.2, kind="replay", link=("cam0", "gateway"))
    assert broken_by(slow_laboratory, replay) == "one run"


def test_counts_of_another_run_are_found(slow_laboratory, monkeypatch):
    monkeypatch.setattr(Ledger, "begin", lambda _: None)
    crash = Trouble(at_s=0.3, for_s=0.2, kind="crash")
    assert broken_by(slow_laboratory, crash) == "bytes"


def test_a_node_that_is_locked_out_after_its_restart_is_found(slow_laboratory, monkeypatch):
    take = Heard.take

    def first_start_only(self, boot, sequence, now_s):
        self.silence.ends_s = math.inf
        take(self, boot, sequence, now_s)

    monkeypatch.setattr(Heard, "take", first_start_only)
    assert broken_by(slow_laboratory, killed("cam1")) == "nobody out"


def test_a_node_that_does_not_forget_is_found(slow_laboratory, monkeypatch):
    receive = Mailbox.receive

    def remembering(self, timeout_s):
        received = receive(self, timeout_s)
        self.__dict__.setdefault("log", []).extend(number for _ in received for number in range(99))
        return received

    monkeypatch.setattr(Mailbox, "receive", remembering)
    assert broken_by(slow_laboratory) == "bounded"


def test_what_breaks_a_promise_is_shortened(slow_laboratory, monkeypatch):
    """Of a whole storm, the few troubles that it takes."""
    batch = Gather._batch

    def wrong(self, samples_N):
        closed = batch(self, samples_N)
        closed.views_N[0] |= 0b111
        return closed

    monkeypatch.setattr(Gather, "_batch", wrong)
    schedule = Schedule(topology="star", seed=5, samples=200, shifted_clocks=True)
    ran = run_seed(slow_laboratory, schedule, storm_per_s=20)
    assert ran.broken is not None
    assert ran.schedule is not None
    assert 1 <= len(ran.schedule.troubles) <= 3 < len(ran.result.troubles)
    again = simulate(slow_laboratory, ran.schedule)
    assert again.broken is not None
    assert again.broken.promise == "masked model"


def test_what_was_checked_is_told(slow_laboratory):
    schedule = Schedule(topology="star", samples=200, window=1)
    checked = simulate(slow_laboratory, schedule).checked
    assert Counter(checked).keys() == {
        "answered once", "masked model", "bytes", "one run", "nobody out", "bounded",
    }  # fmt: skip


def test_a_collector_that_waits_for_ever_for_a_deeper_exit_is_found(slow_laboratory, monkeypatch):
    monkeypatch.setattr(Collector, "_settle", lambda *_: None)
    cut = Trouble(at_s=3.0, for_s=4.0, kind="cut", link=("cloud", "collector"))
    assert broken_by(slow_laboratory, cut) == "answered once"


def test_a_new_run_that_keeps_the_parts_of_the_old_one_is_found(slow_laboratory, monkeypatch):
    join = Node._join

    def keeping(self, roll, now_s):
        parts = self._parts
        join(self, roll, now_s)
        self._parts = parts or self._parts

    monkeypatch.setattr(Node, "_join", keeping)
    crash = Trouble(at_s=1.0, for_s=0.2, kind="crash")
    assert broken_by(slow_laboratory, crash) == "answered once"


def test_a_heartbeat_that_is_said_again_is_told_from_the_one_before():
    """A node says the same object many times; one that is repeated by somebody must be known."""
    beat = Heartbeat(boot=1)
    assert as_received(beat) == beat
    assert as_received(beat) is not beat


@pytest.mark.parametrize(
    ("pace_s", "waited_for", "stalls_s"),
    [
        (0.0, 2, 23.0),  # answers: three times a second's silence, and 20 s
        (0.0, 0, 23.0),  # none, so the next sample: it is asked for at once
        (60.0, 2, 23.0),
        (60.0, 0, 83.0),  # nothing is asked for a minute
    ],
)
def test_a_run_that_does_not_go_on_is_found_when_it_should_have(pace_s, waited_for, stalls_s):
    now_s = [100.0]
    promises = Promises(
        star_topology(),
        oracle=None,  # no answer is looked at
        health=Health((), lambda: now_s[0]),
        prior_class=0,
        recorded=1,
        grace_s=1.0,
        slack_s=1.0,
        coded=(),
        is_even=True,
        pace_s=pace_s,
    )
    for answered in (2, 3):  # each is progress
        promises.check_progress(asked=answered + waited_for, answered=answered)
        now_s[0] += stalls_s
        promises.check_progress(asked=answered + waited_for, answered=answered)
    now_s[0] += 0.001
    with pytest.raises(BrokenPromiseError, match=r"answered once: no answer for .*, 3 before"):
        promises.check_progress(asked=3 + waited_for, answered=3)
