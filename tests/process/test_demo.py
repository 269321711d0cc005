"""The demonstration, shortened: real training, real processes, on a few rendered samples."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ddnn.data.loading import load
from ddnn.demo import launch_and_lose, run_demo
from ddnn.errors import DataError, LaunchError
from ddnn.training.settings import settings_for

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("demo")
    card = folder / "few.yaml"
    card.write_text(
        "kind: rendered\nsamples: 60\nseed: 3\nclasses: [car, bus, person]\n"
        "split: {by: sample, validation: 0.2, test: 0.3, seed: 0}\n"
    )
    result = run_demo(folder / "run", settings_for("robust", epochs=2), card=card)
    return {"folder": folder / "run", **result}


@pytest.mark.process
def test_demo_answers_the_same_samples_with_and_without_the_best_cameras_device(demo) -> None:
    launched = demo["launch"]
    assert launched["samples"] == launched["answered"] == 2 * demo["samples"]
    (kill,) = (entry for entry in launched["failures"] if entry["kind"] == "kill")
    assert kill["applied"]
    assert (kill["node"], kill["sample"]) == (demo["device_lost"], demo["samples"])
    assert launched["nodes"][demo["device_lost"]]["state"] == "killed"


@pytest.mark.process
def test_demo_with_all_devices_is_as_right_as_the_evaluation(demo) -> None:
    assert demo["before"] == pytest.approx(demo["offline_accuracy"])


@pytest.mark.process
def test_demo_leaves_a_report_a_contact_sheet_and_two_plots(demo) -> None:
    report, *pictures = (Path(name) for name in demo["files"])
    assert json.loads(report.read_text())["command"] == "launch"
    assert len(pictures) == 3
    for picture in pictures:
        assert picture.read_bytes().startswith(PNG)


@pytest.mark.process
def test_demo_whose_launch_fails_says_how_to_go_on(demo) -> None:
    folder, samples = demo["folder"], load(demo["folder"].parent / "few.yaml").part("test")
    lacking = replace(samples, views=samples.views_NVCHW[..., :16])
    wanted = f"go on with: ddnn launch {folder} --rounds 2 --kill cam4@{len(samples)}"
    with pytest.raises(LaunchError, match=wanted):
        launch_and_lose(folder, lacking, "cam4", print)


@pytest.mark.process
def test_demo_tells_before_its_work_that_its_sheet_has_no_place(demo, tmp_path) -> None:
    shutil.copy(demo["folder"] / "config.json", tmp_path)
    (tmp_path / "contact-sheet.png").write_text("my own")
    with pytest.raises(DataError, match=r"contact-sheet\.png: exists and is no contact sheet"):
        run_demo(tmp_path, settings_for("robust", epochs=2))
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "contact-sheet.png"}
