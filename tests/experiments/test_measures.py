"""What the scripts call accuracy, and of which samples. N samples, V views, K classes."""

from argparse import Namespace
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from builders import random_views, star_topology
from networks import random_run

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import ABSENT, DataSet, MultiView, Split
from ddnn.decision import decide
from ddnn.topology import read_topology
from ddnn.training.evaluate import evaluate
from ddnn.training.predict import predict
from ddnn.training.run import Run
from experiments.shared.measures import PAPER_THRESHOLD, right_alone, with_threshold
from experiments.shared.study import Study
from experiments.shared.variants import PATIENCE, cameras


@pytest.fixture(scope="module")
def samples() -> MultiView:
    return random_views(star_topology(), 60)


@pytest.fixture(scope="module")
def run(samples) -> Run:
    return random_run(star_topology(), samples)


def own_classes(run: Run, samples: MultiView) -> np.ndarray:
    """(N, V): what each device makes of its view."""
    with torch.no_grad():
        outputs = run.joint.perceive(torch.from_numpy(samples.views_NVCHW))
    return np.stack([outputs[name].scores.argmax(1) for name in run.topology.devices], axis=1)


def test_a_device_alone_is_right_where_it_sees_the_object_and_says_what_it_is(run, samples):
    """A black view is never right, whatever the device says of it, as in the authors' code."""
    fused_N = samples.fused_labels_N
    right_NV = own_classes(run, samples) == fused_N[:, None]
    assert set(right_NV.sum(axis=0).tolist()).isdisjoint({0, 60})
    seen_NV = np.random.default_rng(0).random((60, 3)) < 0.6
    labels_NV = np.where(seen_NV, fused_N[:, None], ABSENT)
    half_seen = replace(samples, labels_NV=labels_NV, labels_N=fused_N)
    wanted_V = 100 * (right_NV & seen_NV).mean(axis=0)
    np.testing.assert_allclose(right_alone(run, half_seen), wanted_V)


def test_the_papers_threshold_is_one_of_all_exits_but_the_last_at_temperature_1(run, samples):
    """Whatever the run's own rules are: the published figures know no temperature."""
    found = with_threshold(evaluate(run, samples), PAPER_THRESHOLD)
    assert all(rule.temperature != 1 for rule in run.rules.values())
    assert found.rules == {
        "local": ExitRule(threshold=0.8, temperature=1.0),
        "cloud": ExitRule(threshold=None, temperature=1.0),
    }
    entropy_N = decide(found.logits["local"], 1.0).entropy_N
    np.testing.assert_array_equal(found.verdicts.exit_N == 0, entropy_N < np.float32(0.8))


def test_a_launched_variant_waits_longer_than_what_ships(study):
    """Beside other work nobody may be given up: deadlines and heartbeats alike."""
    patient, plain = cameras(study.data), read_topology("six-cameras")
    assert patient.heartbeat.patience == PATIENCE * plain.heartbeat.patience
    assert patient.heartbeat.interval_ms == plain.heartbeat.interval_ms
    assert patient.collector.answer_ms == PATIENCE * plain.collector.answer_ms
    for slow, fast in zip(patient.tiers, plain.tiers, strict=True):
        assert slow.deadline_ms == PATIENCE * fast.deadline_ms
        assert slow.exit.deadline_ms == PATIENCE * fast.exit.deadline_ms


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """Whoever learns from its training samples is right on the validation samples and wrong on
    the test samples: these have the labels of other classes."""
    samples, order = random_views(star_topology(), 96), np.arange(96)
    plain = samples.views_NVCHW // 8 + 60 * samples.labels_NV[..., None, None, None]
    labels_NV = samples.labels_NV.copy()
    labels_NV[72:] = (labels_NV[72:] + 1) % 3
    folder = tmp_path_factory.mktemp("study")
    return Study(
        card="none",
        data=DataSet(
            name="reversed",
            samples=replace(samples, views=plain.astype(np.uint8), labels_NV=labels_NV),
            split=Split(train=order[:48], validation=order[48:72], test=order[72:]),
            digest="0" * 16,
        ),
        preset="paper",
        seeds=1,
        changes={"epochs": 6, "batch": 8, "learning_rate": 0.02, "augment": "none"},
        runs=folder / "runs",
        out=folder,
        is_smoke=True,
        options=Namespace(survival=[], fresh=False),
        own_options="",
    )


SETTINGS = {
    "table1": "MP-CC", "table2": "paper", "figure8": "3", "figure9": "4", "figure10": "none",
    "failures": "robust", "outage": "both", "aggregators": "gated",
}  # fmt: skip
"""Of each script the one that is tried."""
WITHOUT = ("_share", "_bytes", "_points", "_limit", "_bits", "camera")
"""What is no accuracy."""


@pytest.mark.parametrize("script", SETTINGS)
def test_accuracies_are_those_of_the_test_samples(study, script):
    rows = import_module(f"experiments.paper.{script}").measure(study, SETTINGS[script], 0)
    found = {
        f"{row}, {name}": value
        for row, values in rows.items()
        for name, value in values.items()
        if not name.endswith(WITHOUT)
    }
    assert found
    assert {what: value for what, value in found.items() if value > 50} == {}


@pytest.mark.parametrize(
    ("script", "setting", "row", "measure"),
    [
        ("table1", "MP-CC", "MP-CC", "cloud"),
        ("table2", "paper", "0.1", "cloud"),
        ("failures", "paper", "lost none", "cloud"),
        ("outage", "both", "0", "paper_cloud"),
        ("byte_options", "as shipped", "as shipped", "all_cloud"),
        ("image_codes", "raw", "raw", "all_cloud"),
    ],
)
def test_each_object_counts_the_same_where_objects_are_known(study, script, setting, row, measure):
    """All that the cloud has right is one object here, and all else another: half are right."""
    labels_NV = study.data.samples.labels_NV.copy()
    labels_NV[72:77] = (labels_NV[72:77] + 2) % 3  # as they were, which the network has learned
    samples = replace(study.data.samples, labels_NV=labels_NV)
    study = replace(study, data=replace(study.data, samples=samples))
    filters = (16,) if script == "table1" else (4,)
    joint = study.train(cameras(study.data, filters=filters), seed=0).joint
    test = study.data.part("test")
    right_N = predict(joint, test)["cloud"].argmax(axis=1) == test.fused_labels_N
    assert 0 < right_N.sum() < len(right_N) / 2
    objects_N = np.zeros(len(samples), dtype=np.int64)
    objects_N[study.data.split.test] = right_N
    known = replace(study, data=replace(study.data, objects_N=objects_N))
    rows = import_module(f"experiments.paper.{script}").measure(known, setting, 0)
    assert rows[row][measure] == pytest.approx(50)
