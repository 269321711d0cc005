"""Fixed splits, and how samples weigh."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ddnn.comparison.task import TASKS, Task, read_task
from ddnn.data import load_card
from ddnn.data.multiview import DataSet, Split
from ddnn.errors import ConfigError


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_a_card_that_ships(name):
    assert load_card(name).name == name


def test_samples_weigh_alike_where_objects_are_not_known(task):
    assert task.weights_N == pytest.approx(1 / 24)
    assert task.clusters_N.tolist() == list(range(24))


def test_objects_weigh_alike_where_they_are_known(task):
    objects_N = np.repeat([5, 7, 9], [72, 18, 6])  # two of them in the test part
    known = Task(card="x", data=replace(task.data, objects_N=objects_N))
    assert known.weights_N == pytest.approx(np.repeat([1 / 2 / 18, 1 / 2 / 6], [18, 6]))
    assert known.weights_N.sum() == pytest.approx(1)


def idx(array_N: np.ndarray) -> bytes:
    """MNIST's file format: two zeros, type, dimensions, sizes, bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array_N.shape)
    return bytes([0, 0, 8, array_N.ndim]) + sizes + array_N.tobytes()


def test_mnist_in_its_own_format_is_a_task_of_six_tiles(tmp_path, monkeypatch):
    monkeypatch.setenv("DDNN_DATA", str(tmp_path))
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 10))
    task = read_task("mnist-tiles")
    assert (task.devices, len(task.test)) == (6, 20)
    assert len(task.data.part("train")) + len(task.data.part("validation")) == 40


def test_cifar_as_files_is_a_task_of_six_tiles(tmp_path, monkeypatch):
    monkeypatch.setenv("DDNN_DATA", str(tmp_path))
    classes = load_card("cifar10-jpeg-tiles").classes
    for part, count in (("train", 3), ("test", 2)):
        for k, name in enumerate(classes):
            folder = tmp_path / "cifar10-images" / part / name
            folder.mkdir(parents=True)
            for n in range(count):
                image = np.full((32, 32, 3), 20 * k + n, np.uint8)
                Image.fromarray(image).save(folder / f"{n}.jpg")
    task = read_task("cifar10-jpeg-tiles")
    assert (task.devices, len(task.test)) == (6, 20)
    assert np.bincount(task.test.fused_labels_N).tolist() == [2] * 10


def test_too_many_cameras_are_refused(tmp_path):
    views, labels = np.ones((9, 9, 1, 4, 4), np.uint8), np.tile(np.arange(9)[:, None] % 2, 9)
    np.savez(tmp_path / "nine.npz", X=views, y=labels, split=np.arange(9) % 3)
    path = tmp_path / "nine.yaml"
    path.write_text("kind: npz\npath: nine.npz\nclasses: [a, b]\nsplit: {by: file}\n")
    with pytest.raises(ConfigError, match="9 views, want at most 8"):
        read_task(path)


def test_the_commonest_class_is_that_of_the_training_part(task):
    data = task.data
    order = np.argsort(data.samples.fused_labels_N, kind="stable")
    split = Split(train=np.sort(order[-20:]), validation=order[:0], test=order[:20])
    assert Task(card="x", data=DataSet(**_fields(data) | {"split": split})).commonest == 2


def _fields(data: DataSet) -> dict[str, object]:
    return {name: getattr(data, name) for name in ("name", "samples", "digest", "objects_N")}
