"""A split by object: no object in two parts, whatever says that two samples show one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ddnn.data.card import ObjectSplit, load_card
from ddnn.data.loading import load
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.objects import by_object, copied, tracks
from ddnn.data.source import Source
from ddnn.data.split import divide, seeded_order
from ddnn.errors import ConfigError, DataError

GREY = 100


def seen(levels: Sequence[Sequence[int | None]], labels: Sequence[int] | None = None) -> MultiView:
    """A sample a line, a flat grey level a view; None: the camera does not see the object."""
    present_NV = np.array([[level is not None for level in line] for line in levels])
    levels_NV = np.array([[level or 0 for level in line] for line in levels], dtype=np.uint8)
    labels_N = np.zeros(len(levels)) if labels is None else np.array(labels)
    return MultiView(
        views=np.tile(levels_NV[:, :, None, None, None], (1, 1, 3, 2, 2)),
        labels_NV=np.where(present_NV, labels_N[:, None], ABSENT).astype(np.int64),
        classes=("car", "person"),
    )


def found(samples: MultiView, frames: Sequence[int], near: float = 12) -> list[int]:
    return tracks(Source(samples=samples, frames_N=np.array(frames)), near=near).tolist()


def test_what_looks_alike_to_one_camera_is_one_object_at_any_time():
    samples = seen([(GREY, None), (250, 10), (GREY + 12, 90), (GREY + 25, None)])
    assert found(samples, [1, 5, 9, 13]) == [0, 1, 0, 2]
    assert copied(samples, near=12).tolist() == [True, False, True, False]


def test_what_is_alike_in_two_cameras_or_of_two_classes_is_not_one_object():
    samples = seen([(GREY, None), (None, GREY), (GREY, None)], labels=[0, 0, 1])
    assert found(samples, [1, 5, 9]) == [0, 1, 2]


def test_frames_that_follow_each_other_make_a_track_while_a_camera_sees_on():
    samples = seen([(10, None), (60, None), (110, 10), (None, 60), (250, None), (200, None)])
    assert found(samples, [1, 2, 3, 4, 5, 7]) == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("now", "later", "wanted"),
    [
        ((50, 150), (70, 170), [0, 1, 0, 1]),
        ((50, 150), (170,), [0, 1, 1]),
        ((50, 150), (80,), [0, 1, 0]),
        ((50,), (150, 80, 250), [0, 1, 0, 2]),
        ((150, 50), (50 + 30, 150 + 30), [0, 1, 0, 1]),
    ],
    ids=["as many", "first gone", "second gone", "two came", "never crosswise"],
)
def test_objects_of_a_frame_keep_their_order(now, later, wanted):
    samples = seen([(level,) for level in (*now, *later)])
    assert found(samples, [1] * len(now) + [2] * len(later)) == wanted


def test_object_numbers_come_before_frames_and_copies_are_joined_all_the_same():
    source = Source(
        samples=seen([(10,), (60,), (110,), (111,)]),
        frames_N=np.array([1, 2, 3, 4]),
        objects_N=np.array([7, 3, 7, 3]),
    )
    assert tracks(source, near=0.5).tolist() == [0, 1, 0, 1]
    assert tracks(source, near=1).tolist() == [0, 0, 0, 0]


def test_without_numbers_of_objects_or_frames_no_object_is_known():
    with pytest.raises(DataError, match="no object or frame numbers"):
        tracks(Source(samples=seen([(1,), (2,)])), near=12)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.15, 0.3]),
    st.sampled_from([0.0, 0.2, 0.3]),
    st.one_of(st.none(), st.integers(1, 5)),
    st.integers(0, 2**63 - 1),
)
def test_no_object_is_in_two_parts_and_none_has_more_than_the_cap(
    objects: list[int], validation: float, test: float, cap: int | None, seed: int
) -> None:
    objects_N = np.array(objects)
    rule = ObjectSplit(by="object", validation=validation, test=test, cap=cap, seed=seed)
    split = by_object(objects_N, objects_N % 3, rule, seeded_order(len(objects_N), seed))
    parts = [objects_N[part] for part in (split.train, split.validation, split.test)]
    owners = [number for part in parts for number in set(part.tolist())]
    assert sorted(owners) == sorted(set(objects))
    for number, count in zip(*np.unique(objects_N, return_counts=True), strict=True):
        kept = sum(int((part == number).sum()) for part in parts)
        assert kept == (count if cap is None else min(count, cap))


def counts(objects_N: NDArray[np.int64], **rule: Any) -> list[int]:
    wanted = ObjectSplit(by="object", **rule)
    labels_N = np.zeros_like(objects_N)
    split = by_object(objects_N, labels_N, wanted, seeded_order(len(objects_N), wanted.seed))
    return [len(part) for part in (split.train, split.validation, split.test)]


def test_shares_are_met_as_far_as_whole_objects_allow():
    assert counts(np.repeat(np.arange(100), 2), validation=0.2, test=0.3) == [100, 40, 60]
    assert counts(np.repeat([0, 1, 2], [50, 3, 2]), validation=0.2, test=0.3) == [50, 2, 3]


def test_the_seed_draws_which_objects_of_a_size_go_where():
    objects_N = np.repeat(np.arange(30), 2)
    splits = [
        by_object(
            objects_N,
            np.zeros_like(objects_N),
            ObjectSplit(by="object", seed=seed),
            seeded_order(60, seed),
        ).test.tolist()
        for seed in (0, 0, 1)
    ]
    assert splits[0] == splits[1] != splits[2]


def street(folder: Path, split: str) -> Path:
    """Two parked cars and a person who walks by, 20 frames, twice; and a card for it."""
    levels = [
        [(50 + frame % 2, None), (None, 200 - frame % 3), (4 * frame + 7, None)]
        for frame in range(20)
    ]
    samples = seen([line for lines in levels for line in lines], labels=[0, 0, 1] * 20)
    y_NV = np.where(samples.absent_NV, 2, samples.labels_NV)
    frames_N = np.repeat(np.arange(20), 3)
    frames_N[30:] += 5
    np.savez(folder / "street.npz", X=samples.views_NVCHW, y=y_NV, frame=frames_N)
    card = folder / "street.yaml"
    card.write_text(
        f"kind: npz\npath: street.npz\nclasses: [car, person]\nabsent_label: 2\nsplit: {split}\n"
    )
    return card


def test_a_card_by_object_keeps_parked_cars_on_one_side(tmp_path):
    card = street(tmp_path, "{by: object, near: 3, cap: 6, validation: 0, test: 0.5}")
    data = load(card)
    assert data.objects_N is not None
    train, test = (data.objects_N[part] for part in (data.split.train, data.split.test))
    assert not set(train) & set(test)
    assert len(set(data.objects_N)) == 4
    assert [len(train), len(test)] == [12, 12]


def test_the_shipped_card_keeps_validation_apart_too():
    rule = load_card("epfl-by-object").split
    assert isinstance(rule, ObjectSplit)
    assert rule.validation > 0
    assert (rule.near, rule.cap) == (12, 40)


@pytest.mark.parametrize("wrong", ["near: -1", "near: 300", "cap: 0", "frame: 2", "near: yes"])
def test_a_wrong_rule_is_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match=rf"split\.(object\.)?{wrong.split(':')[0]}"):
        load(street(tmp_path, f"{{by: object, {wrong}}}"))


def test_an_empty_part_that_was_wanted_is_named():
    source = Source(samples=seen([(10,), (20,)]), objects_N=np.array([0, 0]))
    with pytest.raises(DataError, match="split by object: no sample in validation"):
        divide(source, ObjectSplit(by="object"))
