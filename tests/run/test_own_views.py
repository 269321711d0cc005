"""Devices whose views differ in size and type, from the topology to verdicts. N samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import random_views, sensors
from networks import Trainer, offline, random_joint

from ddnn.data.checks import check_fits
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError, DataError
from ddnn.model.scaling import Readings
from ddnn.nodes.build import build_node
from ddnn.report.drawing import draw
from ddnn.run.inprocess import run_inprocess
from ddnn.simulation.laboratory import Laboratory
from ddnn.simulation.profile import Profile
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import simulate
from ddnn.topology import Topology
from ddnn.training.batches import view_tensors

CPU = torch.device("cpu")


def topology_of(document: dict[str, Any]) -> Topology:
    return Topology.model_validate(document)


def real_valued() -> dict[str, Any]:
    section = {"blocks": [{"kind": "conv", "filters": 2}, {"kind": "fc", "units": 6}]}
    return sensors(section=section)


def windows() -> dict[str, Any]:
    """Kernels and pools that are no squares; maps of different sizes, one after the other."""
    row = {"kernel": [1, 5], "stride": 2}
    blocks = [
        {"kind": "convp", "filters": 2, "pool": [1, 3]} | row,
        {"kind": "conv", "filters": 3} | row,
        {"kind": "residual", "filters": 4, "kernel": [1, 3]},
        {"kind": "conv", "filters": 2},
    ]
    document = sensors(section={"blocks": blocks, "activation_bits": 2})
    document["nodes"]["cam0"]["section"] = {"blocks": [{"kind": "convp", "filters": 2}]}
    return document


DOCUMENTS = {"few bits": sensors(), "real": real_valued(), "windows": windows()}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_verdicts_are_those_of_the_torch_network(document: Any, train: Trainer) -> None:
    trained = train(topology_of(document), 90)
    collector = run_inprocess(trained.bundle, trained.samples.views)
    wanted = offline(trained.joint, trained.bundle, trained.samples)
    np.testing.assert_array_equal(wanted.predicted_N, collector.predicted_N)
    np.testing.assert_array_equal(wanted.exit_N, collector.exit_N)
    np.testing.assert_allclose(wanted.entropy_N, collector.entropy_N, atol=1e-5)


@pytest.mark.parametrize("wire", [False, True], ids=["references", "wire"])
def test_they_are_simulated(wire: bool, train: Trainer) -> None:
    trained = train(topology_of(sensors()), 90)
    laboratory = Laboratory(trained.bundle, trained.samples.views, Profile(), wire=wire)
    result = simulate(laboratory, Schedule(topology="star", samples=90, window=8))
    assert result.broken is None
    launched = run_inprocess(trained.bundle, trained.samples.views)
    assert [a.predicted for a in result.answers] == launched.predicted_N.tolist()


def test_means_and_deviations_go_into_the_bundle_with_the_weights(train: Trainer) -> None:
    trained = train(topology_of(sensors()), 90)
    scaling = trained.joint.sections["cam1"].scaling
    assert isinstance(scaling, Readings)
    readings = trained.samples.views.arrays[1].astype(np.float64)
    np.testing.assert_allclose(scaling.mean_C, readings.mean(axis=(0, 2, 3)), rtol=1e-5)
    state = trained.joint.state_dict()
    assert "sections.cam2.scaling.factor_C" in state
    assert not [key for key in state if key.startswith("sections.cam0.scaling")]


def test_what_a_sensor_is_off_by_and_multiplied_with_changes_no_score() -> None:
    topology = topology_of(real_valued())
    samples = random_views(topology, 64)
    camera, motion, sound = samples.views.arrays
    moved = MultiView(
        views=[camera, motion, 1000 + 50 * sound],
        labels_NV=samples.labels_NV,
        classes=samples.classes,
    )
    plain, other = (
        random_joint(topology, each)(view_tensors(each.views, CPU)).scores["cam2"]
        for each in (samples, moved)
    )
    torch.testing.assert_close(plain, other, atol=1e-3, rtol=1e-3)


def test_readings_before_few_bits_are_of_eight_bits() -> None:
    scaling = Readings(1, rounds=True)
    values = torch.tensor([-100.0, -0.26, 0.03, 0.04, 100.0]).reshape(5, 1, 1, 1)
    assert scaling(values).flatten().tolist() == [-8, -0.25, 0, 0.0625, 7.9375]


def test_devices_without_a_number_take_the_views_that_are_left() -> None:
    document = sensors()
    document["nodes"]["cam0"]["view"] = {"channels": 1, "height": 8, "width": 8}
    document["nodes"]["cam1"]["view"] |= {"index": 0}
    topology = topology_of(document)
    assert topology.devices == ("cam1", "cam0", "cam2")
    assert [topology.view_number(name) for name in topology.devices] == [0, 1, 2]
    assert topology.views_below("cam0") == {1}
    again = topology_of(topology.model_dump(mode="json"))
    assert again == topology


def test_a_length_is_one_row_of_floats_unless_said_otherwise() -> None:
    document = sensors()
    document["nodes"]["cam1"]["view"] = {"channels": 6, "length": 32}
    topology = topology_of(document)
    assert topology.view_of("cam1").shape == (6, 1, 32)
    assert topology.view_of("cam1").type == "float32"
    assert topology.view_of("cam0").type == "uint8"
    assert topology.view_bytes == (64 + 6 * 32 * 4 + 120 * 4) / 3


def test_a_drawing_shows_each_view_that_is_its_own() -> None:
    drawn = draw(topology_of(sensors()))
    assert "3 views of different sizes" in drawn
    assert "view 1 6x1x32 int16 → convp(2)" in drawn


def wrong_view(**view: Any) -> dict[str, Any]:
    document = sensors()
    document["nodes"]["cam1"]["view"] = view
    return document


def raw() -> dict[str, Any]:
    document = sensors(section={"blocks": []}, exit=None)
    del document["nodes"]["gateway"]
    return document


WRONG = {
    "length and height": (wrong_view(length=8, height=3), "length: got 8 beside a height or width"),
    "type": (wrong_view(length=8, type="int64"), "'uint8', 'int16' or 'float32'"),
    "number twice": (wrong_view(length=8, index=2), r"views \[0, 2, 2\], want 0 to 2 once each"),
    "number too high": (wrong_view(length=8, index=7), r"views \[0, 2, 7\], want 0 to 2"),
    "raw at 8 bits": (raw(), "feature_bits: got 8, want 32 for a raw view of int16"),
}


@pytest.mark.parametrize(("document", "message"), WRONG.values(), ids=WRONG)
def test_views_that_do_not_fit_are_refused(document: Any, message: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=message):
        topology_of(document)


def test_data_of_another_kind_are_refused_by_view_and_device() -> None:
    topology = topology_of(sensors())
    samples = random_views(topology, 4)
    camera, motion, sound = samples.views.arrays
    floats = MultiView(
        views=[camera, motion.astype(np.float32), sound],
        labels_NV=samples.labels_NV,
        classes=samples.classes,
    )
    with pytest.raises(
        ConfigError, match=r"cam1 is float32 6 x 1 x 32, .* int16 6 x 1 x 32 .*cam1"
    ):
        check_fits(topology, floats)
    with pytest.raises(ConfigError, match="has 2 views, topology star wants 3"):
        check_fits(topology, samples.seen_by([0, 1]))


def test_a_device_takes_no_view_of_another_type(train: Trainer) -> None:
    trained = train(topology_of(sensors()), 90)
    wrong = trained.samples.views.arrays[1].astype(np.float32)
    with pytest.raises(DataError, match=r"cam1: views are float32 .*, want int16 \(N, 6, 1, 32\)"):
        build_node("cam1", trained.bundle, wrong)
