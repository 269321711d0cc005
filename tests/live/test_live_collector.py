"""The collector of a system without an end."""

from builders import star_topology

from ddnn.live.collector import LiveCollector
from ddnn.report.verdicts import NO_EXIT
from ddnn.wire.messages import Roll, Verdict


def test_what_is_given_up_is_answered_with_what_is_known_each_once():
    topology = star_topology(2)
    collector = LiveCollector(topology, roll=Roll(1), samples=0, prior_class=1, patience_s=1.0)
    for name in topology.nodes:
        collector.liveness.hear(name, 0.0)
    collector.want(2)
    collector.tick(0.0)
    assert collector.asked == 2
    found = Verdict([0], [3], [0], [0.9], [False], probability_N=[0.5])
    collector.handle("gateway", found, 0.1)
    collector.want(2)
    collector.tick(60.0)  # nobody is heard
    assert collector.is_paused
    assert not collector.is_idle
    collector.give_up(61.0)
    assert collector.is_idle
    answers = {answer.sample: answer for answer in collector.take_answers()}
    assert sorted(answers) == [0, 1, 2, 3]
    assert (answers[0].predicted, answers[0].exit) == (0, 0)
    assert {(answers[n].predicted, answers[n].exit) for n in (1, 2, 3)} == {(1, NO_EXIT)}
    assert all(answer.degraded for answer in answers.values())
