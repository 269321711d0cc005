"""N samples, V views."""

import numpy as np
import pytest
import torch
from tiny import make_samples, make_topology

from ddnn.coding.coders import coder_of
from ddnn.coding.entropy import fit_table
from ddnn.model import cost
from ddnn.model.cost import equation_1
from ddnn.model.exits import round_scores
from ddnn.model.joint import Joint
from ddnn.report.verdicts import Verdicts
from ddnn.topology import Topology, read_topology
from ddnn.training.patterns import loss_patterns
from ddnn.training.payload import device_payload, feature_bytes, fit_tables, link_payload
from ddnn.training.predict import perceive, predict, taking_part
from ddnn.training.run import open_run, train_run
from ddnn.training.settings import settings_for


def answered(topology: Topology, exit_N: list[int], present_NV=None) -> Verdicts:
    count = len(exit_N)
    if present_NV is None:
        present_NV = np.ones((count, topology.views), dtype=bool)
    return Verdicts(
        exits=tuple(topology.exits),
        classes=topology.classes,
        labels_N=np.zeros(count, dtype=np.int64),
        predicted_N=np.zeros(count, dtype=np.int64),
        exit_N=np.array(exit_N),
        entropy_N=np.zeros(count, dtype=np.float32),
        present_NV=np.asarray(present_NV),
        degraded_N=np.zeros(count, dtype=bool),
    )


def raw_sizes(topology: Topology, count: int) -> dict[str, np.ndarray]:
    return {name: np.full(count, topology.feature_bytes(name)) for name in topology.section_nodes}


def test_links_carry_scores_of_all_and_features_of_the_asked():
    topology = read_topology("six-cameras")
    links = link_payload(
        topology, answered(topology, [0] * 60 + [1] * 40), raw_sizes(topology, 100)
    )
    assert links["cam0", "gateway"] == 100 * 12
    assert links["cam5", "cloud"] == 40 * 128
    assert sum(links.values()) == 6 * 100 * equation_1(
        classes=3, local_share=0.6, filters=4, values=256
    )


def test_an_edge_forwards_its_own_features():
    topology = read_topology("f-edges-cloud")
    verdicts = answered(topology, [0] * 6 + [1] * 3 + [2])
    links = link_payload(topology, verdicts, raw_sizes(topology, 10))
    assert links["cam0", "edge0"] == 4 * 128
    assert links["edge1", "edge0"] == 4 * 12
    assert links["edge0", "cloud"] == 256


def test_with_all_devices_taking_part_it_is_the_papers_equation():
    topology = read_topology("six-cameras")
    local_N = np.arange(10) < 7
    payload = device_payload(topology, np.ones((10, 6), dtype=bool), raw_sizes(topology, 10))
    assert payload.mean(local_N) == pytest.approx(cost.device_payload(topology, 0.7))


def test_devices_that_take_no_part_send_nothing():
    topology = read_topology("six-cameras")
    present_NV = np.arange(6) < np.array([[6], [3], [0]])
    payload = device_payload(topology, present_NV, raw_sizes(topology, 3))
    assert payload.scores_N.tolist() == [12, 6, 0]
    assert payload.features_N.tolist() == [128, 64, 0]
    verdicts = answered(topology, [1, 1, -1], present_NV)
    links = link_payload(topology, verdicts, raw_sizes(topology, 3))
    assert links["cam0", "gateway"] == 2 * 12
    assert links["cam4", "cloud"] == 128


def test_a_device_that_holds_the_exit_itself_sends_no_scores():
    topology = read_topology("b-device-cloud")
    payload = device_payload(topology, np.ones((2, 1), dtype=bool), raw_sizes(topology, 2))
    assert payload.scores_N.tolist() == [0, 0]
    assert (payload.features_N > 0).all()


def test_an_edge_has_a_part_where_one_of_its_devices_has():
    topology = read_topology("f-edges-cloud")
    present_NV = np.zeros((3, 6), dtype=bool)
    present_NV[0, 0] = present_NV[1, 5] = True
    links = link_payload(
        topology, answered(topology, [2, 2, -1], present_NV), raw_sizes(topology, 3)
    )
    assert links["edge1", "edge0"] == 12
    assert links["edge0", "cloud"] == links["edge1", "cloud"] == topology.feature_bytes("edge0")


def test_tables_are_fitted_to_what_is_sent_and_to_nothing_else():
    samples = make_samples(60)
    torch.manual_seed(0)
    joint = Joint(make_topology(absent="skip", features="entropy-coded")).eval()
    fit_tables(joint, samples)
    for view, name in enumerate(joint.topology.devices):
        seen_N = ~samples.absent_NV[:, view]
        assert not seen_N.all()
        features = perceive(joint, samples)[name].features.numpy()
        assert joint.sections[name].code_table == fit_table(features[seen_N], 1)
        assert joint.sections[name].code_table != fit_table(features, 1)


def test_a_network_that_skips_black_views_sees_what_masking_them_gives():
    samples = make_samples(40)
    torch.manual_seed(0)
    joint, silent = Joint(make_topology()), Joint(make_topology(absent="skip"))
    silent.load_state_dict(joint.state_dict())
    seen_NV = taking_part(silent.topology, samples)
    assert 0.5 < seen_NV.mean() < 1
    wanted = predict(joint, samples, seen_NV)
    for name, logits_NK in predict(silent, samples).items():
        np.testing.assert_array_equal(logits_NK, wanted[name])


def test_calibration_pays_only_for_views_that_see_something(data):
    whole, silent = (
        loss_patterns(Joint(topology), data.part("validation"), prior_class=0)
        for topology in (make_topology(), make_topology(absent="skip"))
    )
    share = silent.present_NV[: silent.whole].mean()
    assert 0 < share < 1
    assert silent.payload.scores_N.mean() == pytest.approx(share * whole.payload.scores_N.mean())


def test_fitted_tables_shorten_what_they_were_fitted_to(data):
    joint = Joint(make_topology(features="entropy-coded")).eval()
    samples = data.part("train")
    present_NV = np.ones(samples.labels_NV.shape, dtype=bool)

    def mean_bytes() -> float:
        sizes = feature_bytes(joint, perceive(joint, samples), present_NV)
        return float(np.mean([sizes[name].mean() for name in joint.topology.devices]))

    before = mean_bytes()
    fit_tables(joint, samples)
    assert mean_bytes() < before


def test_a_run_keeps_its_tables_in_weights_and_bundle(tmp_path, data):
    topology = make_topology(features="entropy-coded")
    settings = settings_for("robust", epochs=1, batch=16)
    train_run(tmp_path, topology, "tiny", settings, data=data)
    joint = open_run(tmp_path).joint
    for name in topology.devices:
        table = joint.sections[name].code_table
        assert table is not None
        assert set(table) != {128}
        assert coder_of(topology, name, table) is not None
    assert joint.sections["cloud"].code_table is None


@pytest.mark.parametrize("score_type", ["float16", "int8"])
def test_rounded_scores_stay_as_they_are_and_pass_the_gradient(score_type):
    scores_NK = (torch.randn(50, 3) * 5).requires_grad_()
    rounded = round_scores(scores_NK, score_type)
    torch.testing.assert_close(round_scores(rounded.detach(), score_type), rounded.detach())
    inside = scores_NK.abs() < 7.9
    assert (rounded - scores_NK)[inside].abs().max() <= 1 / 32
    rounded.sum().backward()
    assert (scores_NK.grad == 1).all()
