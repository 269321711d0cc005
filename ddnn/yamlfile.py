"""Reads a YAML file into a frozen pydantic model, strictly: the only way YAML enters ddnn.

Every problem becomes a one-line ConfigError, `FILE: key.path: what was found, what is wanted`.
Several problems give the first and "(and n more)". A model tells about problems between keys by
raising `ConfigError("nodes.edge0.parent: no node named 'clowd'")` from a validator: the file's
name is put in front. A `ValueError` from a validator gets the key path of its own model.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ddnn.errors import ConfigError
from ddnn.modelkeys import known_keys
from ddnn.plainfile import read_plain
from ddnn.yamlnumbers import check_scalar, hint_for

MAX_FILE_BYTES = 1 << 20
MAX_SHOWN = 60
"""Letters of a value or key in a message."""
MAX_VALUES = 50_000
"""Values after aliases are expanded: a few lines of nested aliases stand for billions."""

M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path | str, model: type[M]) -> M:
    """The file's content as `model`.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    return parse_yaml(_read_text(Path(path)), model, source=str(path))


def parse_yaml(text: str, model: type[M], *, source: str) -> M:
    """As `read_yaml`, for text that is already at hand; `source` stands for the file's name."""
    data = _load(text, source)
    if not isinstance(data, dict):
        found = "an empty file" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"{source}: {found}, want keys and values")
    return check_values(data, model, source=source)


def to_yaml(document: Any) -> str:
    """Plain lists, dicts, texts and numbers as YAML, keys in the given order."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text


def read_json(path: Path, model: type[M]) -> M:
    """As `read_yaml`, for a JSON file of ddnn's own.

    Raises OSError where it cannot be read.
    """
    try:
        document = json.loads(read_plain(path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON, {_one_line(error)}") from error
    return check_values(document, model, source=str(path))


def check_values(data: Any, model: type[M], *, source: str = "") -> M:
    """As `read_yaml`, for keys and values that are already at hand."""
    place = source and f"{source}: "
    for key in _with_nul(data, ()):
        raise ConfigError(f"{place}{'.'.join(key)}: a NUL character, want text without")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{place}{_summary(error, data, model)}") from error
    except ConfigError as error:
        raise ConfigError(f"{place}{error}") from error


def _with_nul(data: Any, key: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Keys of texts with a NUL in them, which no path, name or command can hold."""
    if isinstance(data, str) and "\0" in data:
        yield key
    items = data.items() if isinstance(data, dict) else ()
    values = enumerate(data) if isinstance(data, list | tuple) else items
    for name, value in values:
        yield from _with_nul(value, (*key, str(name)[:MAX_SHOWN]))


def _read_text(path: Path) -> str:
    try:
        content = read_plain(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}, want a YAML file") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES} bytes, want a YAML file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8, want a YAML file") from error


