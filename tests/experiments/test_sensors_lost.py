"""The experiment with sensors lost, shortened."""

from pathlib import Path

import pytest

from experiments.sensors.lost import EXPERIMENT, topology_of
from experiments.shared.study import run

pytestmark = pytest.mark.study


def test_every_set_of_lost_sensors_has_a_row(tmp_path: Path) -> None:
    places = ["--out", str(tmp_path), "--runs", str(tmp_path / "runs"), "--threads", "1"]
    (rows,) = run(EXPERIMENT, ["--smoke", *places]).values()
    lost = [name for name in rows if "local" in rows[name]]
    assert len(lost) == 15
    assert {"none", "wrist", "wrist and ankle", "wrist and ankle and microphone"} <= set(lost)
    assert rows["linear"]["overall_samples"].value == 20


def test_bits_are_those_of_every_device() -> None:
    from ddnn.data import load  # noqa: PLC0415

    topology = topology_of(load("sensors"), 32)
    found = {topology.section(name).activation_bits for name in topology.devices}
    assert found == {32}
    assert {topology.section(name).sent_bits for name in topology.devices} == {1}
