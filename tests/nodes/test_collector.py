"""N samples, V views. The star's exits: 0 local at gateway, 1 cloud at cloud."""

import numpy as np
import pytest
from builders import star_topology
from hierarchies import HIERARCHIES
from hypothesis import given
from hypothesis import strategies as st

from ddnn.nodes.base import LEAD_S, Outgoing
from ddnn.nodes.collector import Collector
from ddnn.nodes.gather import SLOTS
from ddnn.nodes.noticed import Gone
from ddnn.nodes.recorder import Recorder
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.topology import Topology
from ddnn.wire.messages import MAX_ROWS, Account, Capture, Heartbeat, Hello, Roll, Verdict

STAR = star_topology(collector={"endpoint": "tcp://127.0.0.1:20000", "answer_ms": 2000})
NODES = tuple(STAR.nodes)
PRIOR, PATIENCE_S, ANSWER_S = 1, 0.3, 2.0
ROLL = Roll(1, data=5, samples=4)
CLASS_OF = {"gateway": 0, "cloud": 2}


class Bench:
    """A collector whose nodes live as long as they are kept alive."""

    def __init__(
        self, samples: int = 4, topology: Topology = STAR, *, joined: bool = True, **options
    ) -> None:
        self.collector = Recorder(
            topology,
            roll=ROLL,
            samples=samples,
            prior_class=PRIOR,
            patience_s=PATIENCE_S,
            **options,
        )
        self.now_s = 0.0
        self.alive = set(NODES)
        self._led: list[Outgoing] = []
        if joined:
            for name in topology.nodes:
                self.collector.handle(name, Heartbeat(), self.now_s)
            self.led()
            self.collector.lead(0.1)  # all greet each other

    @property
    def devices(self) -> tuple[str, ...]:
        return STAR.devices

    def led(self) -> list[Outgoing]:
        """What was sent to lead the run since the last look."""
        found, self._led = self._led + self.collector.lead(self.now_s), []
        return found

    def wait(self, seconds: float) -> None:
        """Time passes; who is alive beats its heart."""
        for _ in range(round(seconds / 0.1)):
            self.now_s += 0.1
            for name in self.alive:
                self.collector.handle(name, Heartbeat(), self.now_s)
            self._led += self.collector.lead(self.now_s)
            self.collector.tick(self.now_s)

    def ask(self) -> list[int]:
        """The samples that the first device is asked for now."""
        out = self.collector.tick(self.now_s)
        mine = [o.message for o in out if o.peer == "cam0"]
        assert all(isinstance(m, Capture) and 0 < len(m.samples_N) <= MAX_ROWS for m in mine)
        return [s for m in mine for s in m.samples_N]

    def verdict(self, sender: str, *samples: int, final: bool = True) -> None:
        count = len(samples)
        verdict = Verdict(
            samples,
            [0b111] * count,
            [CLASS_OF[sender]] * count,
            [0.5] * count,
            [final] * count,
            [0.75] * count,
        )
        self.collector.handle(sender, verdict, self.now_s)

    @property
    def answers(self) -> list[int]:
        return self.collector.predicted_N.tolist()


verdicts = st.tuples(
    st.sampled_from(["gateway", "cloud"]),
    st.lists(st.integers(0, 12), min_size=1, max_size=6),
    st.booleans(),
)


@given(steps=st.lists(verdicts | st.floats(0, 3), max_size=40))
def test_whatever_arrives_each_sample_is_answered_just_once(steps):
    bench = Bench(samples=10, window=4)
    collector, answered = bench.collector, {}
    bench.ask()
    for step in steps:
        if isinstance(step, float):
            bench.wait(step)
        else:
            bench.verdict(step[0], *step[1], final=step[2])
        bench.ask()
        done = np.flatnonzero(~np.isnan(collector.latency_N)).tolist()
        assert len(done) == collector.answered
        assert set(answered) <= set(done)
        for sample in done:
            answer = (collector.predicted_N[sample], collector.exit_N[sample])
            assert answered.setdefault(sample, answer) == answer
    bench.wait(12 * ANSWER_S)
    assert collector.is_done
    assert (collector.predicted_N >= 0).all()
    assert (collector.latency_N >= 0).all()


