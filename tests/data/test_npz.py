"""The source `npz`: both layouts read alike, wrong or hostile content refused in one line."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_samples import small_arrays
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ddnn.data import ABSENT, archive, load
from ddnn.data.npz import as_pixels
from ddnn.errors import DataError, DdnnError

CardWriter = Callable[..., Path]


def changed(name: str, *, at: tuple[int, ...], to: Any) -> dict[str, Any]:
    array = small_arrays()[name].copy()
    array[at] = to
    return {name: array}


def floats(value: float) -> dict[str, Any]:
    X = small_arrays()["X"].astype(np.float32) / 255
    X[3, 1, 0, 2, 2] = value
    return {"X": X}


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no X": ({"X": None}, {}, "no array 'X' (found: y, frame, split)"),
    "no y": ({"y": None}, {}, "no array 'y'"),
    "pickled": ({"y": np.array([None] * 20)}, {}, "y: holds pickled objects, want plain numbers"),
    "X shape": ({"X": np.zeros((20, 2, 4, 5), np.uint8)}, {}, "X: shape (20, 2, 4, 5), want (N,V"),
    "X empty": ({"X": np.zeros((0, 2, 3, 4, 5), np.uint8)}, {}, "X: shape (0, 2, 3, 4, 5), want"),
    "X type": ({"X": np.ones((20, 2, 3, 4, 5), int)}, {}, "X: int64, want uint8 or floats"),
    "X complex": ({"X": np.ones((20, 2, 3, 4, 5), complex)}, {}, "X: complex128, want uint8"),
    "NaN": (floats(np.nan), {}, "X: sample 3 view 1: nan, want a value in [0, 1]"),
    "infinite": (floats(np.inf), {}, "X: sample 3 view 1: inf, want a value in [0, 1]"),
    "above 1": (floats(1.5), {}, "X: sample 3 view 1: 1.5, want a value in [0, 1]"),
    "below 0": (floats(-0.5), {}, "X: sample 3 view 1: -0.5, want a value in [0, 1]"),
    "y beyond 64 bits": (
        {"y": np.full((20, 2), 2**64 - 1, np.uint64)},
        {},
        "y: got 18446744073709551615, want at most",
    ),
    "channels last": (
        {"X": np.zeros((20, 2, 32, 32, 3), np.uint8)},
        {},
        "X: shape (20, 2, 32, 32, 3) looks like (N,V,H,W,C), want (N,V,C,H,W): X.transpose(0, 1, 4",
    ),
    "grey last": ({"X": np.zeros((20, 2, 20, 30, 1), np.uint8)}, {}, "looks like (N,V,H,W,C)"),
    "colour last, few rows": ({"X": np.zeros((20, 2, 6, 9, 3), np.uint8)}, {}, "looks like (N,V,"),
    "views type": ({"views": np.arange(2)}, {}, "views: int64 (2,), want 2 texts"),
    "views count": ({"views": np.array(["a"])}, {}, "views: <U1 (1,), want 2 texts"),
    "views twice": ({"views": np.array(["a", "a"])}, {}, "view names: got ['a', 'a'], want 2 that"),
    "views alike": (
        {"views": np.array(["caf\u00e9", "cafe\u0301"])},
        {},
        "view names: got ['caf\u00e9', 'caf\u00e9'], want 2 that differ",
    ),
    "views unprintable": (
        {"views": np.array(["a", "\n"])},
        {},
        "views: '\\n', want 1 to 100 print",
    ),
    "views pickled": ({"views": np.array(["a", None])}, {}, "views: holds pickled objects"),
    "other views in the card": (
        {"views": np.array(["left", "right"])},
        {"views": ["left", "zoom"]},
        "views left, right, the card's views are left, zoom; want the same",
    ),
    "views in the card too many": (
        {},
        {"views": ["a", "b", "c"]},
        "2 views, the card's views are a, b, c",
    ),
    "y type": ({"y": np.zeros((20, 2))}, {}, "y: float64, want integers"),
    "y shape": ({"y": np.zeros(20, int)}, {}, "y: shape (20,), want (20, 2)"),
    "label": (changed("y", at=(4, 0), to=9), {}, "sample 4 view 0: label 9, want -1 (absent) to 1"),
    "no absent label": ({}, {"absent_label": None}, "sample 0 view 1: label 2, want -1"),
    "unseen": (changed("y", at=(5,), to=2), {}, "sample 5: absent in every view"),
    "disagree": (changed("y", at=(5,), to=[0, 1]), {}, "sample 5: views disagree, labels [0, 1]"),
    "empty class": (
        {},
        {"classes": ["car", "bus", "van"], "absent_label": 3},
        "class 'van' has no sample",
    ),
    "frame": ({"frame": np.zeros(3, int)}, {}, "frame: shape (3,), want (20,)"),
    "part": (changed("split", at=(7,), to=5), {}, "split: sample 7: 5, want 0, 1 or 2"),
    "no frames": ({"frame": None}, {"split": {"by": "frame"}}, "has no frame numbers"),
    "no parts": ({"split": None}, {"split": {"by": "file"}}, "has no parts of its own"),
    "authors": ({}, {"split": {"by": "authors"}}, "20 samples, want the 851 of MVMC"),
    "order": (
        {},
        {"split": {"by": "authors", "order": "nowhere.npy"}},
        "split.order: no 'nowhere.npy' beside the card",
    ),
    "sha256": ({}, {"sha256": "0" * 64}, f"want {'0' * 64}"),
    "git blob": ({}, {"git_blob": "0" * 40}, f"want {'0' * 40}"),
}


@pytest.mark.parametrize(("arrays", "keys", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_content_is_one_line_naming_file_and_place(
    npz_card: CardWriter, arrays: dict[str, Any], keys: dict[str, Any], message: str
) -> None:
    if "absent_label" in keys and keys["absent_label"] == 3:
        arrays = {"y": np.where(small_arrays()["y"] == 2, 3, small_arrays()["y"])}
    card = npz_card(arrays, **keys)
    with pytest.raises(DdnnError) as caught:
        load(card)
    assert str(caught.value).startswith(f"{card}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def member(header: bytes, body: bytes) -> bytes:
    """An archive whose only member X.npy is this."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("X.npy", header + body)
    return buffer.getvalue()


