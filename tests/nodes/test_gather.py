"""Windows of one node. N rows, M members, V views; member m has view m behind it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.nodes.gather import SLOTS, ClosedWindows, Gather, StandIn
from ddnn.wire.messages import MAX_ROWS

MEMBERS = ("a", "b", "c")
DEADLINE_S = 0.5
PATIENCE_S = 1000.0


class Bench:
    """A gather, its clock, and a note of what was delivered."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self.events: Counter[str] = Counter()
        self.now_s = 0.0
        self.gather = Gather(
            MEMBERS,
            [(2,)] * len(MEMBERS),
            views_of=[frozenset({place}) for place in range(len(MEMBERS))],
            deadline_s=DEADLINE_S,
            patience_s=patience_s,
            events=self.events,
        )

    def put(self, member: str, *samples: int) -> None:
        views_N = [1 << MEMBERS.index(member)] * len(samples)
        self.gather.put(member, samples, views_N, row(member, samples), self.now_s)

    def expect(self, views: str, *samples: int) -> None:
        seen = sum(1 << place for place, view in enumerate(MEMBERS) if view in views)
        self.gather.expect(samples, [seen] * len(samples))

    def close(self) -> dict[int, str]:
        """The samples whose windows close now, and who delivered for each."""
        closed = {}
        for batch in self.gather.close(self.now_s):
            assert 0 < len(batch.samples_N) <= MAX_ROWS
            assert_rows_belong(batch)
            for sample, delivered_M in zip(batch.samples_N, batch.present_NM, strict=True):
                closed[sample] = "".join(np.array(MEMBERS)[delivered_M > 0])
        return closed


def row(member: str, samples: Sequence[int]) -> np.ndarray:
    """Values that tell whose and which sample's they are."""
    rows = [[ord(member), sample % 9973] for sample in samples]
    return np.array(rows, dtype=np.float32).reshape(-1, 2)


def assert_rows_belong(batch: ClosedWindows) -> None:
    """Each row is the one that its member delivered for its sample, or zeros."""
    np.testing.assert_array_equal(batch.stacked, np.stack(batch.values, axis=1))
    bits_M = 1 << np.arange(len(MEMBERS))
    np.testing.assert_array_equal(batch.views_N, batch.present_NM @ bits_M)
    for place, member in enumerate(MEMBERS):
        wanted = row(member, batch.samples_N) * batch.present_NM[:, place, None]
        np.testing.assert_array_equal(batch.values[place], wanted)


some_samples = st.lists(st.integers(0, 7), min_size=1, max_size=5, unique=True)
deliveries = st.tuples(st.sampled_from(MEMBERS), some_samples)
waits = st.floats(0.0, 0.4)


@given(steps=st.lists(deliveries | waits, max_size=40))
def test_windows_close_exactly_when_all_have_delivered_or_at_the_deadline(steps):
    bench = Bench()
    opened: dict[int, float] = {}
    delivered: dict[int, str] = {}
    done: set[int] = set()
    for step in steps:
        if isinstance(step, float):
            bench.now_s += step
        else:
            member, samples = step
            bench.put(member, *samples)
            for sample in set(samples) - done:
                opened.setdefault(sample, bench.now_s)
                delivered[sample] = "".join(sorted({*delivered.get(sample, ""), member}))
        wanted = {
            s: who
            for s, who in delivered.items()
            if who == "abc" or bench.now_s >= opened[s] + DEADLINE_S
        }
        assert bench.close() == wanted
        done |= set(wanted)
        for sample in wanted:
            del delivered[sample]


@pytest.mark.parametrize("at_once", ["by delivery", "by deadline"])
def test_windows_that_close_together_come_oldest_sample_first(at_once):
    """Whatever came first: the same run gives the same messages."""
    bench = Bench()
    for member in MEMBERS if at_once == "by delivery" else "a":
        for sample in (1000, 3, 8, 513):
            bench.put(member, sample)
    bench.now_s += DEADLINE_S if at_once == "by deadline" else 0
    assert list(bench.close()) == [3, 8, 513, 1000]


@given(
    order=st.permutations([(member, n) for member in MEMBERS for n in range(4)]),
    rows=st.integers(1, 12),
)
def test_the_order_of_arrival_does_not_matter(order, rows):
    bench = Bench()
    closed = {}
    for start in range(0, len(order), rows):
        for member, sample in order[start : start + rows]:
            bench.put(member, sample)
        closed |= bench.close()
    assert closed == dict.fromkeys(range(4), "abc")
    assert not bench.events.total()


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(MEMBERS), st.lists(st.integers(0, 4 * SLOTS), max_size=20))
        | st.floats(0.0, 0.4),
        max_size=30,
    )
)
def test_whatever_arrives_a_sample_is_in_one_batch_at_most_and_rows_stay_theirs(steps):
    bench = Bench()
    seen: list[int] = []
    for step in steps:
        if isinstance(step, float):
            bench.now_s += step
        else:
            bench.put(step[0], *step[1])
        seen += bench.close()
    assert len(seen) == len(set(seen))