@given(order=st.permutations(range(8)), repeats=st.lists(st.integers(0, 7), max_size=8))
def test_order_and_repetition_of_verdicts_do_not_matter(order, repeats):
    bench = Bench(samples=8)
    bench.ask()
    for sample in (*order, *repeats):
        bench.verdict("gateway" if sample % 2 else "cloud", sample)
    assert bench.answers == [2, 0] * 4
    assert bench.collector.late_verdicts == len(repeats)
    assert not bench.collector.degraded_N.any()


def test_answers_are_handed_out_once_in_the_order_in_which_they_came():
    collector = Collector(STAR, roll=ROLL, samples=4, prior_class=PRIOR, patience_s=PATIENCE_S)
    collector.tick(0.0)
    for sample in (2, 0):
        collector.handle("cloud", Verdict([sample], [0b101], [2], [0.5], [True], [0.75]), 1.0)
    wanted = {"exit": 1, "predicted": 2, "entropy": 0.5, "views": 0b101, "degraded": False}
    wanted |= {"latency_s": 1.0, "probability": 0.75}
    assert collector.take_answers() == [Answer(sample=s, **wanted) for s in (2, 0)]
    assert collector.take_answers() == []


def called(bench: Bench) -> list[str]:
    """Who is called into the run now."""
    return [o.peer for o in bench.led() if isinstance(o.message, Roll)]


def test_everybody_is_called_until_they_take_part():
    bench = Bench(joined=False)
    assert called(bench) == sorted(NODES)
    bench.now_s = 0.05
    assert called(bench) == []
    for name in NODES[1:]:
        bench.collector.handle(name, Heartbeat(boot=1), bench.now_s)
    bench.now_s = 0.11
    assert called(bench) == sorted(NODES)  # those who were first greet those who came later
    bench.now_s = 0.22
    assert called(bench) == [NODES[0]]
    bench.collector.handle(NODES[0], Heartbeat(boot=1), bench.now_s)
    bench.now_s = 0.33
    assert called(bench) == sorted(NODES)
    bench.now_s = 0.44
    assert called(bench) == []


def test_a_node_that_starts_again_in_mid_run_is_called_and_greeted():
    bench = Bench()
    bench.wait(0.3)
    assert called(bench) == []
    bench.collector.handle("cam1", Hello(boot=8, run=0, data=5), bench.now_s)
    assert called(bench) == ["cam1"]
    bench.collector.handle("cam1", Heartbeat(boot=8), bench.now_s)
    bench.now_s += 0.11
    assert called(bench) == sorted(NODES)


def test_a_node_in_another_run_is_called_and_does_not_count_as_alive():
    bench = Bench()
    bench.alive.discard("cam1")
    for _ in range(8):
        bench.wait(0.1)
        bench.collector.handle("cam1", Hello(boot=0, run=77, data=5), bench.now_s)
    assert set(called(bench)) == {"cam1"}
    assert [gone.node for gone in bench.collector.gone] == ["cam1"]


def test_a_node_that_sees_other_samples_is_remembered_and_not_called():
    bench = Bench()
    bench.wait(0.3)
    bench.collector.handle("cam0", Hello(boot=8, data=99), bench.now_s)
    assert called(bench) == []
    assert bench.collector.other_data == {"cam0": 99}
    bench.collector.handle("cam0", Hello(boot=9, data=5), bench.now_s)
    assert called(bench) == ["cam0"]
    assert bench.collector.other_data == {}


def test_an_account_of_another_run_is_refused():
    bench = Bench()
    bench.collector.handle("cam0", Account((), (), run=2), 0.0)
    assert bench.collector.accounts == {}
    bench.collector.handle("cam0", Account((), (), run=1), 0.0)
    assert set(bench.collector.accounts) == {"cam0"}


def test_the_run_is_led_once_a_second_so_that_no_node_leaves_it():
    bench = Bench()
    bench.wait(3.5)
    beats = [o for o in bench.led() if isinstance(o.message, Heartbeat)]
    assert {o.message.boot for o in beats} == {1}
    assert [sum(o.peer == name for o in beats) for name in NODES] == [3] * len(NODES)