def npy_header(shape: str, descr: str = "|u1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


HOSTILE = {
    "text": (b"no archive", "not an npz archive"),
    "nothing": (b"", "not an npz archive"),
    "cut off": (member(npy_header("(9,)"), bytes(9))[:-30], "not an npz archive"),
    "bare npy": (npy_header("(9,)") + bytes(9), "not an npz archive"),
    "no npy": (member(b"junk", b"junk" * 9), "X: "),
    "bomb": (member(npy_header(f"({2**34},)"), bytes(99)), "unpacks to 17179869184 bytes"),
    "claims more": (member(npy_header("(1000,)"), bytes(9)), "needs 1000 bytes, there are 9"),
    "claims less": (member(npy_header("(4,)"), bytes(9)), "needs 4 bytes, there are 9"),
    "negative": (member(npy_header("(-4,)"), bytes(9)), "X: "),
    "object": (member(npy_header("(4,)", "|O"), bytes(9)), "pickles are never read"),
    "header code": (member(npy_header("__import__('os')"), bytes(9)), "X: "),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archive_is_refused(
    npz_card: CardWriter, tmp_path: Path, content: bytes, message: str
) -> None:
    card = npz_card()
    (tmp_path / "small.npz").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(card)
    assert message in str(caught.value)
    assert "small.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(content=st.binary(max_size=300), position=st.integers(0, 2000))
def test_damage_raises_nothing_but_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, position: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    with path.open("wb") as file:
        np.savez(file, X=np.arange(100))
    whole = path.read_bytes()
    path.write_bytes(whole[:position] + content + whole[position + len(content) :])
    try:
        found = archive.read_array(path, "X")
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017  # it may be read all the same
    else:
        assert found.tolist() == list(range(100))


def test_float_and_byte_pixels_read_alike(npz_card: CardWriter) -> None:
    as_bytes = load(npz_card())
    as_floats = load(npz_card({"X": small_arrays()["X"].astype(np.float32) / 255}))
    assert as_floats.digest == as_bytes.digest


@given(hnp.arrays(np.uint8, (1, 1, 1, 4, 4)), st.sampled_from([np.float16, np.float32, np.float64]))
def test_pixels_survive_as_floats(pixels: Any, kind: Any) -> None:
    assert (as_pixels((pixels / 255).astype(kind), place="X") == pixels).all()


def test_absent_views_are_black_and_labelled(npz_card: CardWriter) -> None:
    samples = load(npz_card()).samples
    assert (samples.labels_NV[::4, 1] == ABSENT).all()
    assert not samples.views_NVCHW[samples.absent_NV].any()
    assert samples.fused_labels_N.tolist() == [0, 1] * 10


def test_split_by_file_is_what_the_file_says(npz_card: CardWriter) -> None:
    split = load(npz_card(split={"by": "file"})).split
    assert [len(split.train), len(split.validation), len(split.test)] == [12, 3, 5]
    assert split.test.tolist() == [15, 16, 17, 18, 19]


def test_split_by_frame_keeps_a_frame_together(npz_card: CardWriter) -> None:
    split = load(npz_card(split={"by": "frame", "validation": 0.2, "test": 0.3})).split
    assert split.validation.tolist() == [10, 11, 12, 13]
    assert split.test.tolist() == [14, 15, 16, 17, 18, 19]


def test_right_checksums_pass(npz_card: CardWriter, tmp_path: Path) -> None:
    npz_card()
    content = (tmp_path / "small.npz").read_bytes()
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    card = npz_card(sha256=hashlib.sha256(content).hexdigest(), git_blob=blob)
    assert len(load(card).samples) == 20


def test_digest_tells_content_and_split_apart(npz_card: CardWriter) -> None:
    digests = {
        load(npz_card()).digest,
        load(npz_card(changed("X", at=(0, 0, 0, 0, 0), to=0))).digest,
        load(npz_card(split={"by": "sample", "seed": 1})).digest,
        load(npz_card(classes=["car", "tram"])).digest,
    }
    assert len(digests) == 4


def test_views_are_named_by_the_archive_or_the_card(npz_card: CardWriter) -> None:
    assert load(npz_card()).view_names == ("cam0", "cam1")
    assert load(npz_card(views=["left", "right"])).view_names == ("left", "right")
    assert load(npz_card({"views": np.array(["cafe\u0301", "b"])})).view_names == ("caf\u00e9", "b")


def test_the_cards_order_of_views_is_taken(npz_card: CardWriter) -> None:
    named = {"views": np.array(["left", "right"])}
    left, right = load(npz_card(named)).samples, load(npz_card(named, views=["right", "left"]))
    assert right.view_names == ("right", "left")
    np.testing.assert_array_equal(right.samples.views_NVCHW, left.views_NVCHW[:, ::-1])
    np.testing.assert_array_equal(right.samples.labels_NV, left.labels_NV[:, ::-1])


@pytest.mark.parametrize("shape", [(2, 2, 3, 32, 32), (2, 2, 6, 100, 1), (2, 2, 3, 4, 4)], ids=str)
def test_what_may_be_channels_first_is_taken(shape: tuple[int, ...]) -> None:
    assert as_pixels(np.zeros(shape, np.uint8), place="X").shape == shape


def test_a_small_archive_of_a_huge_array_is_refused_before_memory_is_taken(
    npz_card: CardWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    card = npz_card()
    black = {**small_arrays(), "X": np.zeros((20, 2, 3, 200, 200), np.uint8)}
    np.savez_compressed(card.parent / "small.npz", **black)
    with pytest.raises(DataError, match=r"X: unpacks to 4800000 bytes, more than 100 times the "):
        load(card)
    np.savez(card.parent / "small.npz", **black)
    assert len(load(card).samples) == 20
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 4_799_999)
    with pytest.raises(DataError, match=r"X: unpacks to 4800000 bytes, want at most 4799999"):
        load(card)
