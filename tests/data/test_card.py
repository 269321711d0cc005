"""Data cards: the shipped ones are right, wrong ones are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddnn import shipped
from ddnn.data import load, load_card
from ddnn.errors import ConfigError

NPZ = {"kind": "npz", "path": "small.npz", "classes": ["car", "bus"]}
TILES = {"kind": "tiles", "images": "digits", "rows": 2, "columns": 2}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "kind": (
        {**NPZ, "kind": "zip"},
        "kind is zip, want one of npz, folder, table, tiles, rendered",
    ),
    "no kind": ({"path": "x"}, "missing key 'kind'"),
    "typo": ({**NPZ, "clases": ["a", "b"]}, "clases: unknown key, did you mean 'classes'?"),
    "one class": ({**NPZ, "classes": ["car"]}, "classes: got ['car'], want at least 2 items"),
    "class twice": (
        {**NPZ, "classes": ["car", "car"]},
        "classes: got ['car', 'car'], want each class once",
    ),
    "absent label": ({**NPZ, "absent_label": 1}, "absent_label: 1 is class 'bus'"),
    "split": ({**NPZ, "split": {"by": "day"}}, "split: by is day, want one of sample, frame,"),
    "split typo": (
        {**NPZ, "split": {"by": "frame", "tset": 0.2}},
        "split.tset: unknown key, did you mean 'test'?",
    ),
    "fraction": ({**NPZ, "split": {"by": "sample", "test": 1.5}}, "split.test: got 1.5, want less"),
    "fractions": (
        {**NPZ, "split": {"by": "sample", "test": 0.6, "validation": 0.5}},
        "split: validation 0.5 + test 0.6 leave nothing for train",
    ),
    "yes for a seed": (
        {**NPZ, "split": {"by": "sample", "seed": True}},
        "split.seed: got True, want an integer",
    ),
    "view twice": (
        {**NPZ, "kind": "folder", "views": ["left", "right", "left"]},
        "views: 'left' is given twice, want each once",
    ),
    "yes for channels": ({**TILES, "channels": True}, "channels: got True, want an integer"),
    "text for a size": ({**TILES, "size": "16"}, "size: got '16', want an integer"),
    "hash": ({**NPZ, "sha256": "abc"}, "sha256: got 'abc'"),
    "set": ({**TILES, "images": "MNISTT"}, "images: got 'MNISTT', want 'digits', 'MNIST'"),
    "rows": ({**TILES, "rows": 0}, "rows: got 0, want greater than or equal to 1"),
    "no folder": ({**TILES, "images": "ImageFolder"}, "path: missing"),
    "rendered classes": ({"kind": "rendered", "classes": ["a", "b", "c"]}, "classes.0: got 'a'"),
    "rendered class twice": (
        {"kind": "rendered", "classes": ["car", "car"]},
        "classes: got ['car', 'car'], want each class once",
    ),
    "margin": ({"kind": "rendered", "margin": -1}, "margin: got -1, want greater than or equal"),
    "no samples": ({"kind": "rendered", "samples": 0}, "samples: got 0, want greater"),
    **{
        f"name {name!r}": ({**NPZ, "name": name}, "that can name a file: no / or ")
        for name in ("..", ".hidden", "a/b", "a\\b", "x" * 101, "a\nb", "con", "\u200b", "")
    },
    "NUL in a name": ({**NPZ, "name": "a\0b"}, "name: a NUL character, want text without"),
    "views of npz twice": ({**NPZ, "views": ["a", "a"]}, "views: 'a' is given twice, want each"),
    "view without letters": ({**NPZ, "views": ["a", ""]}, "views.1: got '', want 1 to 100 print"),
    "views alike": (
        {**NPZ, "views": ["caf\u00e9", "cafe\u0301"]},
        "views: 'caf\u00e9' is given twice, want each once",
    ),
    "classes alike": (
        {**NPZ, "classes": ["caf\u00e9", "cafe\u0301"]},
        "classes: got ['caf\u00e9', 'caf\u00e9'], want each class once",
    ),
    "long path": ({**NPZ, "path": "x/" * 3000}, "path: 'x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/"),
    "missing file": (NPZ, "path: no 'small.npz' beside the card"),
}


@pytest.mark.parametrize(("keys", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_card_is_one_line_naming_file_and_key(
    write_card: Callable[..., Path], keys: dict[str, Any], message: str
) -> None:
    path = write_card(**keys)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", shipped.names("datasets"))
def test_shipped_card_is_right(name: str) -> None:
    assert load_card(name).name == name


def test_all_shipped_cards_are_found_by_name() -> None:
    assert {"rendered", "mvmc", "epfl", "digits"} <= set(shipped.names("datasets"))


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'rendered'\? known: .*epfl"):
        load_card("rendred")


def test_file_is_found_beside_the_card_before_the_data_folder(
    npz_card: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = npz_card()
    monkeypatch.setenv("DDNN_DATA", str(tmp_path / "elsewhere"))
    beside = load(card)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "small.npz").rename(tmp_path / "elsewhere" / "small.npz")
    assert load(card).digest == beside.digest


@pytest.mark.parametrize("stem", ["a\nb", "nul", ".x", "x" * 120], ids=ascii)
def test_a_card_file_that_no_sheet_can_be_called_after_needs_a_name(
    tmp_path: Path, stem: str
) -> None:
    path = tmp_path / f"{stem}.yaml"
    path.write_text("kind: rendered")
    with pytest.raises(ConfigError, match="name: missing, the file's does not do: got") as caught:
        load_card(path)
    assert "\n" not in str(caught.value)
    path.write_text("kind: rendered\nname: street")
    assert load_card(path).name == "street"


def test_a_card_is_found_in_the_form_that_its_file_has(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301.yaml").write_text("kind: rendered")
    assert load_card(tmp_path / "caf\u00e9.yaml").name == "caf\u00e9"
