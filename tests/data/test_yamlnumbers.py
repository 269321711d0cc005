"""Numbers that YAML 1.1 reads otherwise than people do are refused, with what to write."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from ddnn.blocks import Model
from ddnn.errors import ConfigError
from ddnn.yamlfile import parse_yaml, to_yaml


class Values(Model):
    either: Literal["never"] | int = 0
    whole: int = 0
    number: float = 0.0
    text: str = ""
    switch: bool = False
    listed: dict[str, int] = Field(default_factory=dict)


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, Values, source="file")
    assert "\n" not in str(caught.value)
    return str(caught.value)


BASES = {
    "020": "020 is a number in base 8",
    "-017": "-017 is a number in base 8",
    "00": "00 is a number in base 8",
    "1:40": "1:40 is a number in base 60",
    "1:40.5": "1:40.5 is a number in base 60",
    "-12:30:45": "-12:30:45 is a number in base 60",
    ".inf": ".inf is no finite number",
    "-.INF": "-.INF is no finite number",
    ".nan": ".nan is no finite number",
    "1.0e+400": "1.0e+400 is no finite number",
    "!!int '020'": "020 is a number in base 8",
    "!!float 1:40": "1:40 is a number in base 60",
}
DATES = ["2024-05-01", "2024-05-01 12:30:45", "2024-13-45"]


@pytest.mark.parametrize("key", ["whole", "number", "text", "switch"])
@pytest.mark.parametrize(("value", "message"), BASES.items(), ids=BASES.keys())
def test_a_number_of_another_base_is_refused_wherever_it_stands(
    key: str, value: str, message: str
) -> None:
    wanted = f"{message} to YAML, want a number in plain decimal digits, or quotes around a text"
    assert problem(f"switch: yes\n{key}2: 1\nlisted: {{a: {value}}}") == f"file: line 3: {wanted}"
    assert problem(f"{key}: {value}") == f"file: line 1: {wanted}"


@pytest.mark.parametrize("value", DATES)
def test_a_date_is_refused(value: str) -> None:
    assert problem(f"text: {value}").endswith("is a date to YAML, want it in quotes")
    assert problem(f"{value}: 1").endswith("is a date to YAML, want it in quotes")


@pytest.mark.parametrize("value", [*BASES, *DATES])
def test_in_quotes_all_of_them_are_texts(value: str) -> None:
    if not value.startswith("!!"):
        assert parse_yaml(f"text: '{value}'", Values, source="file").text == value
        assert parse_yaml(to_yaml({"text": value}), Values, source="file").text == value


TEXTS = {
    "1e-3": ("1.0e-3", "1.0e-3"),
    "1e3": ("1000", "1.0e+3"),
    "-2E5": ("-200000", "-2.0e+5"),
    "1.5e3": ("1500", "1.5e+3"),
    "08": ("8", "8"),
    "0o20": ("16", "16"),
    "1,5": ("1.5", "1.5"),
    "-.5": ("-0.5", "-0.5"),
}


@pytest.mark.parametrize(("value", "written"), TEXTS.items(), ids=TEXTS.keys())
def test_a_text_that_was_meant_as_a_number_is_told_how_to_write(
    value: str, written: tuple[str, str]
) -> None:
    for key, wanted in zip(("whole", "number"), written, strict=True):
        assert problem(f"{key}: {value}").endswith(f"(a text to YAML, write {wanted})")
    assert parse_yaml(f"number: {written[1]}", Values, source="file").number


def test_one_of_several_kinds_that_may_be_a_number_is_told_too() -> None:
    assert problem("either: 1e3") == (
        "file: either: got '1e3', want 'never' or an integer (a text to YAML, write 1000)"
    )


@pytest.mark.parametrize("value", ["5", "-5", "0.5", "1.0e-3", ".5"])
def test_a_number_in_quotes_is_told_so(value: str) -> None:
    for key in ("whole", "number"):
        assert problem(f"{key}: '{value}'").endswith("(in quotes it is a text, want none)")


PLAIN = {
    "0x10": 16,
    "0b11": 3,
    "1_000": 1000,
    "1_0.5": 10.5,
    "+5": 5,
    "-0": 0,
    ".5": 0.5,
    "5.": 5,
    "020.5": 20.5,
    "1.5E-3": 0.0015,
    "1.e+3": 1000,
}


@pytest.mark.parametrize(("value", "number"), PLAIN.items(), ids=PLAIN.keys())
def test_numbers_that_all_read_alike_are_taken(value: str, number: float) -> None:
    assert parse_yaml(f"number: {value}", Values, source="file").number == number


@pytest.mark.parametrize(("value", "on"), [("on", True), ("No", False), ("true", True)])
def test_yes_and_no_are_switches_and_nothing_else(value: str, on: bool) -> None:
    assert parse_yaml(f"switch: {value}", Values, source="file").switch is on
    for key in ("whole", "number", "text"):
        assert f"{key}: got {on}, want" in problem(f"{key}: {value}")
    assert "need quotes" in problem(f"listed: {{{value}: 1}}")


LONG = {
    "base 60": "1" + ":59" * 50_000,
    "base 60 with a point": "1" + ":59" * 50_000 + ".5",
    "digits": "9" * 100_000,
}


@pytest.mark.parametrize("value", LONG.values(), ids=LONG.keys())
def test_a_long_number_is_refused_in_one_line(value: str) -> None:
    """Made with PyYAML's base 60, 300,000 such pieces take a minute."""
    message = problem(f"whole: {value}")
    assert "... is a number " in message
    assert len(message) < 180
    assert len(problem(f"whole: '{value}'")) < 120
