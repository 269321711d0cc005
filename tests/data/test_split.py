"""Splits: no sample twice, none lost, and each rule's own promise."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.data import MultiView, Split
from ddnn.data.card import AuthorsSplit, FileSplit, FrameSplit, SampleSplit, SubjectSplit
from ddnn.data.source import Source
from ddnn.data.split import (
    by_authors,
    by_file,
    by_frame,
    by_sample,
    by_subject,
    divide,
    read_order,
    seeded_order,
)
from ddnn.errors import DataError

SHARES = st.sampled_from([0.0, 0.1, 0.3])
FRACTIONS = st.sampled_from([0.0, 0.1, 0.15, 0.2, 0.33])


def whole(split: Split) -> list[int]:
    return sorted(np.concatenate([split.train, split.validation, split.test]).tolist())


@given(st.lists(st.integers(0, 9), min_size=5, max_size=60), SHARES, SHARES, st.integers(0, 99))
def test_by_subject_puts_nobody_into_two_parts(
    subjects: list[int], validation: float, test: float, seed: int
) -> None:
    subjects_N = np.array([0, 1, 2, 3, 4, 5, 6, *subjects])
    rule = SubjectSplit(by="subject", validation=validation, test=test, seed=seed)
    split = by_subject(subjects_N, rule)
    assert whole(split) == list(range(len(subjects_N)))
    parts = [{*subjects_N[part].tolist()} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len({*subjects_N.tolist()})
    assert (len(parts[1]) > 0, len(parts[2]) > 0) == (validation > 0, test > 0)


@given(st.integers(0, 300), st.integers(0, 2**63 - 1), FRACTIONS, FRACTIONS)
def test_by_sample_gives_every_sample_once(
    count: int, seed: int, validation: float, test: float
) -> None:
    split = by_sample(count, SampleSplit(by="sample", seed=seed, validation=validation, test=test))
    assert whole(split) == list(range(count))
    assert len(split.test) == round(test * count)
    assert len(split.validation) == round(validation * count)


@given(st.lists(st.integers(-5, 40), min_size=1, max_size=80), FRACTIONS, FRACTIONS)
def test_by_frame_gives_blocks_in_time(frames: list[int], validation: float, test: float) -> None:
    frames_N = np.array(frames)
    split = by_frame(frames_N, FrameSplit(by="frame", validation=validation, test=test))
    assert whole(split) == list(range(len(frames)))
    blocks = [frames_N[part] for part in (split.train, split.validation, split.test) if len(part)]
    assert all(before.max() < after.min() for before, after in pairwise(blocks))


def test_by_frame_takes_the_last_fifth_of_200_frames_for_test() -> None:
    frames_N = np.repeat(np.arange(1, 201), 3)
    split = by_frame(frames_N, FrameSplit(by="frame", validation=0.15, test=0.2))
    assert set(frames_N[split.test]) == set(range(161, 201))
    assert set(frames_N[split.validation]) == set(range(131, 161))


@given(st.lists(st.sampled_from([0, 2]), max_size=80))
def test_by_file_takes_validation_from_train_only(parts: list[int]) -> None:
    split = by_file(np.array(parts, dtype=np.int64), FileSplit(by="file", validation=0.2))
    assert whole(split) == list(range(len(parts)))
    assert len(split.test) == parts.count(2)
    assert len(split.validation) == round(0.2 * parts.count(0))


def test_authors_split_is_680_and_171() -> None:
    split = by_authors(851, None, AuthorsSplit(by="authors"))
    assert whole(split) == list(range(851))
    assert len(split.train) + len(split.validation) == 680
    assert len(split.test) == 171


def test_authors_split_takes_the_last_171_of_the_order() -> None:
    order = np.arange(851)[::-1]
    split = by_authors(851, order, AuthorsSplit(by="authors"))
    assert split.test.tolist() == list(range(171))


@pytest.mark.parametrize(
    "order", [np.arange(850), np.zeros(851, int), np.arange(1, 852)], ids=["few", "same", "shifted"]
)
def test_order_that_is_no_permutation_is_refused(order: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"split\.order: .* want each of 0 to 850 once"):
        by_authors(851, order, AuthorsSplit(by="authors"))


def test_another_seed_draws_others_into_validation() -> None:
    parts_N = np.repeat([0, 2], [30, 5])
    rules = [FileSplit(by="file", validation=0.2, seed=seed) for seed in (0, 1)]
    one, other = (by_file(parts_N, rule).validation.tolist() for rule in rules)
    assert (len(one), len(other)) == (6, 6)
    assert one != other
    authors = [AuthorsSplit(by="authors", validation=0.2, seed=seed) for seed in (0, 1)]
    first, second = (by_authors(851, None, rule) for rule in authors)
    assert first.validation.tolist() != second.validation.tolist()
    assert first.test.tolist() == second.test.tolist()  # which is the authors' own


def test_seeded_order_never_changes() -> None:
    assert seeded_order(10, 0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]


@pytest.mark.parametrize("name", ["order.npy", "order.txt"])
def test_order_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, np.array([2, 0, 1]))
    else:
        path.write_text("2, 0\n1\n")
    assert read_order(path).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "content", ["1 two", "1.5", "9" * 30, "0 1_0", "-1", "\u0662", "0x1"], ids=ascii
)
def test_order_of_anything_but_integers_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "order.txt").write_text(content)
    with pytest.raises(DataError, match=r"order\.txt: want whole numbers"):
        read_order(tmp_path / "order.txt")


def test_order_that_claims_or_holds_too_much_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    array, text = tmp_path / "order.npy", tmp_path / "order.txt"
    with array.open("wb") as file:
        header = {"descr": "<i8", "fortran_order": False, "shape": (10**13,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(8))
    with pytest.raises(DataError, match=r"order\.npy: unpacks to 80000000000000 bytes"):
        read_order(array)
    with text.open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(DataError, match=r"order\.txt: larger than 16777216 bytes"):
        read_order(text)


def test_wanted_part_without_a_sample_is_refused() -> None:
    samples = MultiView(
        views=np.ones((2, 1, 1, 1, 1), np.uint8),
        labels_NV=np.array([[0], [1]]),
        classes=("a", "b"),
    )
    with pytest.raises(DataError, match="split by sample: no sample in validation"):
        divide(Source(samples=samples), SampleSplit(by="sample"))
