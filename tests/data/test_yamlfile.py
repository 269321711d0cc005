"""Strict YAML: every problem is one line naming file, key path, value and expectation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ddnn.errors import ConfigError
from ddnn.yamlfile import MAX_FILE_BYTES, parse_yaml, read_json, read_yaml


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Device(Strict):
    role: Literal["device"]
    filters: Annotated[int, Field(gt=0)]


class Cloud(Strict):
    role: Literal["cloud"]
    host: str = "localhost"


class Tree(Strict):
    name: str
    classes: tuple[str, ...] = Field(("car", "bus"), min_length=2)
    nodes: dict[str, Annotated[Device | Cloud, Field(discriminator="role")]] = {}
    devices: tuple[Device, ...] = ()
    host: str = Field("local", pattern="^[a-z]+$")

    @model_validator(mode="after")
    def no_bad_name(self) -> Tree:
        if self.name == "bad":
            raise ConfigError("nodes.edge0.parent: no node named 'clowd'")
        if self.name == "worse":
            raise ValueError("a bad name")
        return self


NESTED_ALIASES = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{to}: &{to} [{','.join([f'*{of}'] * 10)}]" for of, to in zip("abcde", "bcdef", strict=True)
)

WRONG = {
    "empty": ("", "an empty file, want keys and values"),
    "list": ("[1]", "a list, want keys and values"),
    "missing": ("nodes: {}", "name: missing"),
    "type": ("name: [1]", "name: got [1], want a string"),
    "typo": ("nmae: x", "nmae: unknown key, did you mean 'name'? (and 1 more)"),
    "unknown": ("name: x\nzzz: 1", "zzz: unknown key (known: classes, devices, host, name, nodes)"),
    "typo below": (
        "name: x\nnodes: {cam0: {role: device, filtres: 4}}",
        "nodes.cam0.filtres: unknown key, did you mean 'filters'? (and 1 more)",
    ),
    "typo in a list": (
        "name: x\ndevices: [{role: device, filters: 4, rloe: 1}]",
        "devices.0.rloe: unknown key, did you mean 'role'?",
    ),
    "range": (
        "name: x\nnodes: {cam0: {role: device, filters: -4}}",
        "nodes.cam0.filters: got -4, want greater than 0",
    ),
    "tag": (
        "name: x\nnodes: {cam0: {role: clowd}}",
        "nodes.cam0: role is clowd, want one of device, cloud",
    ),
    "no tag": ("name: x\nnodes: {cam0: {}}", "nodes.cam0: missing key 'role'"),
    "number as key": ("name: x\n1: 2", "1: got 1, want strings"),
    "key of two lines": ('name: x\n"a\\nb": 1', "'a\\nb': unknown key (known: "),
    "long key": (f"name: x\n? {'k' * 5000}\n: 1", f"'{'k' * 56}...: unknown key (known: "),
    "given twice": ("name: x\nname: y", "line 2: key 'name' is given twice"),
    "between keys": ("name: bad", "nodes.edge0.parent: no node named 'clowd'"),
    "validator": ("name: worse", "a bad name"),
    "tab": ("name:\n\tx: 1", "line 2: found character '\\t' that cannot start any token"),
    "object": (
        "name: !!python/object:os.system {}",
        "line 1: could not determine a constructor for the tag",
    ),
    "deep": ("[" * 1000, "nested too deeply"),
    "aliases": (NESTED_ALIASES, "more than 50000 values with aliases expanded"),
    "own alias": ("name: &a [*a]", "more than 50000 values with aliases expanded"),
    "list not closed": (
        "name: [x, y\ndevices: []",
        "line 1: [ without its ] (expected ',' or ']', but got ':' in line 2)",
    ),
    "mapping not closed": ("name: {x: 1\ndevices: []", "line 1: { without its } ("),
    "quote not closed": ("name: 'x\n\n", "line 1: a quote that is not closed ("),
    "line of one word": ("name: x\nnodes\nclasses: []", "line 2: neither a key with ':' nor "),
    "yes and no": (
        "name: x\nclasses: [yes, 'no']",
        "classes.0: got True, want a string (yes, no, on, off, true, false need quotes)",
    ),
    "list wanted": ("name: x\ndevices: 5", "devices: got 5, want a list"),
    "form": ("name: x\nhost: A b", "host: got 'A b', want text of the form '^[a-z]+$'"),
    "mapping wanted": ("name: x\nnodes: [1]", "nodes: got [1], want keys and values"),
    "two documents": ("name: x\n---\nname: y", "line 2: but found another document"),
    "control character": ("name: \x00", "not YAML: "),
    "NUL, escaped": (
        'name: x\nclasses: [car, "a\\0b"]',
        "classes.1: a NUL character, want text without",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_problem_is_one_line_naming_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tree.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path, Tree)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_of_wrong_items_is_not_also_too_short() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml("name: x\nclasses: [1, car]", Tree, source="text")
    assert str(caught.value) == "text: classes.0: got 1, want a string"
    with pytest.raises(ConfigError, match=r"classes: got \['car'\], want at least 2 items"):
        parse_yaml("name: x\nclasses: [car]", Tree, source="text")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": not JSON, Expecting value: line 1 column 1 (char 0)"),
        ("[1]", ": got [1], want keys and values"),
        ('{"name": 1}', ": name: got 1, want a string"),
        ('{"name": "a\\u0000"}', ": name: a NUL character, want text without"),
    ],
    ids=["empty", "list", "type", "NUL"],
)
def test_json_problem_is_one_line_naming_file_and_key(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "tree.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_json(path, Tree)
    assert str(caught.value) == f"{path}{message}"


def test_right_file_becomes_the_model() -> None:
    text = "name: x\nnodes: {cam0: {role: device, filters: 4}, top: {role: cloud}}"
    tree = parse_yaml(text, Tree, source="text")
    assert tree.nodes == {
        "cam0": Device(role="device", filters=4),
        "top": Cloud(role="cloud", host="localhost"),
    }


def test_aliases_within_bounds_are_kept() -> None:
    text = "name: x\nnodes: {cam0: &one {role: device, filters: 4}, cam1: *one}"
    tree = parse_yaml(text, Tree, source="text")
    assert tree.nodes["cam0"] == tree.nodes["cam1"]


def test_merged_keys_may_be_given_again() -> None:
    text = (
        "name: x\nnodes:\n  cam0: &one {role: device, filters: 4}\n"
        "  cam1: &two {<<: *one, filters: 5}\n  cam2: {<<: *two, filters: 6}"
    )
    tree = parse_yaml(text, Tree, source="text")
    filters = [node.filters for node in tree.nodes.values() if isinstance(node, Device)]
    assert filters == [4, 5, 6]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        read_yaml(tmp_path / "none.yaml", Tree)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"name: \xff", "not UTF-8"), (b"#" * (MAX_FILE_BYTES + 1), "larger than")],
    ids=["bytes", "huge"],
)
def test_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "tree.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_yaml(path, Tree)
