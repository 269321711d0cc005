"""What ddnn writes: UTF-8 whatever the locale, open to whom the user's umask says."""

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders import star_topology
from networks import Trainer

import ddnn
from ddnn.bundle.compose import compose_folder
from ddnn.bundle.place import place_bundle
from ddnn.bundle.split import split_bundle
from ddnn.bundle.write import write_bundle, write_exits
from ddnn.data.cache import write_archive
from ddnn.errors import ConfigError
from ddnn.paths import path_to_text, text_to_path
from ddnn.report.files import write_bytes
from ddnn.topology import COLLECTOR
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

ROOT = Path(ddnn.__file__).parent
TREES = {
    path.relative_to(ROOT.parent).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for part in (ROOT, ROOT.parent / "experiments")
    for path in sorted(part.rglob("*.py"))
}
TEXT = {"open", "read_text", "write_text", "fdopen", "NamedTemporaryFile", "TextIOWrapper"}
BINARY = {"os", "tarfile", "Image", "pillow", "pillow_image", "archive", "av", "_av"}
"""Whose `open` gives no text."""
PIPES = {"run", "Popen", "check_output"}


def calls() -> list[tuple[str, str, ast.Call]]:
    """(file:line, the function's last name, the call), all of them."""
    found = []
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                found.append((f"{file}:{node.lineno}", name, node))
    return found


def keywords(call: ast.Call) -> dict[str | None, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords}


def is_binary(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    called = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", None)
    if called in BINARY:
        return True
    given = [*call.args, *(v for k, v in keywords(call).items() if k == "mode")]
    modes = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return any("b" in mode and len(mode) < 4 for mode in modes)


def says_encoding(name: str, call: ast.Call) -> bool:
    if "encoding" in keywords(call) or (name == "TextIOWrapper" and len(call.args) > 1):
        return True
    first = call.args[0] if name == "read_text" and call.args else None
    return isinstance(first, ast.Constant) and first.value == "utf-8"


def test_every_text_file_is_opened_with_its_encoding():
    wrong = [
        place
        for place, name, call in calls()
        if name in TEXT and not is_binary(call) and not says_encoding(name, call)
    ]
    assert wrong == []


def test_every_pipe_of_text_has_its_encoding():
    wrong = [
        place
        for place, name, call in calls()
        if name in PIPES
        and {"text", "universal_newlines"} & set(keywords(call))
        and not says_encoding(name, call)
    ]
    assert wrong == []


def test_no_file_gets_its_mode_past_the_umask():
    """mkstemp's files are of mode 0600, which chmod would then have to guess away."""
    wrong = [p for p, name, _ in calls() if name in {"mkstemp", "chmod", "NamedTemporaryFile"}]
    assert wrong == []


def test_json_is_ascii_so_that_no_stream_replaces_anything_in_it():
    wrong = [place for place, name, call in calls() if "ensure_ascii" in keywords(call)]
    assert wrong == []


@pytest.fixture
def umask(request):
    """What the user has set, for the time of a test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    topology = star_topology(2, security={"curve": True})
    return Trainer(tmp_path_factory.mktemp("trained"))(topology, 30)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


SECRET = 0o600
AT_MOST = {"public.json": 0o644}
"""Whoever can write it decides who is let in."""


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002], indirect=True, ids=oct)
def test_what_is_written_has_the_mode_that_the_umask_asks_for(umask, trained, tmp_path):
    names = (COLLECTOR, *trained.bundle.topology.nodes)
    rules = dict(trained.bundle.manifest.exits)
    write_bundle(tmp_path / "whole", trained.joint, exits=rules, prior_class=0)
    write_exits(tmp_path / "whole", rules)
    place_bundle(tmp_path / "whole", trained.bundle.topology, tmp_path / "placed")
    split_bundle(tmp_path / "whole", ["cam0"], tmp_path / "part")
    compose_folder(tmp_path / "whole", trained.samples, tmp_path / "docker", make_key_pair)
    write_keys(tmp_path / "keys", names, make_key_pair)
    write_archive(tmp_path / "cache.npz", X=np.zeros(3))
    write_bytes(tmp_path / "report.json", b"{}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 40
    for path in files:
        wanted = AT_MOST.get(path.name, SECRET if path.suffix == ".key" else 0o666) & ~umask
        assert oct(mode(path)) == oct(wanted), path
    for path in (p for p in tmp_path.rglob("*") if p.is_dir() and p.name != "keys"):
        assert oct(mode(path)) == oct(0o777 & ~umask), path


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("umask", [0o022], indirect=True)
def test_what_was_closed_to_others_stays_closed_when_it_is_replaced(trained, tmp_path):
    rules = trained.bundle.manifest.exits
    folder, report = tmp_path / "bundle", tmp_path / "report.json"
    for _ in range(2):
        write_bundle(folder, trained.joint, exits=rules, prior_class=0)
        write_bytes(report, b"{}")
        folder.chmod(0o700)
        report.chmod(0o600)
    write_bundle(folder, trained.joint, exits=rules, prior_class=0)
    write_bytes(report, b"{}")
    assert (mode(folder), mode(report)) == (0o700, 0o600)


def test_a_path_is_kept_as_utf_8_and_found_again(tmp_path):
    path = tmp_path / "café" / "猫.yaml"
    assert text_to_path(path_to_text(path)) == str(path)


def test_a_path_that_is_not_utf_8_is_refused_before_it_is_kept():
    path = Path(os.fsdecode(b"/data/caf\xe9/card.yaml"))
    said = r"^/data/caf\\xe9/card\.yaml: not UTF-8, want a path that a run can keep$"
    with pytest.raises(ConfigError, match=said):
        path_to_text(path)


POSIX = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
KEPT = """
import sys
from pathlib import Path
from ddnn.paths import path_to_text, text_to_path
kept = path_to_text(Path(sys.argv[1]))
print(ascii(kept), Path(text_to_path(kept)).exists())
"""


def test_a_path_is_kept_as_utf_8_where_the_locale_is_not(tmp_path):
    (tmp_path / "café").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KEPT, "café"],
        cwd=tmp_path,
        env=os.environ | POSIX,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"'caf\\xe9' True\n"


CARD = "kind: npz\npath: data.npz\nclasses: [café, 猫, person]\n"


def test_files_are_utf_8_in_a_locale_that_is_not(tmp_path):
    topology = star_topology(2, classes=["café", "猫", "person"])
    trained = Trainer(tmp_path / "trained")(topology, 30)
    samples = trained.samples
    np.savez(tmp_path / "data.npz", X=samples.views_NVCHW, y=samples.labels_NV)
    (tmp_path / "card.yaml").write_text(CARD, encoding="utf-8")
    options = ["--data", "card.yaml", "--split", "all", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "ddnn", "deploy", "compose", trained.bundle.folder, *options],
        cwd=tmp_path,
        env=os.environ | POSIX,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    content = (tmp_path / "out/collector/data/card.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(content)["classes"] == ["café", "猫", "person"]