def test_a_provisional_answer_waits_for_a_deeper_exit():
    bench = Bench(samples=1)
    bench.ask()
    bench.verdict("gateway", 0, final=False)
    assert not bench.collector.is_done
    bench.verdict("cloud", 0)
    assert (bench.collector.is_done, bench.answers) == (True, [2])
    bench.verdict("gateway", 0)
    assert bench.answers == [2]


def test_a_provisional_answer_that_comes_late_replaces_nothing():
    bench = Bench(samples=2)
    bench.ask()
    bench.verdict("cloud", 0)
    bench.verdict("gateway", 0, final=False)
    assert bench.answers[0] == 2
    assert bench.collector.late_verdicts == 0


def test_the_last_exit_always_answers():
    bench = Bench(samples=1)
    bench.ask()
    bench.verdict("cloud", 0, final=False)
    assert (bench.collector.is_done, bench.answers) == (True, [2])


def test_silence_is_answered_by_the_deepest_exit_so_far_degraded():
    bench = Bench(samples=2)
    bench.ask()
    bench.verdict("gateway", 0, final=False)
    bench.wait(ANSWER_S + 0.1)
    assert bench.answers == [0, PRIOR]
    assert bench.collector.exit_N.tolist() == [0, NO_EXIT]
    assert bench.collector.degraded_N.all()


def test_a_dead_deeper_exit_is_not_waited_for_longer_than_it_takes_to_notice():
    bench = Bench(samples=1)
    bench.ask()
    bench.verdict("gateway", 0, final=False)
    bench.alive.discard("cloud")
    bench.wait(PATIENCE_S + 0.1)
    assert (bench.answers, bench.collector.degraded_N.tolist()) == ([0], [True])
    assert bench.collector.latency_N[0] < ANSWER_S


def test_with_no_device_alive_and_none_to_wait_for_the_commonest_class_is_the_answer():
    bench = Bench(samples=3)
    bench.collector.pause_s = 0.0
    bench.ask()
    bench.alive -= {"cam0", "cam1", "cam2"}
    bench.wait(PATIENCE_S + 0.1)
    assert bench.answers == [PRIOR] * 3
    assert bench.collector.exit_N.tolist() == [NO_EXIT] * 3
    assert not np.isnan(bench.collector.latency_N).any()


def test_while_no_device_is_heard_no_sample_is_used_up():
    """Those in flight are asked for again when one is heard."""
    bench = Bench(samples=100, window=2)
    bench.ask()
    bench.alive -= set(bench.devices)
    bench.wait(PATIENCE_S + 5)
    assert (bench.collector.asked, bench.collector.answered) == (2, 0)
    assert bench.collector.is_paused
    assert bench.collector.paused_s == pytest.approx(5, abs=0.2)
    assert bench.collector.due_s(bench.now_s) > bench.now_s
    bench.alive.add("cam1")
    bench.collector.handle("cam1", Heartbeat(), bench.now_s)
    assert bench.ask() == [0, 1]
    bench.verdict("gateway", 0, 1)
    assert (bench.ask(), bench.answers[:2]) == ([2, 3], [0, 0])
    assert not bench.collector.degraded_N[:2].any()
    paused_s = bench.collector.paused_s
    bench.wait(1)
    assert (bench.collector.is_paused, bench.collector.paused_s) == (False, paused_s)


def test_a_pause_is_no_part_of_the_time_that_an_answer_may_take():
    """However often devices come and go, a sample has its deadline beside the pauses."""
    bench = Bench(samples=1)
    bench.ask()
    for _ in range(20):
        bench.alive -= set(bench.devices)
        bench.wait(PATIENCE_S + 2)
        bench.alive |= set(bench.devices)
        bench.wait(0.4)
    assert bench.answers == [PRIOR]
    asked_s = bench.collector.latency_N[0] - bench.collector.paused_s
    assert bench.collector.paused_s > 4
    assert asked_s == pytest.approx(ANSWER_S, abs=0.2)


