"""The scripts of the early-exit ResNet-20, shortened, and how they choose thresholds."""

import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.model.joint import Joint
from ddnn.topology import read_topology
from ddnn.training.predict import predict
from experiments.early_exit import eeoi
from experiments.early_exit.early_file import early_file, weights_of
from experiments.early_exit.eeoi_bits import bits_of, lost, with_bits
from experiments.early_exit.eeoi_images import LAUNCHED
from experiments.early_exit.recipe import cheapest, link_bytes, thresholds, trained
from experiments.paper.image_codes import through
from experiments.shared.rows import Means
from experiments.shared.study import run, study_of

RULES = {name: ExitRule(threshold=None, temperature=1.0) for name in ("local", "edge", "cloud")}
SENT_BYTES = (200, 100)


def labelled(labels_N: np.ndarray) -> MultiView:
    views = np.ones((len(labels_N), 1, 1, 1, 1), np.uint8)
    return MultiView(views=views, labels_NV=labels_N[:, None], classes=("a", "b"))


def scores(labels_N: np.ndarray, right_N: np.ndarray, sure_N: np.ndarray) -> np.ndarray:
    """Logits of a classifier that is right and sure at the given samples."""
    predicted_N = np.where(right_N, labels_N, 1 - labels_N)
    strength_N = np.where(sure_N, 4.0, 0.5) * (1 + 0.01 * np.arange(len(labels_N)))
    return (np.eye(2)[predicted_N] * strength_N[:, None]).astype(np.float32)


def three_exits(count: int = 60) -> tuple[dict[str, np.ndarray], MultiView]:
    """The local exit is right and sure at a third, the edge at two, the cloud everywhere."""
    labels_N = np.arange(count) % 2
    third_N, two_N = np.arange(count) < count // 3, np.arange(count) < 2 * count // 3
    everything_N = np.ones(count, dtype=bool)
    logits = {
        "local": scores(labels_N, third_N, third_N),
        "edge": scores(labels_N, two_N, two_N),
        "cloud": scores(labels_N, everything_N, everything_N),
    }
    return logits, labelled(labels_N)


def test_each_exit_answers_what_it_is_right_about_and_nothing_else_where_no_loss_is_allowed():
    logits, samples = three_exits()
    rules = cheapest(logits, RULES, samples, sent_bytes=SENT_BYTES, floor=1.0)
    found = thresholds(rules)
    assert rules["cloud"].threshold is None
    assert 0 < found["local_threshold"] < 1
    assert 0 < found["edge_threshold"] < 1


def test_a_lower_floor_never_costs_more_thresholds():
    logits, samples = three_exits()
    strict, loose = (
        thresholds(cheapest(logits, RULES, samples, sent_bytes=SENT_BYTES, floor=floor))
        for floor in (1.0, 0.5)
    )
    assert all(loose[name] >= strict[name] for name in strict)


def test_everything_is_offloaded_where_no_threshold_gives_the_floor():
    logits, samples = three_exits()
    logits["cloud"] = -logits["cloud"]
    logits = {"local": logits["cloud"], "edge": logits["cloud"], "cloud": logits["cloud"]}
    rules = cheapest(logits, RULES, samples, sent_bytes=SENT_BYTES, floor=0.9)
    assert thresholds(rules) == {"local_threshold": 0.0, "edge_threshold": 0.0}


@pytest.mark.parametrize(
    ("setting", "sizes"),
    [
        ("32, trained on", [65536, 32768]),
        ("4", [8192, 4096]),
        ("2 and 4", [4096, 4096]),
        ("1", [2048, 1024]),
    ],
)
def test_features_take_so_many_bytes_on_both_links(setting, sizes):
    assert link_bytes(with_bits(read_topology("eeoi-resnet20"), bits_of(setting))) == sizes