def _load(text: str, source: str) -> Any:
    try:
        loader = _StrictLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{source}: {_place(error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: nested too deeply") from error
    except (yaml.YAMLError, ValueError, *_OF_TAGS) as error:
        raise ConfigError(f"{source}: not YAML: {_one_line(error)}") from error


_OF_TAGS = (IndexError, KeyError, AttributeError)
"""What PyYAML lets through where a value does not fit its tag, such as `!!int ""`."""


def _place(error: yaml.MarkedYAMLError) -> str:
    """The line, and what is wrong: of what is not closed, the line where it begins."""
    found, begun = error.problem_mark or error.context_mark, error.context_mark
    what = error.problem or error.context
    if found is None:
        return str(what)
    opening = _OPENINGS.get(str(error.context))
    if opening and begun and begun.line != found.line:
        return f"line {begun.line + 1}: {opening} ({what} in line {found.line + 1})"
    return f"line {found.line + 1}: {what}"


_OPENINGS = {
    "while parsing a flow sequence": "[ without its ]",
    "while parsing a flow mapping": "{ without its }",
    "while scanning a quoted scalar": "a quote that is not closed",
    "while scanning a simple key": "neither a key with ':' nor a value",
}
"""By PyYAML's words for what it was reading."""


class _StrictLoader(yaml.SafeLoader):
    """safe_load that refuses a key given twice, numbers that nobody would read as YAML does, and
    aliases that grow without bound: before anything is made of it, since merge keys (<<) then
    change the nodes."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _expanded_size(node, {})
        return node


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if (key.tag, key.value) in seen:
            raise yaml.MarkedYAMLError(
                problem=f"key {_short(key.value)} is given twice", problem_mark=key.start_mark
            )
        seen.add((key.tag, key.value))


def _check_value(node: yaml.ScalarNode) -> None:
    problem = check_scalar(node.tag, node.value)
    if problem is not None:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    if id(node) in sizes:
        return sizes[id(node)]
    sizes[id(node)] = MAX_VALUES  # what an alias to itself meets
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
    if isinstance(node, yaml.ScalarNode):
        _check_value(node)
    children = [] if isinstance(node, yaml.ScalarNode) else node.value
    flat = [n for child in children for n in (child if isinstance(child, tuple) else (child,))]
    size = 1 + sum(_expanded_size(child, sizes) for child in flat)
    if size > MAX_VALUES:
        raise yaml.MarkedYAMLError(
            problem=f"more than {MAX_VALUES} values with aliases expanded",
            problem_mark=node.start_mark,
        )
    sizes[id(node)] = size
    return size


def _summary(error: ValidationError, data: Any, model: type[BaseModel]) -> str:
    problems = [p for p in error.errors(include_url=False) if not _is_echo(p)]
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]  # a misspelt key is also missing: name the misspelling
    place = _place_of(first, data)
    same = [p for p in problems if p is not first and _place_of(p, data) == place]  # of a union
    others = len(problems) - 1 - len(same)
    what = " or ".join((_describe(first, model), *(_wanted(problem) for problem in same)))
    what += _hint([first, *same])
    more = f" (and {others} more)" if others else ""
    return (f"{place}: {what}" if place else what) + more


def _is_echo(problem: Any) -> bool:
    """Whether a list counts as too short only because some of its items are wrong themselves."""
    if problem["type"] != "too_short":
        return False
    return bool(len(problem["input"]) >= problem["ctx"]["min_length"])


def _place_of(problem: Any, data: Any) -> str:
    """The keys that stand in the file: pydantic adds the tags of unions between them."""
    keys: list[int | str] = []
    for key in problem["loc"]:
        if _has(data, key):
            keys.append(key)
            data = data[key]
    if problem["type"] == "missing":
        keys.append(problem["loc"][-1])
    return ".".join(_shown(key) for key in keys)


def _shown(key: object) -> str:
    """A key as it stands in the file; one that a line cannot hold, or a long one, as Python has
    it."""
    text = str(key)
    return text if text.isprintable() and len(text) <= MAX_SHOWN else _short(key)


def _has(data: Any, key: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(key, int) and key < len(data)
    return isinstance(data, dict) and key in data


def _describe(problem: Any, model: type[BaseModel]) -> str:
    kind = problem["type"]
    if kind in _DESCRIBE:
        return _DESCRIBE[kind](problem, model)
    return f"got {_short(problem['input'])}, want {_wanted(problem)}"


def _hint(problems: list[Any]) -> str:
    """How to write what was probably meant; empty: no idea."""
    kinds = {problem["type"] for problem in problems}
    value = problems[0]["input"]
    if isinstance(value, str):
        return hint_for(value, whole="int_type" in kinds) if kinds & _NUMBER else ""
    quote = kinds & _TEXT and isinstance(value, bool)
    return " (yes, no, on, off, true, false need quotes)" if quote else ""


def _wanted(problem: Any) -> str:
    if problem["type"] in _LENGTHS:
        words, bound = _LENGTHS[problem["type"]]
        count = problem["ctx"][bound]
        return f"{words} {count} item{'s' * (count > 1)}"
    message = problem["msg"]
    for ours, theirs in (
        ("", "Input should be "),
        ("", "Keys should be "),
        ("text of the form", "String should match pattern"),
        ("a list", "a valid tuple"),
        ("a", "a valid"),
        ("an integer", "a integer"),
    ):
        message = message.replace(theirs, ours)
    return _one_line(message)


_LENGTHS = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}
_TEXT = {"string_type", "invalid_key"}
_NUMBER = {"int_type", "float_type"}


def _unknown_key(problem: Any, model: type[BaseModel]) -> str:
    known = sorted(known_keys(model, problem["loc"][:-1]))
    near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    if near:
        return f"unknown key, did you mean {near[0]!r}?"
    return f"unknown key (known: {', '.join(known)})"


def _wrong_tag(problem: Any, _: type[BaseModel]) -> str:
    context = problem["ctx"]
    got, wanted = _short(context["tag"]), context["expected_tags"]
    return f"{context['discriminator']} is {got}, want one of {wanted}".replace("'", "")


def _no_mapping(problem: Any, _: type[BaseModel]) -> str:
    return f"got {_short(problem['input'])}, want keys and values"


_DESCRIBE: dict[str, Callable[[Any, type[BaseModel]], str]] = {
    "missing": lambda *_: "missing",
    "extra_forbidden": _unknown_key,
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _no_mapping),
    "union_tag_invalid": _wrong_tag,
    "union_tag_not_found": lambda problem, _: f"missing key {problem['ctx']['discriminator']}",
    "value_error": lambda problem, _: _one_line(problem["msg"].removeprefix("Value error, ")),
}


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = f"a {type(value).__name__} too long to show"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