def test_the_last_samples_too_are_waited_with():
    bench = Bench(samples=2)
    bench.ask()
    bench.alive -= set(bench.devices)
    bench.wait(PATIENCE_S + ANSWER_S + 1)
    assert (bench.collector.is_paused, bench.collector.answered) == (True, 0)


def test_what_an_exit_has_answered_is_not_waited_with():
    bench = Bench(samples=100, window=2)
    bench.ask()
    bench.verdict("gateway", 0, final=False)
    bench.alive -= set(bench.devices)
    bench.wait(PATIENCE_S + ANSWER_S + 1)
    assert bench.collector.answered == 1
    assert bench.collector.exit_N[:2].tolist() == [0, NO_EXIT]


def test_a_pause_has_an_end_and_then_the_commonest_class_answers_the_rest():
    bench = Bench(samples=100, window=2)
    bench.collector.pause_s = 7.0
    bench.alive -= set(bench.devices)
    bench.wait(PATIENCE_S + 6.5)
    assert bench.collector.answered == 0
    assert bench.now_s < bench.collector.due_s(bench.now_s) <= 7 + PATIENCE_S + 0.2
    bench.wait(10)
    assert (bench.collector.is_done, set(bench.answers)) == (True, {PRIOR})
    assert bench.collector.paused_s == pytest.approx(7, abs=0.2)


def test_who_falls_silent_and_who_comes_back_is_noted_once():
    bench = Bench(samples=8, window=2)
    bench.ask()
    bench.alive.discard("cam1")
    bench.wait(1)
    bench.verdict("cloud", 0, 1)
    bench.ask()
    bench.alive.add("cam1")
    bench.wait(0.5)
    assert bench.collector.gone == [Gone("cam1", 2, back=False), Gone("cam1", 4, back=True)]


