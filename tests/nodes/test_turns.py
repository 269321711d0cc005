"""Who is next among those who share a process, and what each gets of its time."""

from collections import Counter

import pytest

from ddnn.nodes.turns import Turns


def shares(
    weights: dict[str, float], cost: dict[str, float], turns: int = 3000
) -> dict[str, float]:
    """What each used of all, where everybody always wants a turn."""
    fair, used = Turns(weights), Counter[str]()
    for _ in range(turns):
        name = fair.choose(weights)
        fair.charge(name, cost[name])
        used[name] += cost[name]
    return {name: used[name] / used.total() for name in weights}


@pytest.mark.parametrize(
    "cost", [{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 20.0}], ids=["even", "long"]
)
@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_time_is_shared_by_weight_however_long_a_turn_takes(cost, weight):
    found = shares({"a": weight, "b": 1.0}, cost)
    assert found["a"] == pytest.approx(weight / (weight + 1), abs=0.02)


def test_who_comes_now_and_then_waits_for_one_turn_of_each_other():
    fair = Turns(dict.fromkeys(("calm", "flood", "other"), 1.0))
    for number in range(1000):
        waiting = ["flood", "other"]
        if number % 10 == 0:
            waiting.append("calm")
            name = fair.choose(waiting)
            fair.charge(name, 1.0)
            waiting.remove(name)
            if name != "calm":
                second = fair.choose(waiting)
                fair.charge(second, 1.0)
                assert "calm" in (second, fair.choose([n for n in waiting if n != second]))
        else:
            fair.charge(fair.choose(waiting), 5.0)


def test_nobody_saves_up_what_it_did_not_use():
    fair = Turns({"idle": 1.0, "busy": 1.0})
    for _ in range(1000):
        fair.charge(fair.choose(["busy"]), 1.0)
    names = []
    for _ in range(10):
        names.append(fair.choose(["busy", "idle"]))
        fair.charge(names[-1], 1.0)
    assert names.count("idle") <= 6
