"""Which samples show one object, and a split in which no object is on two sides.

An object is what is joined by
* near-copies: samples of one class that some camera sees alike, at any time: a parked car;
* object numbers, where the files have them;
* else neighbours in time: samples of one class in two frames that follow each other, seen by a
  camera in both. Within a frame objects stand in one order (that of their numbers), so pairs
  never cross; of all such pairings the one of the most pairs, then of the least difference, is
  taken.
To join two objects costs a little data, to part one would put it on two sides: so every pair that
may be one object is joined.

Axes: N samples, V views, P pixel values of a view.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ddnn.data.card import ObjectSplit
from ddnn.data.multiview import MultiView, Split
from ddnn.data.source import Source
from ddnn.errors import DataError

Indices = NDArray[np.int64]
PARTS = ("train", "test", "validation")
"""In the order in which parts of equal need get an object: so three objects are in all parts."""
BLOCK = 512
"""Samples compared with all others at once: bounds memory."""


def tracks(source: Source, *, near: float) -> Indices:
    """(N,) the object of each sample: 0, 1, … in the order in which they first appear.

    near: grey levels (rms over the view) up to which two views are copies.
    Raises DataError for files without object and frame numbers.
    """
    pairs = near_copies(source.samples, near=near)
    joined = np.arange(len(source.samples))
    for one, other in chain(pairs, _neighbours(source)):
        joined[_root(joined, one)] = _root(joined, other)
    roots = [_root(joined, n) for n in range(len(joined))]
    numbers = {root: number for number, root in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[root] for root in roots], dtype=np.int64)


def by_object(objects_N: Indices, labels_N: Indices, rule: ObjectSplit, order: Indices) -> Split:
    """Whole objects to each part, class by class, the largest first, each to the part that has
    least of its share.

    order: of all samples, drawn by a seed; objects of one size are taken in it.
    An object of two classes counts as one of its first sample's.
    """
    kept = {number: _capped(objects_N, number, rule.cap) for number in np.unique(objects_N)}
    drawn = list(dict.fromkeys(objects_N[order].tolist()))
    parts: dict[str, list[Indices]] = {name: [] for name in PARTS}
    for label in np.unique(labels_N):
        own = [number for number in drawn if labels_N[kept[number][0]] == label]
        own.sort(key=lambda number: -len(kept[number]))  # stable: as drawn where sizes are equal
        for name, number in _dealt(own, kept, rule):
            parts[name].append(kept[number])
    found = {name: np.sort(np.concatenate(part or [order[:0]])) for name, part in parts.items()}
    return Split(**found)


def near_copies(
    samples: MultiView, *, near: float, within_class: bool = True
) -> Iterator[tuple[int, int]]:
    """Pairs of samples, of one class by default, that some camera sees alike.

    Sums of whole numbers, so that the pairs are the same on every machine.
    """
    for view, views_NCHW in enumerate(samples.views.arrays):
        seen = np.flatnonzero(~samples.absent_NV[:, view])
        pixels_NP = views_NCHW[seen].reshape(len(seen), -1).astype(np.float64)
        labels_N = samples.fused_labels_N[seen]
        for start in range(0, len(seen), BLOCK):
            block = slice(start, start + BLOCK)
            alike = squared_distances(pixels_NP[block], pixels_NP) <= near**2 * pixels_NP.shape[1]
            if within_class:
                alike &= labels_N[block, None] == labels_N[None]
            for one, other in np.argwhere(alike):
                if start + one < other:
                    yield int(seen[start + one]), int(seen[other])


def squared_distances(
    left_NP: NDArray[np.float64], right_NP: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, M) between all rows of whole numbers, without rounding."""
    squares = (left_NP**2).sum(axis=1)[:, None] + (right_NP**2).sum(axis=1)[None]
    result: NDArray[np.float64] = squares - 2 * left_NP @ right_NP.T
    return result


def copied(samples: MultiView, *, near: float) -> NDArray[np.bool_]:
    """(N,) samples that have a near-copy among the others: what stands still."""
    found_N = np.zeros(len(samples), dtype=bool)
    for pair in near_copies(samples, near=near):
        found_N[list(pair)] = True
    return found_N


def _neighbours(source: Source) -> Iterator[tuple[int, int]]:
    """Pairs of one object number, else of one class in frames that follow each other."""
    if source.objects_N is not None:
        first: dict[int, int] = {}
        yield from ((first.setdefault(x, n), n) for n, x in enumerate(source.objects_N.tolist()))
        return
    if source.frames_N is None:
        raise DataError("split by object: this data set has no object or frame numbers")
    labels = source.samples.fused_labels_N.tolist()
    places: dict[tuple[int, int], list[int]] = {}
    for n, place in enumerate(zip(source.frames_N.tolist(), labels, strict=True)):
        places.setdefault(place, []).append(n)
    for (frame, label), now in places.items():
        yield from _paired(source.samples, now, places.get((frame + 1, label), []))


def _paired(samples: MultiView, now: list[int], later: list[int]) -> list[tuple[int, int]]:
    """Pairs that do not cross: the most of them, then the least difference."""
    best: dict[tuple[int, int], tuple[int, float, list[tuple[int, int]]]] = {}
    for i in range(len(now) + 1):
        for j in range(len(later) + 1):
            ways = [best[at] for at in ((i - 1, j), (i, j - 1)) if at in best]
            ways = ways or [(0, 0.0, [])]
            if i and j:
                one, other = now[i - 1], later[j - 1]
                difference = _difference(samples, one, other)
                if difference is not None:
                    pairs, total, found = best[i - 1, j - 1]
                    ways.append((pairs + 1, total + difference, [*found, (one, other)]))
            best[i, j] = max(ways, key=lambda way: (way[0], -way[1]))
    return best[len(now), len(later)][2]


def _difference(samples: MultiView, one: int, other: int) -> float | None:
    """Mean square between the views of the camera that sees both most alike; None: none does."""
    both = np.flatnonzero(~samples.absent_NV[one] & ~samples.absent_NV[other])
    if not len(both):
        return None
    pairs = (samples.views.arrays[v][[one, other]].astype(np.float64) for v in both)
    return min(float(((pair[0] - pair[1]) ** 2).mean()) for pair in pairs)


def _dealt(
    own: list[int], kept: dict[int, Indices], rule: ObjectSplit
) -> Iterator[tuple[str, int]]:
    """Each object with its part."""
    total = sum(len(kept[number]) for number in own)
    shares = (1 - rule.validation - rule.test, rule.test, rule.validation)
    wanted = {name: share * total for name, share in zip(PARTS, shares, strict=True) if share > 0}
    has = dict.fromkeys(wanted, 0)
    for number in own:
        name = min(wanted, key=lambda part: has[part] / wanted[part])
        has[name] += len(kept[number])
        yield name, number


def _capped(objects_N: Indices, number: int, cap: int | None) -> Indices:
    """The object's samples, evenly spaced where there are more than `cap`."""
    own = np.flatnonzero(objects_N == number)
    if cap is None or len(own) <= cap:
        return own
    return own[np.linspace(0, len(own) - 1, cap).astype(np.int64)]


def _root(joined: Indices, n: int) -> int:
    while joined[n] != n:
        joined[n] = joined[joined[n]]
        n = int(joined[n])
    return n