def test_a_loss_is_of_the_same_samples_and_so_is_its_interval():
    best_N, right_N = np.arange(100) < 90, np.arange(100) < 86
    found = lost(best_N, right_N)
    assert found["loss_points"] == pytest.approx(4)
    assert found["loss_points_error"] == pytest.approx(196 * np.sqrt(0.04 * 0.96 / 100))
    assert lost(best_N, best_N) == {"loss_points": 0, "loss_points_error": 0}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained networks that the scripts share."""
    return tmp_path_factory.mktemp("runs")


def smoke(script: str, out: Path, runs: Path) -> Means:
    """The means of a script whose files are there and whose launches answer as offline."""
    places = ["--out", str(out), "--runs", str(runs), "--threads", "1"]
    means = run(import_module(f"experiments.early_exit.{script}").EXPERIMENT, ["--smoke", *places])
    rows = [row for rows in means.values() for row in rows.values()]
    assert any("equal_verdicts" in row or "mean_ms" in row for row in rows)
    for row in rows:
        assert "mean_ms" not in row or row["mean_ms"].value > 0
        assert "equal_verdicts" not in row or row["equal_verdicts"].value == 100
        if "accuracy" in row:
            assert row["accuracy"].low <= row["accuracy"].value <= row["accuracy"].high
    name = f"{script.replace('_', '-')}-smoke-images"
    assert (out / f"{name}.png").stat().st_size > 5000
    assert (out / f"{name}.csv").exists()
    return means


@pytest.mark.study
def test_all_offloaded_sends_just_the_features_of_every_sample(tmp_path, runs):
    rows = smoke("eeoi", tmp_path, runs)["launched"]
    assert rows["T 0"]["payload_bytes"].value == 65536 + 32768
    assert rows["T 0"]["cloud_share"].value == 100
    assert rows["T 1"]["payload_bytes"].value == 0
    assert rows["T 1"]["local_share"].value == 100
    assert rows["per exit, 64 in flight"]["accuracy"] == rows["per exit"]["accuracy"]


@pytest.mark.study
def test_one_bit_a_value_takes_a_32nd_of_the_bytes(tmp_path, runs):
    means = smoke("eeoi_bits", tmp_path, runs)
    whole, bits = (means[name]["all offloaded"]["payload_bytes"].value for name in ("32", "1"))
    assert whole == 32 * bits
    assert means["1"]["per exit, coded"].keys() == means["1"]["per exit"].keys()


def test_an_exit_before_files_answers_as_the_network_whose_weights_it_has():
    topology = read_topology("eeoi-resnet20")
    whole, ours = Joint(topology), Joint(early_file(topology))
    ours.load_state_dict(weights_of(topology, whole.state_dict()))
    colours_NVCHW = np.random.default_rng(0).integers(60, 200, (8, 1, 3, 4, 4))
    views = colours_NVCHW.repeat(8, axis=3).repeat(8, axis=4).astype(np.uint8)
    samples = MultiView(views=views, labels_NV=np.zeros((8, 1), np.int64), classes=tuple("ab"))
    files, _ = through(LAUNCHED, samples)
    found = predict(ours, samples)
    assert found["local"] == pytest.approx(predict(whole, samples)["local"], abs=1e-4)
    assert found["cloud"] == pytest.approx(predict(whole, files)["cloud"], abs=1e-4)
    assert found["cloud"] != pytest.approx(predict(whole, samples)["cloud"], abs=1e-4)


@pytest.mark.study
def test_files_and_bottlenecks_are_held_against_the_same_network(tmp_path, runs):
    means = smoke("eeoi_images", tmp_path, runs)
    raw, jpeg, ours = (means[name]["all offloaded"] for name in ("raw", "JPEG 75", "bottleneck"))
    assert raw["payload_bytes"].value == 3072
    assert raw["loss_points"].value == 0
    assert 100 < jpeg["payload_bytes"].value < 3072
    assert ours["payload_bytes"].value == 8 * 16 * 16 * 2 / 8 + 16 * 8 * 8 * 2 / 8
    lost_here = raw["accuracy"].value - ours["accuracy"].value
    assert ours["loss_points"].value == pytest.approx(lost_here, abs=0.01)
    sent = means["JPEG 75, launched"]["early, else a file"]
    size = jpeg["payload_bytes"].value + 2
    away = 1 - sent["local_share"].value / 100
    assert sent["payload_bytes"].value == pytest.approx(size * away, rel=0.1)
    assert sent["equal_verdicts"].value == 100


@pytest.mark.study
def test_limits_say_whether_they_hold(tmp_path, runs):
    means = smoke("eeoi_limits", tmp_path, runs)
    for row in means["1000 MB, 50 %"].values():
        assert row["cpu_held"].value in (0, 100)
        assert row["memory_held"].value in (0, 100)
        assert 0 < row["resident_mb"].value < 1000


@pytest.mark.study
def test_an_interrupted_training_is_gone_on_with(runs):
    study = study_of(eeoi.EXPERIMENT, ["--smoke", "--runs", str(runs), "--threads", "1"])
    whole = trained(study, 0)
    shutil.rmtree(whole.folder / "bundle")  # written last: its training was interrupted
    before = (whole.folder / "checkpoint.safetensors").stat().st_mtime_ns
    again = trained(study, 0)
    assert again.bundle_sha256 == whole.bundle_sha256
    assert (again.folder / "checkpoint.safetensors").stat().st_mtime_ns == before
