"""What the pages say is there: links, commands, options, scripts, what is taken from the code."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import ddnn as public
from ddnn.cli.main import COMMANDS, ddnn
from ddnn.data.card import CardFile
from ddnn.deploy.hostsfile import Hosts
from ddnn.run.failures.plan import FailurePlan
from ddnn.study.searchfile import SearchFile
from ddnn.study.studyfile import StudyFile
from ddnn.topology import Topology
from ddnn.yamlfile import parse_yaml
from docs import fill

ROOT = fill.ROOT
PAGES = [*fill.pages(), *(ROOT / f for f in ("README.md", "experiments/README.md"))]
PAGES.append(ROOT / "datasets/README.md")
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
EVERY_PAGE = pytest.mark.parametrize("path", PAGES, ids=NAMES)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """Of the page's headings, as a browser names them."""
    prose = re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", fill.pages(), ids=lambda path: path.name)
def test_what_a_page_takes_from_the_code_is_what_the_code_says(path):
    text = text_of(path)
    assert fill.filled(text) == text, "run `python docs/fill.py`"


@EVERY_PAGE
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path):
    prose = re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)
    for link in LINK.findall(prose):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = path if not place else (path.parent / place).resolve()
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@EVERY_PAGE
def test_every_command_that_a_page_names_is_one(path):
    for code in CODE.findall(text_of(path)):
        for name in re.findall(r"\bddnn ([a-z]+)\b", code):
            assert name in COMMANDS, code


def known_options() -> set[str]:
    """Of all commands."""
    found = {"--help", "--version"}
    waiting = [ddnn.get_command(click.Context(ddnn), name) for name in COMMANDS]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found |= set(parameter.opts) | set(parameter.secondary_opts)
    return found


OTHERS = (
    "python experiments",
    "ray start",
    "ray get-auth-token",
    "torchrun --",
    "docker build",
    "helm install",
)
"""In lines of commands whose options are not ddnn's own."""


@pytest.mark.parametrize("path", [*fill.pages(), ROOT / "README.md"], ids=lambda path: path.name)
def test_every_option_of_ddnn_that_a_page_names_is_one(path):
    known = known_options()
    lines = [
        line
        for code in CODE.findall(text_of(path))
        for line in code.splitlines()
        if not any(other in line for other in OTHERS)
    ]
    named = {option for line in lines for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", line)}
    assert named <= known


@EVERY_PAGE
def test_every_script_that_a_page_names_is_there(path):
    for name in re.findall(r"\bpython\s+(experiments/[\w/]+\.py)", text_of(path)):
        assert (ROOT / name).is_file(), name


def test_the_readme_is_short():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 300


def test_every_command_has_its_line():
    text = text_of(fill.FOLDER / "commands.md")
    assert [name for name in COMMANDS if f"`ddnn {name}" not in text] == []


@pytest.mark.parametrize("path", fill.pages(), ids=lambda path: path.name)
def test_every_file_that_a_page_shows_can_be_read(path):
    for content in re.findall(r"^```yaml\n(.*?)^```", text_of(path), re.DOTALL | re.MULTILINE):
        model = FailurePlan if "failures:" in content else Topology
        model = CardFile if content.startswith("kind:") else model
        model = StudyFile if "\ntopologies:" in content else model
        model = SearchFile if "\nspace:" in content else model
        model = Hosts if content.startswith("hosts:") else model
        assert isinstance(parse_yaml(content, model, source=path.name), model)


def test_every_page_is_in_the_menu():
    settings = tomllib.loads(text_of(ROOT / "zensical.toml"))
    menu = {page for entry in settings["project"]["nav"] for page in entry.values()}
    assert {path.name for path in fill.pages()} <= menu
    assert menu - {path.name for path in fill.pages()} == {
        "start.md", "experiments/README.md", "datasets/README.md",
    }  # fmt: skip


def test_the_site_has_what_every_command_says_to_help(tmp_path):
    fill.write_site(tmp_path / "site")
    text = text_of(tmp_path / "site/commands.md")
    for name in COMMANDS:
        assert f"\n## ddnn {name}\n\n```text\nUsage: ddnn {name} " in text


def test_the_site_lists_every_public_name(tmp_path):
    fill.write_site(tmp_path / "site")
    text = text_of(tmp_path / "site/api.md")
    assert [n for n in public.__all__ if f"\n## {n}\n" not in text] == []
    assert " at 0x" not in text


@pytest.mark.skipif(importlib.util.find_spec("zensical") is None, reason="needs ddnn[docs]")
def test_the_site_is_built_without_a_warning(tmp_path):
    fill.write_site(tmp_path / "build/docs")
    (tmp_path / "zensical.toml").write_text(text_of(ROOT / "zensical.toml"), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "build/site/index.html").is_file()
