"""A bundle is believed only when it is whole."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from builders import star_topology
from networks import Trainer

from ddnn.bundle.load import load_bundle
from ddnn.errors import BundleError
from ddnn.nodes.build import build_node

Folder = Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Folder:
    return Trainer(tmp_path_factory.mktemp("whole"))(star_topology(2), 8).bundle.folder


@pytest.fixture
def folder(whole, tmp_path) -> Folder:
    """A bundle to damage."""
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def refused(folder: Folder) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(folder: Folder, **changes: object) -> None:
    """Changes keys of the manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def hashes(folder: Folder) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "manifest.json").read_text())["sha256"]
    return found


def test_a_whole_bundle_loads_and_so_does_the_run_that_holds_it(folder):
    bundle = load_bundle(folder)
    assert bundle == load_bundle(folder.parent)
    assert bundle.topology == star_topology(2)
    assert bundle.sha256 == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "name", ["sections/cam0.onnx", "exits/local.onnx", "weights.safetensors", "manifest.json"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert refused(folder) == f"{folder / name}: No such file or directory, want a whole bundle"


@pytest.mark.parametrize("name", ["sections/cam0.onnx", "exits/cloud.onnx", "weights.safetensors"])
def test_one_changed_bit_is_noticed(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert refused(folder).startswith(f"{folder / name}: sha256 ")


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "sections/../../secret",
        "",
        "a\0b",
        "..\\secret",
        "C:\\x",
        "C:/x",
        ".",
    ],
    ids=[
        "up",
        "absolute",
        "up inside",
        "empty",
        "zero byte",
        "up in Windows",
        "drive",
        "drive/",
        "dot",
    ],
)
def test_no_file_outside_the_bundle_is_touched(folder, name):
    (folder.parent / "secret").write_text("secret")
    rewrite(folder, sha256=hashes(folder) | {name: hashlib.sha256(b"secret").hexdigest()})
    assert "want a path in the bundle" in refused(folder)


def test_a_link_out_of_the_bundle_is_refused(folder):
    (folder.parent / "secret").write_text("secret")
    os.symlink(folder.parent / "secret", folder / "inside")
    rewrite(folder, sha256=hashes(folder) | {"inside": hashlib.sha256(b"secret").hexdigest()})
    assert refused(folder) == f"{folder / 'inside'}: leads out of the bundle, want a file in it"


@pytest.mark.parametrize("name", ["sections/cam1.onnx", "exits/local.onnx"])
def test_every_model_the_topology_needs_is_listed(folder, name):
    rewrite(folder, sha256={k: v for k, v in hashes(folder).items() if k != name})
    assert refused(folder).endswith(f"sha256: no {name}, the topology needs it")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"schema_version": 2}, "schema_version: Input should be 1"),
        ({"exits": {}}, "exits [], want ['cloud', 'local']"),
        ({"exits": {"local": {"threshold": 2}}}, "exits.local.threshold: "),
        ({"prior_class": 3}, "prior_class 3, want less than 3"),
        ({"topology": {"name": "x"}}, "topology."),
        ({"sha256": []}, "sha256: Input should be an object"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_manifest_that_does_not_fit_is_told_by_key(folder, changes, said):
    rewrite(folder, **changes)
    assert refused(folder).startswith(f"{folder / 'manifest.json'}: {said}")


def test_a_topology_that_does_not_fit_together_is_told(folder):
    topology = json.loads((folder / "manifest.json").read_text())["topology"]
    topology["nodes"]["cam0"]["parent"] = "clowd"
    rewrite(folder, topology=topology)
    assert "nodes.cam0.parent: no node named 'clowd'" in refused(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\xff", '{"a": NaN}'])
def test_what_is_no_manifest_is_refused(folder, text):
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    message = refused(folder)
    assert message.startswith(f"{folder / 'manifest.json'}: ")
    assert ": :" not in message


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    assert "want a whole bundle" in refused(tmp_path)
    assert "want a whole bundle" in refused(tmp_path / "gone")


def replace(folder: Folder, name: str, content: bytes) -> None:
    """Another model under this name, its hash right."""
    (folder / name).write_bytes(content)
    rewrite(folder, sha256=hashes(folder) | {name: hashlib.sha256(content).hexdigest()})


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x07" * 100])
def test_a_model_that_is_none_is_named(folder, content):
    replace(folder, "exits/local.onnx", content)
    with pytest.raises(BundleError, match=r"exits/local\.onnx: not an ONNX model"):
        build_node("gateway", load_bundle(folder), None)


def test_a_model_made_for_something_else_is_named(folder, whole, tmp_path):
    other = Trainer(tmp_path / "other")(star_topology(3), 8).bundle.folder
    replace(folder, "exits/local.onnx", (other / "exits/local.onnx").read_bytes())
    with pytest.raises(BundleError, match=r"exits/local\.onnx: .*scores.*\[3, 3\].*want.*\[2, 3\]"):
        build_node("gateway", load_bundle(folder), None)
    replace(folder, "exits/local.onnx", (whole / "sections/cloud.onnx").read_bytes())
    with pytest.raises(BundleError, match=r"exits/local\.onnx: .*want"):
        build_node("gateway", load_bundle(folder), None)
