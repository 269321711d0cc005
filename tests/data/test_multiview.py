"""Samples in memory: names of views, and a digest that tells other samples apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ddnn.data import ABSENT, MultiView
from ddnn.errors import DataError


def samples(**changed: object) -> MultiView:
    """Three samples of two views of 1 x 2 x 2 pixels."""
    known = MultiView(
        views=np.arange(24, dtype=np.uint8).reshape(3, 2, 1, 2, 2),
        labels_NV=np.array([[0, 0], [1, ABSENT], [1, 1]]),
        classes=("car", "bus"),
        view_names=("left", "right"),
    )
    return replace(known, **changed)  # type: ignore[arg-type] # by name


def test_views_without_names_are_numbered() -> None:
    assert samples(view_names=()).view_names == ("cam0", "cam1")


@pytest.mark.parametrize("names", [("a", "a"), ("a",), ("a", "b", "c")], ids=len)
def test_view_names_are_as_many_as_views_and_differ(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"view names: got \['a'.*want 2 that differ"):
        samples(view_names=names)


def test_view_names_follow_the_views() -> None:
    assert samples().take(np.array([1])).view_names == ("left", "right")
    assert samples().seen_by([1, 0]).view_names == ("right", "left")


def test_digest_is_that_of_the_content() -> None:
    """Pinned: hosts of different machines and versions compare it."""
    assert samples().digest == 10148013764900730030
    other_layout = np.asfortranarray(samples().views_NVCHW)
    assert samples(views=other_layout).digest == samples().digest


OTHERS: dict[str, Callable[[MultiView], MultiView]] = {
    "pixel": lambda s: replace(s, views=s.views_NVCHW + np.uint8(1)),
    "label": lambda s: replace(s, labels_NV=np.array([[0, 0], [1, ABSENT], [1, ABSENT]])),
    "label of a sample nobody sees": lambda s: replace(
        s, labels_NV=np.full((3, 2), ABSENT), labels_N=np.array([0, 1, 0])
    ),
    "label of another sample nobody sees": lambda s: replace(
        s, labels_NV=np.full((3, 2), ABSENT), labels_N=np.array([1, 1, 0])
    ),
    "class": lambda s: replace(s, classes=("car", "tram")),
    "view name": lambda s: replace(s, view_names=("left", "zoom")),
    "order of views": lambda s: s.seen_by([1, 0]),
    "order of samples": lambda s: s.take(np.array([1, 0, 2])),
    "number of samples": lambda s: s.take(np.arange(2)),
    "shape": lambda s: replace(s, views=s.views_NVCHW.reshape(3, 2, 1, 1, 4)),
}


def test_digest_tells_other_samples_apart() -> None:
    digests = [samples().digest, *(other(samples()).digest for other in OTHERS.values())]
    assert len(set(digests)) == len(digests)
    assert all(0 <= digest < 1 << 64 for digest in digests)
