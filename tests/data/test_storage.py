"""Large arrays stay in files; what is read of them is what it would be in memory. N samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ddnn.data import load, storage
from ddnn.data.multiview import ABSENT, DataSet
from ddnn.data.storage import Rows, block_rows, taken, zeros
from ddnn.errors import ConfigError
from ddnn.topology import read_topology
from ddnn.training.batches import batches, tensors
from ddnn.training.fit import fit, prepare
from ddnn.training.settings import settings_for

CardWriter = Callable[..., Path]
LARGE = (3, 1024, 1024)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays above one megabyte are mapped."""
    monkeypatch.setenv(storage.VARIABLE, "1")


@pytest.mark.usefixtures("little_memory")
def test_a_large_array_is_mapped_and_leaves_no_file(tmp_path: Path) -> None:
    small, large = zeros((3, 1024), np.uint8), zeros(LARGE, np.uint8)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert not large.any()
    large[1] = 7
    assert large.sum() == 7 << 20
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("little_memory")
def test_samples_of_a_mapped_array_are_not_copied() -> None:
    large = zeros(LARGE, np.uint8)
    large[:] = np.arange(3, dtype=np.uint8)[:, None, None]
    many, few = taken(large, np.array([2, 1])), taken(large, np.array([2]))
    assert isinstance(many, Rows)
    assert isinstance(few, Rows)
    assert many.shape == (2, 1024, 1024)
    assert many[:][:, 0, 0].tolist() == [2, 1]
    assert taken(many, np.array([1]))[0][0, 0] == 1
    again = taken(many, slice(0, 2))
    assert isinstance(again, Rows)
    np.testing.assert_array_equal(np.asarray(again)[:, 0, 0], [2, 1])


@pytest.mark.usefixtures("little_memory")
def test_it_is_the_whole_data_set_that_counts() -> None:
    shape = (3, 1, 64, 1024)
    assert not isinstance(zeros(shape, np.uint8), np.memmap)
    assert isinstance(zeros(shape, np.uint8, whole_bytes=2 << 20), np.memmap)
    assert not isinstance(zeros((2, 1024), np.uint8, whole_bytes=2 << 20), np.memmap)


def test_by_default_it_is_a_quarter_of_what_the_process_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(storage.VARIABLE, raising=False)
    for usable, wanted in ((2 << 30, 512 << 20), (1 << 40, 1 << 30)):
        monkeypatch.setattr(storage, "usable_bytes", lambda usable=usable: usable)
        assert storage.in_memory_bytes() == wanted


GROUPS = {
    "v2": ("0::/user/one\n", {"user/one/memory.max": "max\n", "user/memory.max": "900\n"}, [900]),
    "v2, none": ("0::/\n", {}, []),
    "v1": (
        "5:cpu:/x\n4:memory:/one\n0::/\n",
        {"memory/one/memory.limit_in_bytes": "700\n", "memory/memory.limit_in_bytes": "800\n"},
        [700, 800],
    ),
}


@pytest.mark.parametrize(("own", "files", "wanted"), GROUPS.values(), ids=GROUPS)
def test_control_groups_say_what_a_process_may_use(
    own: str, files: dict[str, str], wanted: list[int], tmp_path: Path
) -> None:
    written = {"proc/self/cgroup": own}
    written |= {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert storage.cgroup_limits(tmp_path) == wanted
    assert storage.cgroup_limits(tmp_path / "elsewhere") == []


def test_blocks_cover_all_samples_once() -> None:
    rows = [r for block in block_rows(np.zeros((7, 3 << 20), np.uint8)) for r in range(7)[block]]
    assert rows == list(range(7))


def test_another_size_is_a_whole_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.VARIABLE, "much")
    with pytest.raises(ConfigError, match="DDNN_IN_MEMORY_MB: got 'much', want whole megabytes"):
        zeros((1,), np.uint8)


# ---------------------------------------------------------------- whole data sets


