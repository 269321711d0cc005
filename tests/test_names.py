"""Names of people: one normal form, numbers in the order of their values."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddnn.names import can_name_a_file, in_order, is_showable, normal, spelled

CAFE, CAFE_OF_A_MAC = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    "names",
    [
        ["cam2", "cam10"],
        ["2", "10"],
        ["a2b1", "a2b10", "a10b2"],
        ["cam02", "cam2", "cam010", "cam10"],
        ["cam", "cam1", "camera"],
        ["7a", "a7"],
        ["1698412345333333337", "11698412345333333337"],
    ],
    ids=str,
)
def test_numbers_in_names_come_in_their_order(names: list[str]) -> None:
    assert in_order(reversed(names)) == names


def test_two_forms_of_one_name_are_the_same() -> None:
    assert CAFE != CAFE_OF_A_MAC
    assert normal(CAFE) == normal(CAFE_OF_A_MAC) == CAFE


def test_a_path_is_found_in_the_form_that_the_file_system_has(tmp_path: Path) -> None:
    (tmp_path / CAFE_OF_A_MAC / "set").mkdir(parents=True)
    assert spelled(tmp_path / CAFE / "set").is_dir()
    assert spelled(tmp_path / CAFE / "none") == tmp_path / CAFE_OF_A_MAC / "none"
    assert spelled(Path("none") / CAFE) == Path("none") / CAFE
    (tmp_path / CAFE).mkdir()  # both are there: the one that was named
    assert spelled(tmp_path / CAFE) == tmp_path / CAFE


@pytest.mark.parametrize(
    "name", ["", "a\nb", "a\x00b", "\u200b", "\ud800", "x" * 101, " a", "a "], ids=ascii
)
def test_what_a_line_cannot_hold_is_no_name(name: str) -> None:
    assert not is_showable(name)
    assert not can_name_a_file(name)


@pytest.mark.parametrize(
    "name", ["..", ".", ".x", "a/b", "a\\b", "nul", "Con.png", "LPT1", "\U0001f697" * 60], ids=ascii
)
def test_what_no_file_can_be_called_is_no_name_of_one(name: str) -> None:
    assert is_showable(name)
    assert not can_name_a_file(name)


@pytest.mark.parametrize("name", ["rendered", "EPFL, by sample: 2", CAFE, "console", "a.b"])
def test_other_names_are_taken(name: str) -> None:
    assert can_name_a_file(name)
