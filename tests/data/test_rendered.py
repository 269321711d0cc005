"""The source `rendered` and its cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ddnn.data import cache, load
from ddnn.data.rendered import cache_path, render_to
from ddnn.errors import ConfigError, DataError

CardWriter = Callable[..., Path]
SEED = 4
"""Its first six samples hold all three classes."""


@pytest.fixture
def card(write_card: CardWriter) -> Path:
    return write_card(kind="rendered", samples=6, seed=SEED)


def test_second_load_comes_from_the_cache(card: Path) -> None:
    first = load(card)
    path = cache_path(6, SEED)
    written = path.stat().st_mtime_ns
    assert load(card).digest == first.digest
    assert path.stat().st_mtime_ns == written
    assert first.samples.classes == ("car", "bus", "person")
    assert first.samples.views_NVCHW.shape == (6, 6, 3, 32, 32)
    assert first.view_names == ("cam0", "cam1", "cam2", "cam3", "cam4", "cam5")


def test_sets_of_another_look_are_kept_apart(card: Path, write_card: CardWriter) -> None:
    plain = load(card)
    other = load(write_card(kind="rendered", samples=6, seed=SEED, margin=0.5))
    assert plain.digest != other.digest
    assert load(write_card(kind="rendered", samples=6, seed=SEED)).digest == plain.digest


def test_order_of_the_card_is_read(write_card: CardWriter) -> None:
    split = {"by": "authors", "order": "nowhere.npy"}
    with pytest.raises(ConfigError, match=r"split\.order: no 'nowhere\.npy' beside the card"):
        load(write_card(kind="rendered", samples=6, seed=SEED, split=split))


def test_damaged_cache_is_rendered_again(card: Path) -> None:
    first = load(card)
    cache_path(6, SEED).write_bytes(b"damaged")
    assert load(card).digest == first.digest
    assert cache.fetch(cache_path(6, SEED)) is not None


def arrays() -> cache.Arrays:
    return np.full((2, 1, 1, 8, 8), 7, np.uint8), np.array([[0], [1]])


def flip_a_pixel(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(bytes([7] * 4), bytes([7, 7, 6, 7]), 1))


def swap_content(path: Path) -> None:
    """A whole archive whose digest is another one's."""
    with path.open("wb") as file:
        np.savez(file, X=arrays()[0], y=arrays()[1], sha256=np.zeros(32, np.uint8))


def pickle_content(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, X=np.array([None]), y=arrays()[1], sha256=np.zeros(32, np.uint8))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "pixel": flip_a_pixel,
    "swapped": swap_content,
    "pickled": pickle_content,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "text": lambda path: path.write_text("not an archive"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_cache_that_is_not_whole_is_not_believed(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = tmp_path / "new" / "kept.npz"
    cache.keep(path, arrays())
    kept = cache.fetch(path)
    assert kept is not None
    assert (kept[0] == arrays()[0]).all()
    damage(path)
    assert cache.fetch(path) is None


def test_cache_that_cannot_be_written_is_done_without(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DDNN_CACHE", str(tmp_path / "file"))
    assert len(load(card).samples) == 6


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == Path("/somewhere/ddnn")


def test_without_a_home_directory_nothing_is_kept(
    card: Path, write_card: CardWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DDNN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "~")  # what neither HOME nor /etc/passwd knows
    assert cache.folder() is None
    assert len(load(card).samples) == 6
    tiles = write_card(kind="tiles", images="MNIST", rows=2, columns=2)
    with pytest.raises(ConfigError, match="no home directory to keep MNIST in"):
        load(tiles)


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"the only copy")
    (tmp_path / "link.npz").symlink_to("nothing")
    for name in ("mine.npz", "link.npz"):
        with pytest.raises(DataError, match=rf"{name}: exists, want a new name"):
            render_to(tmp_path / name, samples=3, seed=SEED)
    assert (tmp_path / "mine.npz").read_bytes() == b"the only copy"
    assert not (tmp_path / "nothing").exists()


def test_rendered_file_is_read_back_as_npz(card: Path, write_card: CardWriter) -> None:
    rendered = load(card)
    sha256 = render_to(card.parent / "mine.npz", samples=6, seed=SEED)
    classes = ["car", "bus", "person"]
    again = load(write_card(kind="npz", path="mine.npz", classes=classes, sha256=sha256))
    assert again.digest == rendered.digest
    assert list(card.parent.glob(".*")) == []


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none/x\.npz: cannot be written \(No such file"):
        render_to(tmp_path / "none" / "x.npz", samples=3, seed=0)
