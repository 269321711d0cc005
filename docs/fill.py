"""What the pages of the documentation take from the code.

    python docs/fill.py           fills in the pages here; a test notices one that is behind
    python docs/fill.py FOLDER    writes all pages there, for Zensical, with the commands' --help

A page holds such a part between `<!-- from NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import click

import ddnn as public
from ddnn.cli.main import COMMANDS, ddnn
from ddnn.live.sources.file import SourcesFile
from ddnn.topology import Topology
from ddnn.wire import accounts, beats, codec

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
BESIDE = ("experiments", "datasets", "topologies")
"""Folders to which pages have links; in the site they lie under the pages."""
MAX_LINE = 96
_PART = re.compile(r"(<!-- from ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ORDER = (
    "View", "OwnView", "Tier", "Section", "ConvP", "Conv", "Residual", "FC", "Module", "Measured",
    "Onnx", "MeasuredFile",
    "Exit", "Collector", "Node", "Limits", "Link", "Heartbeat", "Security",
)  # fmt: skip
_PLACES = {
    "Topology": "The file",
    "View": "`view`",
    "OwnView": "`view` of a node that has its own",
    "Tier": "`tiers`, each",
    "Section": "`section` of a tier or a node",
    "ConvP": "a block of `kind: convp`",
    "Conv": "a block of `kind: conv`",
    "Residual": "a block of `kind: residual`",
    "FC": "a block of `kind: fc`",
    "Module": "a block of `kind: module`",
    "Measured": "`measured` of a module",
    "Onnx": "a block of `kind: onnx`",
    "MeasuredFile": "`measured` of an ONNX file",
    "Exit": "`exit` of a tier",
    "Collector": "`collector`",
    "Node": "`nodes`, each",
    "Limits": "`limits` of a node",
    "Link": "`links`, each",
    "Heartbeat": "`heartbeat`",
    "Security": "`security`",
}
_SOURCES = {
    "Sampling": "`sample`",
    "VideoSource": "a device of `kind: video`",
    "FolderSource": "a device of `kind: folder`",
    "PushSource": "a device of `kind: push`",
    "RecordedSource": "a device of `kind: recorded`",
}


def filled(text: str, *, whole: bool = False) -> str:
    """The page with its parts as the code is. whole: also those that only the site has."""
    parts = PARTS | ONLY_IN_THE_SITE if whole else PARTS

    def part(found: re.Match[str]) -> str:
        if found[2] not in parts:
            return found[0]
        return f"{found[1]}\n{parts[found[2]]()}\n\n{found[3]}"

    return _PART.sub(part, text)


def topology_keys() -> str:
    """A table of keys for each part of a topology file, from its JSON Schema."""
    schema = Topology.model_json_schema()
    parts = {"Topology": schema, **{name: schema["$defs"][name] for name in _ORDER}}
    return "\n\n".join(
        f"### {_PLACES[name]}\n\n{part['description']}\n\n{_table(part)}"
        for name, part in parts.items()
    )


def commands() -> str:
    """What every command says to --help."""
    return "\n\n".join(
        f"## {path}\n\n```text\n{help_text}\n```"
        for name in sorted(COMMANDS)
        for path, help_text in _helps(f"ddnn {name}", ddnn.get_command(click.Context(ddnn), name))
    )


def wire() -> str:
    """The layout of a message and of an account, as their modules draw it."""
    drawn = [inspect.cleandoc(module.__doc__ or "") for module in (codec, beats, accounts)]
    return "\n\n".join(f"```text\n{text}\n```" for text in drawn)


def api() -> str:
    """Every public name with its signature and docstring: functions, results, errors."""
    things = {name: getattr(public, name) for name in public.__all__}
    return "\n\n".join(
        f"## {name}\n\n```python\n{_signature(name, thing)}\n```\n\n{_words(thing)}"
        for name, thing in sorted(things.items(), key=lambda item: (_rank(item[1]), item[0]))
    )


def sources_keys() -> str:
    """As `topology_keys`, of a sources file."""
    schema = SourcesFile.model_json_schema()
    return "\n\n".join(
        f"### {place}\n\n{part['description']}\n\n{_table(part)}"
        for place, part in (
            ("The sources file's keys", schema),
            *((place, schema["$defs"][name]) for name, place in _SOURCES.items()),
        )
    )


PARTS: dict[str, Callable[[], str]] = {
    "sources": sources_keys,
    "topology": topology_keys,
    "wire": wire,
}
ONLY_IN_THE_SITE: dict[str, Callable[[], str]] = {"commands": commands, "api": api}


def _rank(thing: object) -> int:
    """Functions first, then what they take and give, then errors."""
    if not isinstance(thing, type):
        return 0
    return 2 if issubclass(thing, Exception) else 1


def _signature(name: str, thing: Any) -> str:
    """As it would be written: annotations without quotes, functions as `...`."""
    text = re.sub(r"<function [^>]*>? at 0x[0-9a-f]+>", "...", _drawn(name, thing))
    return re.sub(r"((?:: |-> ))'([^']*)'", r"\1\2", text)


def _drawn(name: str, thing: Any) -> str:
    """One argument a line where there are many."""
    if isinstance(thing, type) and not is_dataclass(thing):
        return f"class {name}"
    found = inspect.signature(thing)
    line = f"{name}{found}"
    if len(line) <= MAX_LINE:
        return line
    arguments, keyword_only = [], False
    for argument in found.parameters.values():
        if argument.kind is argument.KEYWORD_ONLY and not keyword_only:
            arguments.append("    *,")
            keyword_only = True
        arguments.append(f"    {argument},")
    gives = "" if found.return_annotation is found.empty else f" -> {found.return_annotation}"
    return "\n".join([f"{name}(", *arguments, f"){gives}"])


def _words(thing: object) -> str:
    """The docstring, its lines as they are."""
    return f"```text\n{inspect.getdoc(thing) or ''}\n```"


def _helps(path: str, command: click.Command | None) -> Iterator[tuple[str, str]]:
    assert command is not None
    context = click.Context(command, info_name=path, max_content_width=96)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            yield from _helps(f"{path} {verb}", command.get_command(context, verb))


def _table(part: dict[str, Any]) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in part["properties"].items():
        default = "required" if key in part.get("required", ()) else _default(value)
        words = value.get("description", "what it is" if "const" in value else "")
        lines.append(f"| `{key}` | {_value(value)} | {default} | {words} |")
    return "\n".join(lines)


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if isinstance(default, dict):
        return "see below"
    if default is None or default == []:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _value(value: dict[str, Any]) -> str:
    """What is allowed there, in words."""
    if "anyOf" in value:
        return " or ".join(_value(v) for v in value["anyOf"] if v.get("type") != "null")
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    if "$ref" in value:
        return "keys and values"
    if value.get("type") in ("integer", "number"):
        return f"{'an integer' if value['type'] == 'integer' else 'a number'}{_range(value)}"
    names = {"array": "a list", "object": "keys and values", "boolean": "`true` or `false`"}
    return names.get(value.get("type", ""), "text")


def _range(value: dict[str, Any]) -> str:
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    return "".join(f" {word} {value[key]:,g}" for key, word in words.items() if key in value)


def pages() -> list[Path]:
    """The pages here."""
    return sorted(FOLDER.glob("*.md"))


def fill() -> None:
    """Writes every page here as it should be."""
    for path in pages():
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


def write_site(out: Path) -> None:
    """Every page as it is read in the site, with the files that pages have links to."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for path in pages():
        text = filled(path.read_text(encoding="utf-8"), whole=True)
        (out / path.name).write_text(_inside(text), encoding="utf-8")
    for name in BESIDE:
        for path in sorted((ROOT / name).rglob("*")):
            if path.suffix in (".md", ".png", ".yaml", ".csv"):
                copy = out / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (out / "README.md").unlink(missing_ok=True)
    (out / "start.md").write_text(readme.replace("](docs/", "]("), encoding="utf-8")


def _inside(text: str) -> str:
    """With links as they are once README.md and the other folders are among the pages."""
    return text.replace("](../README.md", "](start.md").replace("](../", "](")


if __name__ == "__main__":
    write_site(Path(sys.argv[1])) if len(sys.argv) > 1 else fill()