def make_archive(folder: Path, save: Any = np.savez, **changes: Any) -> None:
    """Three views of 600 samples, 1.8 MB each, brighter where the class is higher."""
    rng = np.random.default_rng(0)
    labels_N = rng.integers(0, 3, 600)
    X = rng.integers(1, 100, (600, 3, 3, 32, 32), dtype=np.uint8)
    X += (50 * labels_N)[:, None, None, None, None].astype(np.uint8)
    y = np.repeat(labels_N[:, None], 3, axis=1)
    y[::5, 1] = ABSENT
    save(folder / "data.npz", **{"X": X, "y": y} | changes)


KEYS = {
    "kind": "npz",
    "path": "data.npz",
    "classes": ["car", "bus", "person"],
    "split": {"by": "sample", "validation": 0.2, "test": 0.2},
}
LAYOUTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "one array": lambda folder: make_archive(folder) or {},
    "floats": lambda folder: make_archive(folder, X=np.linspace(
        0, 1, 600 * 9216, dtype=np.float32).reshape(600, 3, 3, 32, 32)) or {},
    "packed": lambda folder: make_archive(folder, save=np.savez_compressed) or {},
    "an array a view": lambda folder: make_archive(folder, a=np.arange(
        600 * 3072, dtype=np.int16).reshape(600, 3, 32, 32), b=np.linspace(
        0, 1, 600 * 3072).reshape(600, 3, 1024)) or {"arrays": {"one": "a", "two": "b"}},
}  # fmt: skip


def both(write_card: CardWriter, keys: Any, monkeypatch: pytest.MonkeyPatch) -> list[DataSet]:
    """The same data set mapped and in memory."""
    found = []
    for megabytes in ("1", "1024"):
        monkeypatch.setenv(storage.VARIABLE, megabytes)
        found.append(load(write_card(**KEYS | keys)))
    return found


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_mapped_data_set_is_the_same_data_set(
    layout: Any, write_card: CardWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = layout(tmp_path)
    if "arrays" in keys:
        with np.load(tmp_path / "data.npz") as archive:
            kept = {name: archive[name] for name in ("a", "b")}
            np.savez(tmp_path / "data.npz", y=archive["y"][:, :2], **kept)
    mapped, plain = both(write_card, keys, monkeypatch)
    assert mapped.digest == plain.digest
    assert mapped.samples.digest == plain.samples.digest
    assert all(isinstance(array, np.memmap) for array in mapped.samples.views.arrays)
    assert not any(isinstance(array, np.memmap) for array in plain.samples.views.arrays)


def test_a_mapped_data_set_trains_the_same_network(
    write_card: CardWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_archive(tmp_path)
    settings = settings_for("robust", epochs=1, batch=32)
    states = []
    for data, megabytes in zip(both(write_card, {}, monkeypatch), ("1", "1024"), strict=True):
        monkeypatch.setenv(storage.VARIABLE, megabytes)
        train = data.part("train")
        assert isinstance(train.views.arrays[0], Rows) == (megabytes == "1")
        ready = prepare(data, read_topology("c-devices-cloud"), settings, seed=0)
        (tmp_path / megabytes).mkdir()
        joint = fit(ready, tmp_path / megabytes)
        states.append(joint.state_dict())
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


@pytest.mark.usefixtures("little_memory")
def test_batches_of_a_mapped_data_set_are_read_when_asked_for(
    write_card: CardWriter, tmp_path: Path
) -> None:
    make_archive(tmp_path)
    samples = load(write_card(**KEYS)).part("train")
    everything = tensors(samples, torch.device("cpu"))
    assert not any(isinstance(view, torch.Tensor) for view in everything.views)
    plain = settings_for("paper", batch=64)
    for batch in batches(everything, plain):
        assert batch.views[0].shape[1:] == (3, 32, 32)
        assert not batch.views[1][batch.labels_NV[:, 1] == ABSENT].any()


@pytest.mark.usefixtures("little_memory")
def test_what_is_saved_block_by_block_is_what_numpy_reads(tmp_path: Path) -> None:
    large = zeros((40, 2, 1, 40_000), np.float32)
    large[:] = np.arange(40, dtype=np.float32)[:, None, None, None]
    for array in (large, taken(large, np.arange(39, 0, -1)), np.ones((3, 2), np.int16)):
        storage.save(tmp_path / "saved.npy", array)
        np.testing.assert_array_equal(np.load(tmp_path / "saved.npy"), np.asarray(array))
