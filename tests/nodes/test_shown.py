"""What a device shows of its views: small, about once a second, and on no sample's way.

Axes: N samples, C image channels, H, W.
"""

from collections import Counter

import numpy as np
import pytest
from builders import star_topology
from networks import Trainer

from ddnn.nodes.build import Equipment, build_node
from ddnn.nodes.section import SectionInput, ViewSource
from ddnn.nodes.shown import SHOW_S, ShownSource, small
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import MAX_SIDE, Capture, Roll, Scores, View, ViewState

LIT = np.full((3, 8, 8), 90, np.uint8)
DARK = np.zeros((3, 8, 8), np.uint8)


class Counted:
    """A source whose next batch, and what it counts, is said by the test."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.next: tuple[int, int, np.ndarray, dict[str, int]] | None = None

    def handle(self, sender, message, now_s):
        """Nothing comes."""

    def take(self, _now_s):
        if self.next is None:
            return []
        sample, views, view_CHW, counts = self.next
        self.next = None
        self.events.update(counts)
        return [SectionInput([sample], [views], {"views": view_CHW[None]})]

    def due_s(self):
        return None


@pytest.mark.parametrize(
    ("views", "view_CHW", "counts", "state"),
    [
        (1, LIT, {}, ViewState.SEEN),
        (1, LIT, {"frozen": 2}, ViewState.FROZEN),
        (1, DARK + 3, {}, ViewState.BLACK),  # a camera's noise
        (1, LIT, {"black": 1}, ViewState.SEEN),  # another picture was
        (0, DARK, {}, ViewState.BLACK),
        (0, DARK, {"no-view": 1}, ViewState.NO_VIEW),
    ],
)
def test_a_view_says_how_it_was_found(views, view_CHW, counts, state):
    counted = Counted()
    shown = ShownSource(counted, counted.events)
    counted.next = 5, views, view_CHW, counts
    shown.take(0.0)
    (sent,) = shown.show(0.0)
    assert (sent.peer, sent.message.sample, sent.message.state) == (COLLECTOR, 5, state)
    wanted = () if state is ViewState.NO_VIEW else view_CHW
    np.testing.assert_array_equal(sent.message.pixels_CHW.ravel(), np.ravel(wanted))


def test_what_was_counted_before_is_not_said_of_the_next_view():
    counted = Counted()
    shown = ShownSource(counted, counted.events)
    counted.next = 1, 0, DARK, {"no-view": 1, "frozen": 1}
    shown.take(0.0)
    shown.show(0.0)
    counted.next = 2, 1, LIT, {}
    shown.take(SHOW_S)
    assert shown.show(SHOW_S)[0].message.state is ViewState.SEEN


def test_views_are_shown_once_a_second_and_the_latest_is_never_left_out():
    views_NCHW = np.arange(100, dtype=np.uint8)[:, None, None, None]
    shown = ShownSource(ViewSource(views_NCHW, view=0), Counter())
    sent = []
    for turn in range(100):  # a tenth of a second each
        shown.handle(COLLECTOR, Capture([turn]), turn / 10)
        shown.take(turn / 10)
        sent += shown.show(turn / 10)
    assert [out.message.sample for out in sent] == list(range(0, 100, 10))
    due_s = shown.show_due_s()
    assert due_s == pytest.approx(10)
    assert shown.show(due_s)[0].message.sample == 99
    assert (shown.show(due_s + 9), shown.show_due_s()) == ([], None)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((3, 32, 32), (3, 32, 32)),
        ((1, 64, 64), (1, 64, 64)),
        ((3, 65, 40), (3, 33, 20)),
        ((3, 1080, 1920), (3, 36, 64)),
    ],
)
def test_what_is_shown_is_small(shape, wanted):
    assert small(np.zeros(shape, np.uint8)).shape == wanted
    assert max(wanted[1:]) <= MAX_SIDE


@pytest.mark.parametrize(
    "view", [np.zeros((1, 4, 4), np.float32), np.zeros((9, 16), np.int8), np.zeros((4, 8, 8), "u1")]
)
def test_what_is_no_picture_is_not_shown(view):
    assert small(view).size == 0


@pytest.mark.parametrize("shows_views", [False, True])
def test_a_device_shows_what_it_sees_only_where_it_is_asked_to(shows_views, tmp_path):
    """And after its scores, which a sample waits for."""
    trained = Trainer(tmp_path)(star_topology(), 8)
    views_NCHW = trained.samples.views.arrays[0]
    node = build_node("cam0", trained.bundle, views_NCHW, Equipment(shows_views=shows_views))
    node.handle(COLLECTOR, Roll(7), 0.0)
    node.tick(0.0)
    node.handle(COLLECTOR, Capture([3]), 0.1)
    kinds = [type(out.message) for out in node.tick(0.1)]
    assert [kind for kind in kinds if kind in (Scores, View)] == [Scores, *[View] * shows_views]
