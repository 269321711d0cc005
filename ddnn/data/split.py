"""Divides samples into train, validation and test by the rule of a card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.data.archive import as_integers, read_npy
from ddnn.data.card import (
    AnySplit,
    AuthorsSplit,
    FileSplit,
    FrameSplit,
    ObjectSplit,
    SampleSplit,
    SubjectSplit,
)
from ddnn.data.multiview import Split
from ddnn.data.objects import by_object
from ddnn.data.source import TEST, TRAIN, VALIDATION, Source
from ddnn.errors import DataError
from ddnn.plainfile import read_plain

Indices = NDArray[np.int64]

AUTHORS_TRAIN, AUTHORS_TEST = 680, 171
"""Sizes in Teerapittayanon et al. 2017, section IV-B."""
AUTHORS_SEED = 2017
"""Seed of the order that stands in where the authors' own is not given."""
MAX_ORDER_BYTES = 16 << 20
"""Of a text file of sample indices: two million of them."""


def read_order(path: Path) -> Indices:
    """Sample indices from a .npy file or a text file of integers.

    Raises DataError for anything else in it, or more than any data set has samples.
    """
    array = read_npy(path) if path.suffix == ".npy" else _written_numbers(path)
    return as_integers(array, shape=(array.size,), place=str(path))


def _written_numbers(path: Path) -> Indices:
    try:
        content = read_plain(path, MAX_ORDER_BYTES + 1)
        if len(content) > MAX_ORDER_BYTES:
            raise DataError(f"{path}: larger than {MAX_ORDER_BYTES} bytes, want sample indices")
        words = content.decode("utf-8-sig").replace(",", " ").split()
        return np.array([_written_number(word) for word in words], dtype=np.int64)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}, want whole numbers") from error
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: want whole numbers ({error})") from error


def _written_number(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise ValueError(f"got {word[:40]!r}")
    return int(word)


def divide(source: Source, rule: AnySplit) -> Split:
    """The three parts of a source.

    Raises DataError where the source lacks what the rule needs, or a wanted part is empty.
    """
    match rule:
        case SampleSplit():
            split = by_sample(len(source.samples), rule)
        case FrameSplit():
            split = by_frame(_wanted(source.frames_N, "frame", "frame numbers"), rule)
        case ObjectSplit():
            objects_N = _wanted(source.objects_N, "object", "object numbers")
            order = seeded_order(len(objects_N), rule.seed)
            split = by_object(objects_N, source.samples.fused_labels_N, rule, order)
        case SubjectSplit():
            split = by_subject(_wanted(source.subjects_N, "subject", "subjects"), rule)
        case FileSplit():
            split = by_file(_wanted(source.parts_N, "file", "parts of its own"), rule)
        case AuthorsSplit():
            split = by_authors(len(source.samples), source.order, rule)
    _check_parts(split, rule)
    return split


def seeded_order(count: int, seed: int) -> Indices:
    """A permutation of 0 to count - 1, the same on every machine and numpy version.

    Random 64-bit words of PCG64 are sorted: numpy promises that stream, but not that
    `Generator.permutation` stays as it is.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable").astype(np.int64)


def by_sample(count: int, rule: SampleSplit) -> Split:
    """Parts drawn at random."""
    order = seeded_order(count, rule.seed)
    test = round(rule.test * count)
    validation = round(rule.validation * count)
    return _split(
        train=order[test + validation :],
        validation=order[test : test + validation],
        test=order[:test],
    )


def by_frame(frames_N: Indices, rule: FrameSplit) -> Split:
    """Contiguous blocks of the frames that occur: train, then validation, then test."""
    frames = np.unique(frames_N)
    test_start = len(frames) - round(rule.test * len(frames))
    validation_start = test_start - round(rule.validation * len(frames))
    position_N = np.searchsorted(frames, frames_N)
    return _split(
        train=np.flatnonzero(position_N < validation_start),
        validation=np.flatnonzero((position_N >= validation_start) & (position_N < test_start)),
        test=np.flatnonzero(position_N >= test_start),
    )


def by_subject(subjects_N: Indices, rule: SubjectSplit) -> Split:
    """Whole subjects, drawn at random: first those of the test, then of validation.

    Raises DataError where there are too few for a part to have one.
    """
    subjects = np.unique(subjects_N)
    shares = {"test": rule.test, "validation": rule.validation}
    counts = {
        name: max(1, round(share * len(subjects))) if share else 0 for name, share in shares.items()
    }
    if len(subjects) <= sum(counts.values()):
        raise DataError(
            f"split by subject: {len(subjects)} subjects, want more than {sum(counts.values())}"
        )
    drawn = subjects[seeded_order(len(subjects), rule.seed)]
    test, held_out = counts["test"], sum(counts.values())
    return _split(
        train=np.flatnonzero(np.isin(subjects_N, drawn[held_out:])),
        validation=np.flatnonzero(np.isin(subjects_N, drawn[test:held_out])),
        test=np.flatnonzero(np.isin(subjects_N, drawn[:test])),
    )


def by_file(parts_N: Indices, rule: FileSplit) -> Split:
    """The parts that the files carry; validation is taken from train where they carry none."""
    train, validation = np.flatnonzero(parts_N == TRAIN), np.flatnonzero(parts_N == VALIDATION)
    if not len(validation):
        train, validation = _carve(train, rule.validation, rule.seed)
    return _split(train=train, validation=validation, test=np.flatnonzero(parts_N == TEST))


def by_authors(count: int, order: Indices | None, rule: AuthorsSplit) -> Split:
    """The first 680 of `order` to train and validate on, the last 171 to test on."""
    wanted = AUTHORS_TRAIN + AUTHORS_TEST
    if count != wanted:
        raise DataError(f"split by authors: {count} samples, want the {wanted} of MVMC")
    if order is None:
        order = seeded_order(count, AUTHORS_SEED)
    if order.shape != (count,) or not np.array_equal(np.sort(order), np.arange(count)):
        raise DataError(
            f"split.order: {order.size} values of which {len(np.unique(order))} differ, "
            f"want each of 0 to {count - 1} once"
        )
    train, validation = _carve(order[:AUTHORS_TRAIN], rule.validation, rule.seed)
    return _split(train=train, validation=validation, test=order[AUTHORS_TRAIN:])


def _carve(samples: Indices, share: float, seed: int) -> tuple[Indices, Indices]:
    """Samples without, and samples of, a share drawn by the seed."""
    drawn = samples[seeded_order(len(samples), seed)]
    count = round(share * len(samples))
    return drawn[count:], drawn[:count]


def _split(*, train: Indices, validation: Indices, test: Indices) -> Split:
    return Split(train=np.sort(train), validation=np.sort(validation), test=np.sort(test))


def _wanted(values: Indices | None, by: str, what: str) -> Indices:
    if values is None:
        raise DataError(f"split by {by}: this data set has no {what}")
    return values


def _check_parts(split: Split, rule: AnySplit) -> None:
    wants_validation = rule.validation > 0
    wants_test = (
        not isinstance(rule, SampleSplit | FrameSplit | ObjectSplit | SubjectSplit) or rule.test > 0
    )
    for name, wanted in (("train", True), ("validation", wants_validation), ("test", wants_test)):
        if wanted and not len(getattr(split, name)):
            raise DataError(f"split by {rule.by}: no sample in {name}")