@pytest.mark.parametrize("window", [1, 2, 64, 256])
def test_no_more_samples_are_in_flight_than_the_window(window):
    bench = Bench(samples=600, window=window)
    assert bench.ask() == list(range(window))
    assert bench.ask() == []
    answered = range(max(1, window // 2))
    bench.verdict("gateway", *answered)
    assert bench.ask()[: len(answered)] == [window + n for n in answered]


def test_samples_are_asked_for_many_at_a_time():
    bench = Bench(samples=70, window=64)
    bench.ask()
    bench.verdict("gateway", *range(31))
    assert bench.ask() == list(range(64, 70))  # no more are left
    bench = Bench(samples=600, window=64)
    bench.ask()
    bench.verdict("gateway", *range(31))
    assert bench.ask() == []
    bench.verdict("gateway", 31)
    assert bench.ask() == list(range(64, 96))


def test_samples_in_flight_never_share_a_slot():
    """One answer lost must not let others run so far ahead that they need its slot."""
    bench = Bench(samples=2000, window=64)
    asked = bench.ask()
    while asked:
        bench.verdict("gateway", *(s for s in asked if s != 5))
        asked = bench.ask()
    assert bench.collector.asked == 5 + SLOTS
    bench.verdict("gateway", 5)
    assert bench.ask()[0] == 5 + SLOTS


def test_a_halt_lets_all_before_it_finish_and_none_after_it_begin():
    bench = Bench(samples=8, window=3, halts=[4, 4])
    assert bench.ask() == [0, 1, 2]
    bench.verdict("gateway", 0, 1, 2)
    assert bench.ask() == [3]
    assert bench.collector.halted_at is None
    bench.verdict("gateway", 3)
    assert (bench.ask(), bench.collector.halted_at) == ([], 4)
    bench.collector.release()
    assert bench.ask() == [4, 5, 6]


def test_a_halt_before_the_first_sample():
    bench = Bench(halts=[0])
    assert (bench.ask(), bench.collector.halted_at) == ([], 0)


def test_verdicts_on_samples_that_were_never_asked_for_are_ignored():
    bench = Bench(samples=4, window=1)
    bench.ask()
    bench.verdict("gateway", 1, 3, 4, 2**32 - 1)
    assert bench.collector.answered == 0
    assert bench.collector.late_verdicts == 4


def test_with_nothing_open_only_the_run_itself_is_led():
    bench = Bench(samples=1)
    assert bench.collector.due_s(0) == LEAD_S
    bench.ask()
    assert bench.collector.due_s(0) == PATIENCE_S
    bench.verdict("gateway", 0)
    assert bench.collector.due_s(0) == LEAD_S


ONE_EDGE = HIERARCHIES["one edge"]
PAST_EDGE = 0b1000
LOCAL, EDGE, CLOUD = range(3)


class Past(Bench):
    """A sample whose local exit was unsure; its devices have a way past the edge."""

    def __init__(self) -> None:
        super().__init__(samples=1, topology=ONE_EDGE)
        self.alive = set(ONE_EDGE.nodes)
        self.ask()
        self.say("gateway", 0b111, final=False)

    def say(self, sender: str, views: int, *, final: bool = True) -> None:
        verdict = Verdict([0], [views], [0], [0.5], [final], [0.75])
        self.collector.handle(sender, verdict, self.now_s)

    @property
    def answer(self) -> tuple[int, int, bool] | None:
        """Exit, parts, whether degraded; None where it is open."""
        (answer,) = self.collector.kept
        return (answer.exit, answer.views, answer.degraded) if self.collector.is_done else None


def test_an_answer_past_a_node_that_lives_gives_way_to_that_nodes_own():
    bench = Past()
    bench.say("cloud", PAST_EDGE | 0b100)
    assert bench.answer is None
    bench.say("edge0", 0b011)
    assert bench.answer == (EDGE, 0b011, False)


def test_an_answer_past_a_node_holds_when_the_node_turns_out_to_be_dead():
    bench = Past()
    bench.say("cloud", PAST_EDGE | 0b100)
    bench.alive.discard("edge0")
    bench.wait(PATIENCE_S - 0.1)
    assert bench.answer is None
    bench.wait(0.2)
    assert bench.answer == (CLOUD, PAST_EDGE | 0b100, True)


def test_an_answer_past_a_node_for_all_views_holds_at_once():
    bench = Past()
    bench.say("cloud", PAST_EDGE | 0b111)
    assert bench.answer == (CLOUD, PAST_EDGE | 0b111, True)


def test_an_answer_past_a_dead_node_holds_at_once():
    bench = Past()
    bench.alive.discard("edge0")
    bench.wait(PATIENCE_S + 0.1)
    bench.say("cloud", PAST_EDGE | 0b001)
    assert bench.answer == (CLOUD, PAST_EDGE | 0b001, True)


def test_in_doubt_the_lower_exit_answers_when_nobody_else_does():
    bench = Past()
    bench.say("cloud", PAST_EDGE | 0b100)
    bench.wait(ONE_EDGE.collector.answer_ms / 1000 + 0.1)
    assert bench.answer == (LOCAL, 0b111, True)


def test_in_doubt_is_better_than_no_answer():
    bench = Bench(samples=1, topology=ONE_EDGE)
    bench.alive = set(ONE_EDGE.nodes)
    bench.ask()
    verdict = Verdict([0], [PAST_EDGE | 0b100], [2], [0.5], [True], [0.75])
    bench.collector.handle("cloud", verdict, 0.0)
    bench.wait(ONE_EDGE.collector.answer_ms / 1000 + 0.1)
    assert bench.answers == [2]
    assert bench.collector.degraded_N.tolist() == [True]


@pytest.mark.parametrize("final", [False, True], ids=["unsure", "sure"])
def test_what_a_lower_exit_says_late_does_not_undo_a_deeper_ones_answer(final):
    """Messages of two senders come in any order."""
    bench = Past()
    bench.say("edge0", 0b111, final=False)
    bench.say("gateway", 0b011, final=final)
    assert bench.answer is None
    bench.alive.discard("cloud")
    bench.wait(PATIENCE_S + 0.2)
    assert bench.answer == (EDGE, 0b111, True)


def test_who_asks_no_more_is_done_with_what_was_asked():
    bench = Bench(samples=1000, window=4, halts=[2])
    asked = bench.ask()
    bench.collector.ask_no_more()
    bench.verdict("gateway", *asked)
    assert bench.ask() == []
    assert (asked, bench.collector.asked, bench.collector.is_done) == ([0, 1], 2, True)
