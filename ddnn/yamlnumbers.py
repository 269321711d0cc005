"""Numbers that YAML 1.1 reads otherwise than people do: 020 is 16 to it, 1:40 is 100, 1e-3 a text.

They are refused with what to write, never guessed at.
"""

from __future__ import annotations

import math
import re

_INT, _FLOAT, _DATE = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_YAML_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*|[0-9]+\.[0-9]*([eE][-+][0-9]+)?)|\.[0-9]+")
"""A plain value that YAML itself takes for a number."""
_NUMBER = re.compile(r"[-+]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][-+]?[0-9]+)?|0o[0-7]+")
"""What a person means as a number."""
_EXPONENT = re.compile(r"([-+]?[0-9]+)(\.[0-9]*)?[eE]([-+]?)([0-9]+)")
MAX_DIGITS = 1000
"""Python makes numbers of up to 4300."""
MAX_LETTERS = 40
"""Of a text that may have been meant as a number, and of what a message shows."""


def check_scalar(tag: str, value: str) -> str | None:
    """What is wrong with a value of this YAML tag; None: it is to YAML what it is to people."""
    if tag == _DATE and value[:4].isdigit():
        return f"{_short(value)} is a date to YAML, want it in quotes"
    meaning = _meaning(tag, value.lstrip("+-"))
    if meaning is None:
        return None
    return (
        f"{_short(value)} is {meaning} to YAML, want a number in plain decimal digits, or quotes "
        "around a text"
    )


def hint_for(text: str, *, whole: bool) -> str:
    """What to write in place of a text that was meant as a number; empty: no idea.

    whole: whether a whole number is wanted.
    """
    if len(text) > MAX_LETTERS or not _NUMBER.fullmatch(text):
        return ""
    if _YAML_NUMBER.fullmatch(text):
        return " (in quotes it is a text, want none)"
    return f" (a text to YAML, write {_written(text, whole=whole)})"


def _written(text: str, *, whole: bool) -> str:
    if text.lstrip("+-").startswith("0o"):
        return str(int(text, 8))
    number = float(text.replace(",", "."))
    if number.is_integer() and abs(number) < 1 << 53 and (whole or text.isdigit()):
        return str(int(number))
    found = _EXPONENT.fullmatch(text)
    if found is None:
        return repr(number)
    digits, fraction, sign, exponent = found.groups()
    return f"{digits}{fraction or '.0'}e{sign or '+'}{exponent}"


def _meaning(tag: str, digits: str) -> str | None:
    if tag in (_INT, _FLOAT) and ":" in digits:
        return "a number in base 60"
    if tag == _INT and re.fullmatch("0[0-9_]+", digits):
        return "a number in base 8"
    if tag == _INT and digits.isdigit() and len(digits) > MAX_DIGITS:
        return f"a number of {len(digits)} digits"
    if tag == _FLOAT and not _is_finite(digits):
        return "no finite number"
    return None


def _is_finite(digits: str) -> bool:
    try:
        return math.isfinite(float(digits.replace("_", "").removeprefix(".")))  # .inf, .nan, .5
    except ValueError:
        return True


def _short(value: str) -> str:
    return value if len(value) <= MAX_LETTERS else f"{value[: MAX_LETTERS - 3]}..."
