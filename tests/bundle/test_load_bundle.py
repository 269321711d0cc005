"""A bundle is believed only when it is whole."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from builders import star_topology
from networks import Trainer
from onnx import helper

from ddnn.bundle.load import load_bundle
from ddnn.errors import BundleError
from ddnn.nodes.build import build_node
from ddnn.nodes.engine import Engine
from ddnn.seal import KEY, seal

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
    document = json.loads(path.read_bytes())
    del document[KEY]
    path.write_bytes(seal(document | changes))


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
        ({"schema_version": 3}, "of bundle version 3, this ddnn reads 2: want a newer ddnn"),
        ({"schema_version": 1}, "of bundle version 1, this ddnn reads 2: make it again from its"),
        ({"schema_version": "2"}, "says no schema_version, make it again"),
        ({"exits": {}}, "exits [], want ['cloud', 'local']"),
        (
            {"exits": {name: {"threshold": 0.5} for name in ("local", "edge", "cloud")}},
            "exits ['cloud', 'edge', 'local'], want ['cloud', 'local']",
        ),
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


EDITS: dict[str, Callable[[bytearray, int, random.Random], None]] = {
    "bit": lambda content, at, rng: content.__setitem__(at, content[at] ^ 1 << rng.randrange(8)),
    "byte": lambda content, at, rng: content.__setitem__(
        at, content[at] + rng.randrange(1, 256) & 255
    ),
    "removed": lambda content, at, _: content.__delitem__(at),
    "added": lambda content, at, rng: content.insert(at, rng.randrange(256)),
    "space": lambda content, at, _: content.insert(at, 32),
    "cut off": lambda content, at, _: content.__delitem__(slice(at, None)),
}


@pytest.mark.parametrize("name", ["manifest.json", "exits/local.onnx"])
def test_a_file_larger_than_any_of_a_bundle_is_not_read(folder, name):
    os.truncate(folder / name, (1 << 30) + 1)  # a hole: nothing is written
    assert f"{folder / name}: larger than " in refused(folder)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_no_change_of_the_manifest_goes_unnoticed(folder, edit):
    path, rng = folder / "manifest.json", random.Random(0)
    whole = path.read_bytes()
    for _ in range(100):
        content = bytearray(whole)
        edit(content, rng.randrange(len(whole)), rng)
        path.write_bytes(content)
        assert refused(folder).startswith(f"{path}: ")


@pytest.mark.parametrize("tail", [b"\n", b" ", b"{}", b"\0"])
def test_nothing_is_added_behind_the_manifest(folder, tail):
    with (folder / "manifest.json").open("ab") as file:
        file.write(tail)
    assert refused(folder).startswith(f"{folder / 'manifest.json'}: ")


def test_a_manifest_without_its_hash_or_with_anothers_is_refused(folder):
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document, indent=2) + "\n")  # the same bytes
    load_bundle(folder)
    for changed in (document | {"prior_class": 2}, {k: v for k, v in document.items() if k != KEY}):
        path.write_text(json.dumps(changed, indent=2) + "\n")
        assert "manifest.json: not as it was written, make it again" in refused(folder)


def test_a_run_whose_bundle_is_of_another_version_names_the_command_that_makes_it(folder):
    run = folder.parent
    (run / "config.json").write_text('{"settings": {"epochs": 3}}')
    rewrite(folder, schema_version=1)
    assert refused(run).endswith(f"make it again with ddnn train --resume {run}")


def external(content: bytes, place: str) -> bytes:
    """The model with one of its tensors in a file beside it, or wherever ONNX lets one be."""
    model = onnx.load_from_string(content)
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="weights.bin")
    sparse = onnx.SparseTensorProto(values=tensor, dims=[1])
    inner = onnx.GraphProto(name="inner", initializer=[tensor])
    match place:
        case "initializer":
            model.graph.initializer.append(tensor)
        case "sparse initializer":
            model.graph.sparse_initializer.append(sparse)
        case "attribute":
            model.graph.node[0].attribute.append(helper.make_attribute("t", tensor))
        case "attribute list":
            model.graph.node[0].attribute.append(helper.make_attribute("t", [tensor]))
        case "sparse attribute":
            model.graph.node[0].attribute.append(helper.make_attribute("t", sparse))
        case "inner graph":
            model.graph.node[-1].attribute.append(helper.make_attribute("g", inner))
        case "inner graphs":
            model.graph.node[-1].attribute.append(helper.make_attribute("g", [inner]))
        case "function":
            node = helper.make_node("Constant", [], ["x"], value=tensor)
            model.functions.append(onnx.FunctionProto(name="f", node=[node]))
        case "training":
            model.training_info.append(onnx.TrainingInfoProto(algorithm=inner))
        case "location alone":
            tensor.ClearField("data_location")
            model.graph.initializer.append(tensor)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "place",
    [
        "initializer", "sparse initializer", "attribute", "attribute list", "sparse attribute",
        "inner graph", "inner graphs", "function", "training", "location alone",
    ],
)  # fmt: skip
def test_a_model_with_weights_in_another_file_is_refused(folder, place):
    name = "sections/cam0.onnx"
    (folder / "sections/weights.bin").write_bytes(b"\0\0\0\0")
    replace(folder, name, external((folder / name).read_bytes(), place))
    assert refused(folder) == (
        f"{folder / name}: keeps weights in another file, which no hash covers; want them all in it"
    )
    with pytest.raises(BundleError, match="keeps weights in another file"):
        Engine(folder / name)


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
