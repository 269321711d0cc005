"""Nodes that share a process answer, send and fail as those that do not. N samples, V views."""

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trained, Trainer

from ddnn.run.failures.plan import plan_of, presence
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.run.outcome import Outcome, device_sample_bytes, link_counts
from ddnn.topology import Topology

pytestmark = pytest.mark.process
SAMPLES = 60
TOGETHER = ("cam0", "cam1", "gateway")


def packed(*names: str, **keys: object) -> Topology:
    """A star of three devices of which these nodes share a process."""
    document = patient(star_topology(3)).model_dump(mode="json", by_alias=True)
    for name in names:
        document["nodes"][name] |= {"pack": True, **keys}
    return Topology.model_validate(document)


def run(trained: Trained, said: list[str] | None = None, **options: object) -> Outcome:
    watcher = Watcher(say=(said if said is not None else []).append)
    return launch(trained.bundle, trained.samples, Options(free_ports=True, **options), watcher)


@pytest.fixture(scope="module")
def shared(train: Trainer):
    """Launched, and the same in one process."""
    trained = train(packed(*TOGETHER), SAMPLES)
    return run(trained), run_inprocess(trained.bundle, trained.samples.views_NVCHW)


def test_nodes_of_one_process_answer_as_those_of_many(shared):
    outcome, alone = shared
    for name in ("predicted_N", "exit_N", "present_NV", "degraded_N", "entropy_N"):
        np.testing.assert_array_equal(getattr(outcome.verdicts, name), getattr(alone, name))


def test_bytes_are_counted_per_link_and_agree_with_the_kernel_whoever_shares_a_process(shared):
    outcome, alone = shared
    wanted = {
        (*count.link, count.kind.name.lower()): (count.rows, count.payload)
        for count in link_counts(alone.accounts)
        if count.kind.is_data
    }
    links = outcome.report["bytes"]["links"]
    got = {(e["from"], e["to"], e["kind"]): (e["rows"], e["payload"]) for e in links if e["data"]}
    assert got == wanted
    assert all(node["state"] == "running" for node in outcome.report["nodes"].values())
    assert set(outcome.report["nodes"]) == {*TOGETHER, "cam2", "cloud"}


def test_a_process_gets_one_capture_for_all_its_devices(shared):
    links = shared[0].report["bytes"]["links"]
    captures = {entry["to"]: entry["rows"] for entry in links if entry["kind"] == "capture"}
    assert captures == {"cam0": SAMPLES, "cam2": SAMPLES}
    counted = shared[0].report["bytes"]  # a device and sample, though fewer captures were sent
    alone = device_sample_bytes(link_counts(shared[1].accounts), packed())
    assert counted["per_device_sample"]["payload"] == pytest.approx(alone["payload"])
    assert counted["per_device_sample_equation"] == pytest.approx(alone["payload"])


def test_who_shares_a_process_shares_its_memory(shared):
    memory = {name: node["resident_mb"] for name, node in shared[0].report["nodes"].items()}
    assert memory["cam0"] == pytest.approx(memory["cam1"], abs=1)
    assert memory["cam0"] < memory["cam2"] / 2


@pytest.mark.parametrize("kind", ["kills", "recovers"])
def test_a_kill_is_of_the_process_and_so_is_its_return(train, kind):
    trained = train(packed("cam0", "cam1"), SAMPLES)
    back = {"recovers": [f"cam0@{2 * SAMPLES // 3}"]} if kind == "recovers" else {}
    plan = plan_of(trained.bundle.topology, kills=[f"cam1@{SAMPLES // 3}"], **back)
    said: list[str] = []
    outcome = run(trained, said, plan=plan)
    wanted_NV = presence(plan, trained.bundle.topology, SAMPLES)
    np.testing.assert_array_equal(outcome.verdicts.present_NV, wanted_NV)
    assert wanted_NV[SAMPLES // 3].tolist() == [False, False, True]
    assert wanted_NV[-1].tolist() == [kind == "recovers", kind == "recovers", True]
    assert "cam1: a kill is of its process, with cam0 in it" in said


def test_a_process_that_ends_is_started_again_with_all_its_nodes(train):
    trained = train(packed("cam0", "cam1", restart="always"), 2000)
    plan = plan_of(trained.bundle.topology, kills=["cam1@200"])
    outcome = run(trained, plan=plan, window=1)
    nodes = outcome.report["nodes"]
    restarted = [e["node"] for e in outcome.report["failures"] if e["kind"] == "restarted"]
    assert restarted == ["cam0"]
    assert (nodes["cam0"]["state"], nodes["cam1"]["state"]) == ("running", "running")
    assert outcome.report["answered"] == 2000
