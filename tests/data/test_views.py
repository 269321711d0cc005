"""One array a device, of sizes and types of their own. N samples, V views."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.data import load
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.statistics import channel_statistics
from ddnn.data.views import Views
from ddnn.errors import DataError

CardWriter = Callable[..., Path]
UNEQUAL = (
    np.arange(5 * 64, dtype=np.uint8).reshape(5, 1, 8, 8),
    np.arange(5 * 18, dtype=np.int16).reshape(5, 2, 1, 9) - 40,
    np.linspace(-1, 1, 5 * 12, dtype=np.float32).reshape(5, 1, 3, 4),
)


def digest(views: Views) -> str:
    found = hashlib.sha256(repr(views.layout).encode())
    views.hash_into(found)
    return found.hexdigest()


def test_samples_and_devices_are_taken_from_all_arrays_alike() -> None:
    views = Views(UNEQUAL)
    fewer = views.take(np.array([3, 1])).of_devices([2, 0])
    assert len(fewer) == 2
    assert fewer.shapes == ((1, 3, 4), (1, 8, 8))
    assert fewer.types == ("float32", "uint8")
    np.testing.assert_array_equal(fewer.arrays[1], UNEQUAL[0][[3, 1]])


def test_parts_are_all_samples_in_order() -> None:
    parts = list(Views(UNEQUAL).parts(2))
    assert [len(part) for part in parts] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([p.arrays[1] for p in parts]), UNEQUAL[1])


def test_alike_views_go_into_one_array_and_back() -> None:
    array = np.arange(48, dtype=np.uint8).reshape(3, 2, 1, 2, 4)
    np.testing.assert_array_equal(Views.of(array).stacked(), array)
    with pytest.raises(DataError, match=r"uint8 1x8x8, int16 2x1x9.* want all of one size"):
        Views(UNEQUAL).stacked()


def test_what_is_not_all_zero_is_seen() -> None:
    dark = [array.copy() for array in UNEQUAL]
    dark[1][2] = 0
    dark[2][4] = 0
    seen_NV = Views(tuple(dark)).seen_NV
    assert np.argwhere(~seen_NV).tolist() == [[2, 1], [4, 2]]


WRONG: dict[str, tuple[Any, str]] = {
    "no array": ((), "want as many in each, and a view"),
    "other counts": ((UNEQUAL[0], UNEQUAL[1][:4]), r"got \[5, 4\] samples by view"),
    "type": ((UNEQUAL[0].astype(np.int64),), "view 0 is int64"),
    "axes": ((UNEQUAL[0][0],), r"view 0 is uint8 \(1, 8, 8\), want"),
    "one array's axes": (UNEQUAL[0], r"got uint8 \(5, 1, 8, 8\), want"),
}


@pytest.mark.parametrize(("value", "message"), WRONG.values(), ids=WRONG)
def test_arrays_that_are_no_views_are_refused(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Views.of(value)


def test_equal_views_have_one_digest_and_others_another() -> None:
    views = Views(UNEQUAL)
    strided = Views(tuple(np.asfortranarray(array) for array in UNEQUAL))
    assert digest(strided) == digest(views)
    other_type = Views((UNEQUAL[0], UNEQUAL[1].astype(np.float32), UNEQUAL[2]))
    other_value = [array.copy() for array in UNEQUAL]
    other_value[2][4, 0, 2, 3] += 1e-6
    others = [views.of_devices([1, 0, 2]), views.take(slice(4)), other_type, Views.of(other_value)]
    assert len({digest(views), *map(digest, others)}) == 5


def test_means_and_deviations_are_of_samples_that_show_something() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(1e6, 3, (700, 2, 1, 10)).astype(np.float32)
    array[::3] = 0
    mean_C, deviation_C = channel_statistics(array)
    seen = array[array.any(axis=(1, 2, 3))].astype(np.float64)
    np.testing.assert_allclose(mean_C, seen.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(deviation_C, seen.std(axis=(0, 2, 3)), rtol=1e-4)
    for values_C in channel_statistics(np.zeros((3, 2, 1, 4), np.int16)):
        assert not values_C.any()


# ------------------------------------------------------------------ cards of an array a view


def arrays(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found = {
        "motion": rng.normal(size=(20, 6, 16)).astype(np.float16),
        "sound": rng.integers(-99, 99, (20, 1, 5, 7)).astype(np.int8),
        "picture": rng.integers(1, 255, (20, 3, 4, 4)).astype(np.uint8),
        "level": rng.normal(size=(20, 9)),
        "y": np.arange(20) % 3,
    }
    return {name: array for name, array in (found | changes).items() if array is not None}


KEYS = {"kind": "npz", "path": "data.npz", "classes": ["car", "bus", "person"]}
NAMED = {"imu": "motion", "mic": "sound", "cam": "picture", "level": "level"}


def read(write_card: CardWriter, folder: Path, **changes: Any) -> MultiView:
    np.savez(folder / "data.npz", **arrays(**changes))
    return load(write_card(**KEYS, arrays=NAMED)).samples


def test_an_archive_may_hold_an_array_a_view(write_card: CardWriter, tmp_path: Path) -> None:
    samples = read(write_card, tmp_path)
    assert samples.view_names == ("imu", "mic", "cam", "level")
    assert samples.views.shapes == ((6, 1, 16), (1, 5, 7), (3, 4, 4), (1, 1, 9))
    assert samples.views.types == ("float32", "int16", "uint8", "float32")
    assert (samples.labels_NV == arrays()["y"][:, None]).all()


def test_labels_by_view_say_what_is_absent(write_card: CardWriter, tmp_path: Path) -> None:
    labels_NV = np.repeat(arrays()["y"][:, None], 4, axis=1)
    labels_NV[::2, 0] = ABSENT
    samples = read(write_card, tmp_path, y=labels_NV)
    assert not samples.views.arrays[0][::2].any()
    np.testing.assert_array_equal(samples.labels_NV, labels_NV)


WRONG_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"sound": None}, "no array 'sound'"),
    "count": ({"sound": np.ones((19, 1, 5, 7), np.int8)}, "sound: 19 samples, want 20"),
    "type": ({"motion": np.ones((20, 6, 16), np.int64)}, "motion: int64, want uint8, int8, int16"),
    "NaN": ({"level": np.full((20, 9), np.nan)}, "level: sample 0: not finite"),
    "too large": ({"level": np.full((20, 9), 1e39)}, "level: sample 0: not finite"),
    "axes": ({"level": np.ones(20)}, r"level: shape \(20,\), want"),
    "labels": ({"y": np.zeros((20, 3), int)}, r"y: shape \(20, 3\), want \(20, 4\)"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
def test_arrays_that_do_not_fit_are_refused_by_name(
    write_card: CardWriter, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write_card, tmp_path, **changes)