@given(steps=st.lists(st.tuples(st.sampled_from(MEMBERS), some_samples), max_size=30))
def test_every_row_is_merged_once_or_counted(steps):
    bench = Bench()
    merged = 0
    for member, samples in steps:
        bench.put(member, *samples)
        merged += sum(map(len, bench.close().values()))
    bench.now_s += DEADLINE_S
    merged += sum(map(len, bench.close().values()))
    assert merged + bench.events.total() == sum(len(samples) for _, samples in steps)


def test_late_rows_are_counted_and_never_merged():
    bench = Bench()
    bench.put("a", 1)
    bench.put("b", 1)
    bench.now_s = DEADLINE_S
    assert bench.close() == {1: "ab"}
    bench.put("c", 1, 2)
    bench.now_s = 2 * DEADLINE_S
    assert bench.close() == {2: "c"}
    assert bench.events["late"] == 1


def test_a_repeated_row_does_not_replace_the_first():
    bench = Bench()
    bench.put("a", 1)
    forged = np.full((1, 2), 666, dtype=np.float32)
    bench.gather.put("a", [1], [0b111], forged, 0.0)
    bench.now_s = DEADLINE_S
    assert bench.close() == {1: "a"}  # Bench.close compares the values
    assert bench.events["duplicate"] == 1


def test_nobody_speaks_for_views_that_are_not_behind_it():
    bench = Bench()
    bench.gather.put("a", [1], [0b111], row("a", [1]), 0.0)
    bench.now_s = DEADLINE_S
    (batch,) = bench.gather.close(bench.now_s)
    assert batch.views_N == [0b001]


def test_a_slot_in_use_is_not_given_away():
    bench = Bench()
    bench.put("a", 3)
    bench.put("a", 3 + SLOTS)
    assert bench.events["busy-slot"] == 1
    bench.put("b", 3)
    bench.put("c", 3)
    assert bench.close() == {3: "abc"}
    for member in MEMBERS:
        bench.put(member, 3 + SLOTS)
    assert bench.close() == {3 + SLOTS: "abc"}


ABSURD = [2**32 - 1 - n for n in range(SLOTS)]


def test_absurd_samples_of_one_member_take_no_slot_of_the_others():
    bench = Bench()
    for start in range(0, SLOTS, MAX_ROWS):
        bench.put("c", *ABSURD[start : start + MAX_ROWS])
    for round_ in range(3):
        samples = range(round_ * SLOTS, round_ * SLOTS + 4)
        bench.put("a", *samples)
        bench.put("b", *samples)
        bench.now_s += DEADLINE_S
        closed = bench.close()
        assert {s: who for s, who in closed.items() if s in samples} == dict.fromkeys(samples, "ab")
    bench.expect("c", *ABSURD[:64])
    bench.put("a", 4, 2**32 - 1)
    bench.put("b", 4)
    bench.now_s += DEADLINE_S
    assert bench.close()[4] == "ab"


def test_members_of_one_slot_that_speak_of_other_samples_have_windows_of_their_own():
    bench = Bench()
    for place, member in enumerate(MEMBERS):
        bench.put(member, 3 + place * SLOTS)
    bench.now_s = DEADLINE_S
    assert bench.close() == {3: "a", 3 + SLOTS: "b", 3 + 2 * SLOTS: "c"}


def test_the_past_does_not_come_back():
    bench = Bench()
    for member in MEMBERS:
        bench.put(member, 3 + SLOTS)
    bench.close()
    bench.put("a", 3)
    bench.now_s = 10 * DEADLINE_S
    assert (bench.close(), bench.events["late"]) == ({}, 1)


