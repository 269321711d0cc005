"""Parts of a bundle are whole in themselves and of one session with the rest."""

import shutil
from pathlib import Path

import pytest
from builders import star_topology
from networks import Trainer

from ddnn.bundle.load import load_bundle
from ddnn.bundle.split import new_folder, split_bundle
from ddnn.errors import BundleError, ConfigError


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return Trainer(tmp_path_factory.mktemp("whole"))(star_topology(2), 8).bundle.folder


def files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found}


PARTS = {
    "device": (["cam1"], {"sections/cam1.onnx"}),
    "gateway": (["gateway"], {"exits/local.onnx"}),
    "cloud": (["cloud"], {"sections/cloud.onnx", "exits/cloud.onnx"}),
    "collector": ([], set()),
    "two": (["cam0", "gateway"], {"sections/cam0.onnx", "exits/local.onnx"}),
}


@pytest.mark.parametrize(("nodes", "wanted"), PARTS.values(), ids=PARTS)
def test_a_part_has_what_its_nodes_need_and_no_more(whole, tmp_path, nodes, wanted):
    assert set(split_bundle(whole, nodes, tmp_path / "part")) == wanted
    assert files(tmp_path / "part") == wanted | {"manifest.json"}


def test_a_part_is_of_one_session_with_the_whole(whole, tmp_path):
    split_bundle(whole, ["cam1"], tmp_path / "part")
    part = load_bundle(tmp_path / "part", ["cam1"])
    assert part.session == load_bundle(whole).session
    assert part.sha256 == load_bundle(whole).sha256


def test_a_part_is_not_taken_for_the_whole(whole, tmp_path):
    split_bundle(whole, ["cam1"], tmp_path / "part")
    with pytest.raises(BundleError, match=r"sections/cam0\.onnx: No such file"):
        load_bundle(tmp_path / "part")


def test_only_the_files_of_the_nodes_that_run_are_checked(whole, tmp_path):
    split_bundle(whole, ["cam0", "cam1"], tmp_path / "part")
    with (tmp_path / "part/sections/cam0.onnx").open("ab") as file:
        file.write(b"x")
    load_bundle(tmp_path / "part", ["cam1"])
    with pytest.raises(BundleError, match=r"sections/cam0\.onnx: sha256"):
        load_bundle(tmp_path / "part", ["cam0"])
    with pytest.raises(BundleError, match=r"sections/cam0\.onnx: sha256"):
        split_bundle(tmp_path / "part", ["cam0"], tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_nothing_is_overwritten(whole, tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part/notes").write_text("mine")
    with pytest.raises(BundleError, match=r"part: exists, want a new folder"):
        split_bundle(whole, ["cam0"], tmp_path / "part")
    assert files(tmp_path / "part") == {"notes"}


def test_what_was_there_stands_again_where_the_new_cannot_take_its_place(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/notes").write_text("before")
    with (
        pytest.raises(BundleError, match="bundle: cannot be written, No such file"),
        new_folder(tmp_path / "bundle", replace=True) as new,
    ):
        shutil.rmtree(new)
    assert files(tmp_path) == {"bundle/notes"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_unknown_node_is_named_with_those_that_are_known(whole, tmp_path):
    with pytest.raises(ConfigError, match=r"'cam7' \(known: cam0, cam1, gateway, cloud\)"):
        split_bundle(whole, ["cam7"], tmp_path / "part")
