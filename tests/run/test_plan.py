"""Failure plans: what is wrong is told in one line, by file and key path or by option."""

from pathlib import Path

import pytest
import yaml
from builders import star_topology

from ddnn.errors import ConfigError
from ddnn.run.failures.plan import (
    FailurePlan,
    parse_failure,
    plan_for,
    plan_of,
    presence,
    read_plan,
)
from ddnn.topology import Topology

TOPOLOGY = star_topology()
SAMPLES = 100


def entry(sample: int, node: str, kind: str, **more: object) -> dict[str, object]:
    return {"at": {"sample": sample}, "node": node, "kind": kind, **more}


def written(folder: Path, *failures: dict[str, object], topology: str = "star") -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"topology": topology, "failures": list(failures)}))
    return str(path)


OK = entry(1, "cam0", "hang", **{"for": {"samples": 2}})
WRONG = {
    "no such node": (entry(1, "cam7", "kill"), "failures.1.node: no node named 'cam7' (known: "),
    "no such link": (
        {"at": {"sample": 1}, "link": ["cam0", "cam1"], "kind": "drop"},
        "failures.1.link: no link from cam0 to cam1",
    ),
    "too late": (entry(100, "cam1", "kill"), "failures.1.at.sample: got 100, the run has samples "),
    "no moment": (entry(1, "cam1", "kill", at={}), "failures.1.at: want either sample or seconds"),
    "no place": ({"at": {"sample": 1}, "kind": "kill"}, "failures.1: kill: want either node or "),
    "yes for a share": (entry(1, "cam1", "drop", share=True), "failures.1.share: got True, want a"),
    "no such strength": (
        entry(1, "cam1", "kill", share=0.5),
        "failures.1: kill: has no share (that is for drop, corrupt)",
    ),
    "mixed": (
        entry(1, "cam1", "kill", **{"for": {"seconds": 1}}),
        "failures.1: for: want samples with a sample, seconds with seconds",
    ),
    "nothing to recover": (
        entry(9, "cam1", "recover"),
        "failures.1.kind: recover: cam1 has not failed before, want a failure to recover from",
    ),
}


