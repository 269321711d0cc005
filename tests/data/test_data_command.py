"""`ddnn data`: counts, contact sheets and rendered files; JSON alone on standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from data_samples import small_arrays
from PIL import Image

from ddnn.cli.main import ddnn, main
from ddnn.data import DataSet, MultiView, Split, load
from ddnn.data.contactsheet import chosen_samples, write_contact_sheet
from ddnn.errors import DataError

CardWriter = Callable[..., Path]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(ddnn, ["data", *map(str, arguments)])


def test_list_says_what_is_there() -> None:
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["rendered"]["data"] == "built in"
    assert rows["mvmc"]["data"] == "missing: MVMC.npz"
    assert rows["epfl"]["split"] == "frame"
    assert "rendered" in run("list").stdout


def test_show_counts_and_draws(npz_card: CardWriter, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    shown = json.loads(run("show", npz_card(), "--out", out, "--samples", 4, "--json").stdout)
    assert shown["classes"] == {"car": 10, "bus": 10}
    assert shown["view_shape"] == [3, 4, 5]
    assert sum(part["samples"] for part in shown["parts"].values()) == 20
    assert [view["present"] for view in shown["views"]] == [1.0, 0.75]
    with Image.open(out) as sheet:
        assert sheet.height > 4 * 70


def test_show_prints_a_table(npz_card: CardWriter, tmp_path: Path) -> None:
    printed = run("show", npz_card(), "--out", tmp_path / "sheet.png").stdout
    assert "20 samples, 2 views of 3x4x5" in printed
    assert "75.0 % present" in printed


def test_a_sheet_is_drawn_again_in_its_place(npz_card: CardWriter, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert run("show", npz_card(), "--out", out, "--samples", 4).exit_code == 0
    first = out.read_bytes()
    assert run("show", npz_card(), "--out", out, "--samples", 8).exit_code == 0
    assert out.read_bytes() != first


def own_picture(path: Path) -> None:
    Image.new("L", (4, 4)).save(path)


def note(path: Path) -> None:
    path.write_text("my own")


def link(path: Path) -> None:
    path.symlink_to("nothing")


def written(path: Path) -> tuple[int, int, int, int]:
    """What changes where a file is replaced or written to."""
    found = os.lstat(path)
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("make", [own_picture, note, link, os.mkfifo])
@pytest.mark.parametrize("named", [True, False], ids=["--out", "default"])
def test_a_file_of_others_is_not_replaced(
    npz_card: CardWriter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    named: bool,
) -> None:
    card, out = npz_card(), tmp_path / "card.png"
    make(out)
    before = written(out)
    monkeypatch.chdir(tmp_path)
    shown = run("show", card, *(("--out", out) if named else ()))
    assert "card.png: exists and is no contact sheet of ddnn, want another name" in str(
        shown.exception
    )
    assert written(out) == before
    assert not (tmp_path / "nothing").exists()


def test_render_writes_what_a_card_reads(tmp_path: Path, write_card: CardWriter) -> None:
    out = tmp_path / "mine.npz"
    said = json.loads(run("render", "--samples", 6, "--seed", 4, "--out", out, "--json").stdout)
    card = write_card(
        kind="npz", path="mine.npz", classes=["car", "bus", "person"], sha256=said["sha256"]
    )
    assert len(load(card).samples) == said["samples"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nothing"], "ddnn: nothing: no such file and no name in datasets"),
        (["show", "mvmc"], "no 'MVMC.npz' beside the card"),
        (["render", "--samples", "2", "--out", "/dev/null/x.npz"], "cannot be written"),
        (["render", "--samples", "2", "--out", "card.yaml"], "want a name that ends in .npz"),
    ],
    ids=["card", "data", "out", "ending"],
)
def test_error_is_one_line_and_exit_code_1(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["ddnn", "data", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1


def test_wrong_usage_exits_with_2() -> None:
    assert run("render", "--samples", "0", "--out", "x.npz").exit_code == 2


def data_set(views_NVCHW: np.ndarray) -> DataSet:
    labels = np.tile(np.arange(len(views_NVCHW))[:, None] % 2, (1, views_NVCHW.shape[1]))
    names = tuple(f"v{v}" for v in range(views_NVCHW.shape[1]))
    samples = MultiView(
        views=views_NVCHW, labels_NV=labels, classes=("café", "bus"), view_names=names
    )
    none = np.arange(0)
    split = Split(train=np.arange(len(labels)), validation=none, test=none)
    return DataSet(name="x", samples=samples, split=split, digest="")


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 300, 200), (1, 1, 400)], ids=str)
def test_views_of_any_size_are_drawn(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    shown = data_set(np.full((3, 2, *shape), 9, np.uint8))
    write_contact_sheet(shown, np.arange(3), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width < 600


@pytest.mark.parametrize("channels", [2, 5])
def test_views_of_other_channels_are_drawn_by_their_first(tmp_path: Path, channels: int) -> None:
    shown = data_set(np.zeros((2, 1, channels, 4, 4), np.uint8))
    write_contact_sheet(shown, np.arange(2), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as sheet:
        assert sheet.height > 200


def test_a_sheet_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    many = data_set(np.zeros((2, 1500, 1, 1, 1), np.uint8))
    with pytest.raises(DataError, match=r"pixels for 1000 samples of 1500 views, want at most"):
        write_contact_sheet(many, np.zeros(1000, np.int64), tmp_path / "x.png")


def test_names_that_look_like_markup_are_shown_as_they_are(
    npz_card: CardWriter, tmp_path: Path
) -> None:
    card = npz_card({}, classes=["[/x]", "car [blue]"])
    shown = run("show", str(card), "--out", str(tmp_path / "x.png"))
    assert "[/x]" in shown.output
    assert "car [blue]" in shown.output


def test_a_path_that_cannot_be_looked_at_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ddnn", "data", "show", "x" * 300])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == f"ddnn: {'x' * 300}: File name too long\n"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_spread_shows_every_class_it_can(count: int) -> None:
    shown = data_set(small_arrays()["X"])
    chosen = chosen_samples(shown, count)
    assert len(set(chosen.tolist())) == len(chosen) == min(count, 20)
    assert len(np.unique(shown.samples.fused_labels_N[chosen])) == min(count, 2)