def test_more_windows_than_rows_of_a_message_close_in_several_batches():
    bench = Bench()
    for member in MEMBERS:
        for start in range(0, SLOTS, MAX_ROWS):
            bench.put(member, *range(start, start + MAX_ROWS))
    batches = bench.gather.close(0.0)
    assert [len(batch.samples_N) for batch in batches] == [MAX_ROWS] * (SLOTS // MAX_ROWS)
    assert [s for b in batches for s in b.samples_N] == list(range(SLOTS))


@pytest.mark.parametrize("when", ["before", "after"])
def test_only_expected_members_are_waited_for(when):
    bench = Bench()
    if when == "before":
        bench.expect("ab", 1)
    bench.put("a", 1)
    if when == "after":
        bench.expect("ab", 1)
    assert bench.close() == {}
    bench.put("b", 1)
    assert bench.close() == {1: "ab"}


def test_expecting_opens_no_window():
    bench = Bench()
    bench.expect("a", *range(SLOTS))
    bench.now_s = 10 * DEADLINE_S
    assert bench.close() == {}
    assert bench.gather.due_s(bench.now_s) is None
    bench.put("a", 5 + SLOTS)  # an expected sample that never came holds no slot
    assert not bench.events.total()


def test_the_silent_are_not_waited_for():
    bench = Bench(patience_s=2)
    bench.put("a", 0)
    bench.put("b", 0)
    bench.now_s = DEADLINE_S
    assert bench.close() == {0: "ab"}
    bench.now_s = 1.9
    bench.put("a", 1)
    bench.put("b", 1)
    assert bench.close() == {}
    assert bench.gather.due_s(bench.now_s) == 2  # when c will be given up
    bench.now_s = 2
    assert bench.close() == {1: "ab"}
    bench.put("a", 2)
    bench.put("b", 2)
    assert bench.close() == {2: "ab"}


def test_whoever_comes_back_is_waited_for_again():
    bench = Bench(patience_s=2)
    bench.put("a", 0)
    bench.now_s = 3
    bench.close()
    for member in MEMBERS:
        bench.gather.liveness.hear(member, bench.now_s)
    bench.put("a", 1)
    bench.put("b", 1)
    assert bench.close() == {}
    bench.put("c", 1)
    assert bench.close() == {1: "abc"}


def test_the_next_deadline_is_the_oldest_windows():
    bench = Bench()
    bench.put("a", 1)
    bench.now_s = 0.3
    bench.put("a", 2)
    assert bench.gather.due_s(bench.now_s) == DEADLINE_S
    bench.now_s = DEADLINE_S
    assert bench.close() == {1: "a"}
    assert bench.gather.due_s(bench.now_s) == pytest.approx(0.3 + DEADLINE_S)


EDGE, CAM0, CAM1 = "edge", "cam0", "cam1"
PAST = 1 << 2


class Fallback:
    """A gather of an edge and of its two devices, which have the way past it."""

    def __init__(self) -> None:
        views = [frozenset({0, 1}), frozenset({0}), frozenset({1})]
        self.gather = Gather(
            (EDGE, CAM0, CAM1),
            [(1,)] * 3,
            views_of=views,
            deadline_s=DEADLINE_S,
            patience_s=2.0,
            events=Counter(),
            stand_ins=[StandIn(1, 0, 2), StandIn(2, 0, 2)],
        )

    def put(self, member: str, views: int, now_s: float = 0.0) -> None:
        self.gather.put(member, [7], [views], np.ones((1, 1), np.float32), now_s)

    def close(self, now_s: float = 0.0) -> list[tuple[int, list[bool], list[float]]]:
        """Parts, who counts, and whose values are fused."""
        return [
            (b.views_N[0], b.present_NM[0].tolist(), [float(v[0, 0]) for v in b.values])
            for b in self.gather.close(now_s)
        ]


@pytest.mark.parametrize("first", [EDGE, CAM1])
def test_a_stand_in_does_not_count_where_its_parent_delivered(first):
    bench = Fallback()
    for member in sorted((EDGE, CAM1), key=lambda name: name != first):
        bench.put(member, 0b01 if member == EDGE else 0b10)
    assert bench.close() == [(0b01, [True, False, False], [1, 0, 0])]


def test_a_stand_in_waits_for_its_parent_and_says_that_it_went_past_it():
    bench = Fallback()
    bench.put(CAM0, 0b01)
    bench.put(CAM1, 0b10)
    assert bench.close() == []
    assert bench.close(DEADLINE_S) == [(PAST | 0b11, [False, True, True], [0, 1, 1])]


def test_stand_ins_of_a_silent_parent_are_waited_for_and_no_longer():
    bench = Fallback()
    for member, now_s in ((EDGE, 0.0), (CAM0, 1.9), (CAM1, 1.9)):
        bench.gather.liveness.hear(member, now_s)
    bench.put(CAM0, 0b01, 2.1)
    assert bench.close(2.1) == []
    bench.put(CAM1, 0b10, 2.2)
    assert bench.close(2.2) == [(PAST | 0b11, [False, True, True], [0, 1, 1])]


def test_who_sees_nothing_goes_past_nobody():
    bench = Fallback()
    for member in (EDGE, CAM0, CAM1):
        bench.put(member, 0)
    assert bench.close() == [(0, [False] * 3, [0, 0, 0])]


def test_nobody_says_for_others_that_they_were_passed_by():
    bench = Fallback()
    bench.put(EDGE, 0b111)
    assert bench.close()[0][0] == 0b011
    alone = Bench()
    alone.gather.put("a", [1], [0b1000], row("a", [1]), 0.0)
    alone.now_s = DEADLINE_S
    (batch,) = alone.gather.close(alone.now_s)
    assert (batch.views_N, batch.present_NM.any()) == ([0], False)
