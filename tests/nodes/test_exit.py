"""What a gateway makes of scores, message by message. N samples, K classes."""

from dataclasses import replace

import numpy as np
import pytest
from builders import star_topology
from by_hand import joined, sent
from networks import PRIOR_CLASS, Trainer

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.decision import decide
from ddnn.nodes.base import Node
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Ask, Expect, Message, Scores, Verdict

STAR = star_topology()
DEADLINE_S = STAR.tiers[0].exit.deadline_ms / 1000
SURE, HALF, OTHER, NOTHING = [9.0, 0, 0], [0.3, 0, 0], [0, 0.4, 0], [0.0, 0, 0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return Trainer(tmp_path_factory.mktemp("bundles"))(STAR, 8).bundle


def with_rules(bundle: Bundle, **rules: ExitRule) -> Bundle:
    exits = bundle.manifest.exits | rules
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"exits": exits}))


def deliver(node: Node, view: int, now_s: float = 0.0, **rows: list[float]) -> None:
    """cam`view`'s scores, by sample (s3 is sample 3); of all zeros: it sees nothing."""
    samples = [int(name[1:]) for name in rows]
    views = [(1 << view) * any(row) for row in rows.values()]
    scores = Scores(samples, views, np.array(list(rows.values()), dtype=np.float32))
    node.handle(f"cam{view}", scores, now_s)


def fused(bundle: Bundle, now_s: float = DEADLINE_S) -> list[tuple[str, Message]]:
    """Sample 3 is clear, 4 is not and lacks cam1, 5 is seen by nobody."""
    gateway = joined("gateway", bundle)
    deliver(gateway, 0, s3=SURE, s4=HALF, s5=NOTHING)
    deliver(gateway, 1, s3=SURE, s5=NOTHING)
    deliver(gateway, 2, s3=HALF, s4=OTHER, s5=NOTHING)
    return [*sent(gateway, 0.0), *sent(gateway, now_s)]


def verdicts(out: list[tuple[str, Message]]) -> dict[int, tuple[int, int, float, bool]]:
    """By sample: views, class, entropy, whether final."""
    found = [m for to, m in out if isinstance(m, Verdict)]
    assert all(to == COLLECTOR for to, m in out if isinstance(m, Verdict))
    return {
        sample: row
        for m in found
        for sample, *row in zip(
            m.samples_N, m.views_N, m.predicted_N, m.entropy_N, m.final_N, strict=True
        )
    }


def test_a_verdict_is_of_those_who_delivered_and_what_nobody_sees_is_the_commonest_class(bundle):
    found = verdicts(fused(with_rules(bundle, local=ExitRule(threshold=0.5))))
    assert {s: (views, k, final) for s, (views, k, _, final) in found.items()} == {
        3: (0b111, 0, True),
        4: (0b101, 1, False),
        5: (0, PRIOR_CLASS, True),
    }


@pytest.mark.parametrize("temperature", [0.05, 0.7, 3.0])
def test_an_exit_is_as_sure_as_its_temperature_makes_it(bundle, temperature):
    rule = ExitRule(threshold=0.5, temperature=temperature)
    found = verdicts(fused(with_rules(bundle, local=rule)))
    logits_NK = np.array([SURE, [0.3, 0.4, 0]], dtype=np.float32)  # max of those who delivered
    wanted = decide(logits_NK, temperature).entropy_N
    assert [found[s][2] for s in (3, 4)] == pytest.approx(wanted.tolist(), abs=1e-6)
    assert [found[s][3] for s in (3, 4)] == (wanted < 0.5).tolist()
    assert found[4][3] == (temperature == 0.05)


def test_only_of_what_is_unsure_more_is_asked_and_only_of_those_who_delivered(bundle):
    out = fused(with_rules(bundle, local=ExitRule(threshold=0.5)))
    others = [(to, m) for to, m in out if not isinstance(m, Verdict)]
    expects = [(to, m.samples_N, m.views_N) for to, m in others if isinstance(m, Expect)]
    assert expects == [("cloud", [4], [0b101])]
    asks = [(to, m.samples_N) for to, m in others if isinstance(m, Ask)]
    assert asks == [("cam0", [4]), ("cam2", [4])]
    assert len(others) == 3


def test_rows_keep_their_places_when_some_are_sure_and_some_are_not(bundle):
    gateway = joined("gateway", with_rules(bundle, local=ExitRule(threshold=0.5)))
    rows = {"s3": SURE, "s4": HALF, "s5": SURE, "s6": OTHER}
    for view in (0, 1):
        deliver(gateway, view, **rows)
    deliver(gateway, 2, **rows | {"s4": NOTHING})
    out = sent(gateway, 0.0)
    assert {s: row[0] for s, row in verdicts(out).items()} == {3: 7, 4: 0b011, 5: 7, 6: 7}
    (expect,) = [m for _, m in out if isinstance(m, Expect)]
    assert (expect.samples_N, expect.views_N) == ([4, 6], [0b011, 0b111])
    assert {to: m.samples_N for to, m in out if isinstance(m, Ask)} == {
        "cam0": [4, 6],
        "cam1": [4, 6],
        "cam2": [6],
    }


def test_the_last_exit_always_answers_and_asks_nobody(bundle):
    cloud = joined("cloud", with_rules(bundle, cloud=ExitRule(threshold=0.0)))
    scores = Scores([7], [0b111], np.array([NOTHING], dtype=np.float32))
    cloud.handle("cloud", scores, 0.0)
    out = sent(cloud, 0.0)
    assert [(to, type(m)) for to, m in out] == [(COLLECTOR, Verdict)]
    assert out[0][1].final_N == [True]


def test_an_exit_decides_by_another_threshold_where_a_view_has_no_part(bundle):
    """Sample 4 lacks cam1 and is unsure; 3 is whole."""
    for lost, final in ((0.1, False), (1.0, True)):
        rule = ExitRule(threshold=0.5, threshold_lost=(lost,))
        found = verdicts(fused(with_rules(bundle, local=rule)))
        assert (found[3][3], found[4][3]) == (True, final)
