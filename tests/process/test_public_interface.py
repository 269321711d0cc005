"""A notebook's ten lines: train, evaluate, break, launch."""

from pathlib import Path

import pytest

import ddnn
from ddnn import shipped

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ddnn.Run:
    folder = tmp_path_factory.mktemp("interface")
    card = folder / "small.yaml"
    split = "{by: sample, validation: 0.2, test: 0.3}"
    card.write_text(f"kind: rendered\nsamples: 60\nsplit: {split}\n", encoding="utf-8")
    edge = shipped.find("topologies", "e-devices-edge-cloud").read_text(encoding="utf-8")
    (folder / "fog.yaml").write_text(edge.replace("edge", "fog"), encoding="utf-8")
    topology = ddnn.read_topology(folder / "fog.yaml")
    return ddnn.train(topology, data=card, out=folder / "run", epochs=1)


def test_a_run_is_evaluated_in_a_notebook(run):
    found = ddnn.evaluate(run)
    table = found.to_pandas()
    assert len(table) == found.samples == 18
    assert (table.label == table.predicted).mean() == pytest.approx(found.accuracy)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert set(found.exit_accuracies) == {"local", "fog", "cloud"}
    low, high = found.accuracy_interval
    assert low <= found.accuracy <= high
    assert "<th>accuracy</th>" in found._repr_html_()


def test_every_set_of_lost_devices_has_a_row(run):
    found = ddnn.failures(run)
    table = found.to_pandas()
    assert len(table) == 63
    assert sorted(found.lost) == [0, 1, 2, 3, 4, 5]
    figures = table.select_dtypes("float").columns
    assert set(figures) == {"local", "fog", "cloud", "overall", "local_share"}
    three = table[table["count"] == 3].overall
    assert three.mean() == pytest.approx(found.lost[3]["mean"], abs=1e-5)
    assert three.min() == pytest.approx(found.lost[3]["worst"], abs=1e-5)


def test_a_launch_with_a_killed_device_is_the_evaluation_without_it(run):
    said: list[str] = []
    found = ddnn.launch(run, kill={"cam5": 0}, say=said.append)
    without = ddnn.failures(run)
    (row,) = [line for line in without.subsets if line[0] == "cam5"]
    assert found.accuracy == pytest.approx(float(row[2 + len(found.shares)]), abs=1e-5)
    table = found.to_pandas()
    assert {views[5] for views in table.present} == {"0"}
    assert found.degraded == 0
    assert found.payload_bytes > 0
    assert set(found.latency_ms) <= {"local", "fog", "cloud"}
    assert any("kill" in line for line in said)


def test_thresholds_are_chosen_again_and_kept(run):
    calibration = ddnn.calibrate(run, early_share=1.0)
    again = ddnn.open_run(run.folder)
    assert again.rules == calibration.rules
    assert ddnn.evaluate(again).shares["cloud"] == 0


def test_two_goals_at_once_are_refused(run):
    with pytest.raises(ddnn.ConfigError, match="want one of accuracy, payload_bytes"):
        ddnn.calibrate(run, early_share=1.0, accuracy=0.9)


def test_a_topology_that_is_not_there_is_named():
    with pytest.raises(ddnn.ConfigError, match="no-such-thing"):
        ddnn.train("no-such-thing", data="rendered", out=Path("unused"))