@pytest.mark.parametrize(("failure", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_named_by_file_and_number(tmp_path, failure, said):
    path = written(tmp_path, OK, failure)
    with pytest.raises(ConfigError) as caught:
        plan_for(TOPOLOGY, SAMPLES, name=path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


def test_a_plan_for_another_topology_is_named_by_its_file(tmp_path):
    path = written(tmp_path, OK, topology="moon")
    with pytest.raises(ConfigError) as caught:
        plan_for(TOPOLOGY, SAMPLES, name=path)
    assert str(caught.value) == f"{path}: topology: got 'moon', this run's is 'star'"


OPTIONS = {
    "too late": (["cam2@500"], [], "--kill cam2@500: got 500, the run has samples 0 to 99"),
    "no such node": (["cam7@5"], [], "--kill cam7@5: no node named 'cam7' (known: cam0, "),
    "dead": (["cam2@5", "cam2@7"], [], "--kill cam2@7: kill: cam2 is dead since sample 5, want "),
    "alive": ([], ["cam2@5"], "--recover cam2@5: recover: cam2 has not failed before"),
    "no sample": (["cam2"], [], "--kill: got 'cam2', want NODE@SAMPLE, for example cam4@100"),
}


@pytest.mark.parametrize(("kills", "recovers", "said"), OPTIONS.values(), ids=OPTIONS)
def test_a_wrong_option_is_named_as_it_was_typed(tmp_path, kills, recovers, said):
    with pytest.raises(ConfigError) as caught:
        plan_for(TOPOLOGY, SAMPLES, name=written(tmp_path, OK), kills=kills, recovers=recovers)
    assert str(caught.value).startswith(said)


ORDERS = {
    "killed when dead": ([entry(5, "cam0", "kill"), entry(9, "cam0", "kill")], "is dead since"),
    "stopped when dead": ([entry(5, "cam0", "kill"), entry(9, "cam0", "hang")], "is dead since"),
    "stopped twice": ([entry(5, "cam0", "hang"), entry(9, "cam0", "hang")], "is stopped since"),
    "killed while stopped": ([entry(5, "cam0", "hang"), entry(9, "cam0", "kill")], None),
    "killed after its time": (
        [entry(9, "cam0", "kill"), entry(5, "cam0", "kill", **{"for": {"samples": 3}})],
        None,
    ),
    "killed, recovered, killed": (
        [entry(5, "cam0", "kill"), entry(6, "cam0", "recover"), entry(7, "cam0", "kill")],
        None,
    ),
    "recovered too soon": ([entry(6, "cam0", "kill"), entry(5, "cam0", "recover")], "not failed"),
    "at seconds nobody knows": (
        [
            entry(6, "cam0", "kill"),
            entry(7, "cam0", "kill"),
            entry(0, "cam1", "kill", at={"seconds": 1}),
        ],
        None,
    ),
}


@pytest.mark.parametrize(("failures", "said"), ORDERS.values(), ids=ORDERS)
def test_who_is_killed_must_run_and_who_recovers_must_have_failed(tmp_path, failures, said):
    path = written(tmp_path, *failures)
    if said is None:
        assert len(plan_for(TOPOLOGY, SAMPLES, name=path).failures) == len(failures)
    else:
        with pytest.raises(ConfigError, match=said):
            plan_for(TOPOLOGY, SAMPLES, name=path)


def test_a_node_that_is_started_again_may_be_killed_again():
    document = TOPOLOGY.model_dump(mode="json")
    document["nodes"]["gateway"]["restart"] = "always"
    topology = Topology.model_validate(document)
    assert plan_of(topology, kills=["gateway@5", "gateway@50"]).failures


def test_files_and_options_make_one_plan(tmp_path):
    path = written(tmp_path, OK)
    plan = plan_for(TOPOLOGY, SAMPLES, name=path, kills=["cam1@7"], recovers=["cam1@9"])
    assert [failure.where for failure in plan.failures] == ["cam0", "cam1", "cam1"]
    assert plan.failures[:1] == read_plan(path).failures


def test_a_failure_says_how_strong_it_is_and_no_more(tmp_path):
    link = {"at": {"sample": 1}, "link": ["cam0", "gateway"], "kind": "delay", "jitter_ms": 5}
    path = written(tmp_path, link, entry(2, "cam0", "slow"), entry(3, "cam0", "kill"))
    texts = [failure.text for failure in read_plan(path).failures]
    assert texts == ["delay (delay_ms 50, jitter_ms 5)", "slow (factor 10)", "kill"]


def lasting(sample: int, until: int, kind: str) -> dict[str, object]:
    return entry(sample, "cam1", kind, **{"for": {"samples": until - sample}})


ABSENCES = {
    "one after the other": ([lasting(10, 20, "kill"), lasting(15, 30, "partition")], (10, 30)),
    "one within the other": ([lasting(10, 60, "hang"), lasting(20, 30, "partition")], (10, 60)),
    "twice the same": ([lasting(10, 60, "partition"), lasting(20, 30, "partition")], (10, 60)),
    "recovered": ([lasting(10, 60, "hang"), entry(20, "cam1", "recover")], (10, 20)),
    "started again while stopped": ([lasting(5, 60, "hang"), lasting(10, 20, "kill")], (5, 20)),
}


@pytest.mark.parametrize(("entries", "absent"), ABSENCES.values(), ids=ABSENCES)
def test_a_device_is_absent_while_any_failure_silences_it(entries, absent):
    failures = tuple(parse_failure(e) for e in entries)
    plan = FailurePlan(topology="star", failures=failures)
    present_NV = presence(plan, TOPOLOGY, SAMPLES)
    assert present_NV[:, [0, 2]].all()
    found = [sample for sample in range(SAMPLES) if not present_NV[sample, 1]]
    assert found == list(range(*absent))


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (entry(0, "cam1", "kill", at={"seconds": 1}), ".at: got seconds, want a sample: "),
        (entry(1, "cloud", "kill"), ": got cloud, offline want a device"),
        (
            {"at": {"sample": 1}, "link": ["cam0", "gateway"], "kind": "drop"},
            ": got cam0:gateway, offline want a device",
        ),
        (entry(1, "cam1", "drop"), ".kind: got drop, offline want kill, hang, partition"),
    ],
    ids=["seconds", "no device", "a link", "another kind"],
)
def test_what_only_a_run_can_tell_is_refused_offline(failure, said):
    plan = FailurePlan(topology="star", failures=(parse_failure(failure),))
    with pytest.raises(ConfigError) as caught:
        presence(plan, TOPOLOGY, SAMPLES)
    assert str(caught.value).startswith(f"plan plan: failures.0{said}")


def test_a_device_is_absent_with_those_that_share_its_process():
    document = TOPOLOGY.model_dump(mode="json", by_alias=True)
    for name in TOPOLOGY.devices[:2]:
        document["nodes"][name]["pack"] = True
    topology = Topology.model_validate(document)
    first, second = topology.devices[:2]
    entries = [
        {"node": second, "kind": "kill", "at": {"sample": 1}, "for": {"samples": 2}},
        {"node": first, "kind": "partition", "at": {"sample": 2}, "for": {"samples": 2}},
    ]
    plan = FailurePlan(topology="star", failures=tuple(parse_failure(entry) for entry in entries))
    present_NV = presence(plan, topology, 5)
    assert present_NV[:, 0].tolist() == [True, False, False, False, True]
    assert present_NV[:, 1].tolist() == [True, False, False, True, True]
    assert present_NV[:, 2:].all()
