"""What accounts and answers add up to. N samples."""

from dataclasses import replace

import pytest
from builders import patient, star_topology
from networks import Trained

from ddnn.nodes.noticed import Gone
from ddnn.nodes.recorder import Recorder
from ddnn.report.tally import Tally
from ddnn.run.failures.plan import plan_of
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.history import History
from ddnn.run.launcher.start import Watcher
from ddnn.run.outcome import (
    NodeState,
    build_report,
    device_sample_bytes,
    device_sample_equation,
    gone_entry,
    kernel_entry,
    link_counts,
)
from ddnn.topology import Topology
from ddnn.wire.messages import Account, KernelCount, Kind, LinkCount

STAR = star_topology()
GATEWAY, CLOUD = ("cam0", "gateway"), ("cam0", "cloud")


@pytest.fixture(scope="module")
def ran(train) -> tuple[Trained, Recorder]:
    """A run in which cam1 dies, so that a few samples wait for it."""
    trained = train(STAR, 60)
    plan = plan_of(STAR, kills=["cam1@20"])
    return trained, run_inprocess(trained.bundle, trained.samples.views, plan=plan, window=4)


@pytest.fixture
def report(ran) -> dict:
    return reported(*ran)


def reported(trained: Trained, collector: Recorder) -> dict:
    tally = Tally(tuple(trained.bundle.topology.exits), trained.bundle.topology.classes)
    for answer in collector.kept:
        tally.add(answer, int(trained.samples.fused_labels_N[answer.sample]))
    return build_report(
        collector,
        trained.bundle,
        tally,
        states={name: NodeState(state=name.upper()) for name in STAR.nodes},
        history=History(Watcher()),
        duration_s=4.0,
        ready_s=1.0,
    )


def accounts(ran, **links: list[LinkCount]) -> dict[str, Account]:
    """Of these nodes, with these counts and no others."""
    some = next(iter(ran[1].accounts.values()))
    return {name: replace(some, links=tuple(counts)) for name, counts in links.items()}


def count(link: tuple[str, str], kind: Kind, messages: int, **levels: float) -> LinkCount:
    return LinkCount(link, kind, True, messages, **levels)


def test_the_senders_count_is_taken_unless_the_receiver_saw_more(ran):
    """A node that is gone sends no account; one that was started again forgot what it sent."""
    seen = replace(count(GATEWAY, Kind.SCORES, 9, rows=9), sent=False)
    own = count(GATEWAY, Kind.SCORES, 9, rows=8)
    forgot = count(GATEWAY, Kind.SCORES, 4, rows=4)
    assert link_counts(accounts(ran, cam0=[own], gateway=[seen])) == [own]
    assert link_counts(accounts(ran, gateway=[seen], cam0=[own])) == [own]
    assert link_counts(accounts(ran, cam0=[forgot], gateway=[seen])) == [seen]
    assert link_counts(accounts(ran, gateway=[seen])) == [seen]


def test_a_devices_bytes_are_those_of_its_data_by_sample_asked_for():
    counts = [
        count(("collector", "cam0"), Kind.CAPTURE, 1, rows=10, zmtp=500),
        count(GATEWAY, Kind.SCORES, 2, rows=10, information=50, payload=120, zmtp=160, ip=400),
        count(CLOUD, Kind.FEATURES, 3, rows=4, information=8, payload=16, zmtp=40, ip=200),
        count(("gateway", "collector"), Kind.VERDICT, 5, rows=10, payload=99, zmtp=99, ip=99),
        count(GATEWAY, Kind.HEARTBEAT, 7, zmtp=70, ip=280),
        count(("gateway", "cloud"), Kind.SCORES, 2, rows=10, payload=99, zmtp=99, ip=99),
    ]
    wanted = {"information": 5.8, "payload": 13.6, "zmtp": 20, "ip": 60}
    assert device_sample_bytes(counts, STAR) == pytest.approx(wanted)
    assert device_sample_equation(counts, STAR) == (10 * 12 + 4 * 4) / 10
    nothing = device_sample_bytes(counts[1:], STAR)
    assert set(nothing.values()) == {None}


def test_features_whose_size_follows_from_their_content_have_no_equation(ran):
    document = STAR.model_dump(mode="json")
    document["tiers"][0]["features"] = "entropy-coded"
    coded = Topology.model_validate(document)
    assert device_sample_equation(link_counts(ran[1].accounts), coded) is None
    assert device_sample_equation(link_counts(ran[1].accounts), STAR) is not None


def test_the_kernels_count_is_held_against_ours(ran):
    both = accounts(ran, cam0=[], gateway=[], cloud=[])
    for name, zmtp, kernel in (("cam0", 100, 103), ("cloud", 50, 50)):
        counted = KernelCount(connections=2, unread=1, received_zmtp=zmtp, received_kernel=kernel)
        both[name] = replace(both[name], kernel=counted)
    found = kernel_entry(both)
    assert found is not None
    names = found.pop("nodes")
    assert found == {
        "zmtp": 150, "kernel": 153, "difference": 3, "connections": 4, "unread": 2,
    }  # fmt: skip
    assert list(names) == ["cam0", "cloud"]
    assert kernel_entry(accounts(ran, cam0=[])) is None


def test_latencies_are_those_of_each_exits_own_samples_in_ms(train):
    """Features take 40 ms more to the cloud."""
    slow = [{"from": f"cam{view}", "to": "cloud", "latency_ms": 40} for view in range(3)]
    trained = train(patient(star_topology(links=slow)), 60)
    collector = run_inprocess(trained.bundle, trained.samples.views, window=1)
    found = reported(trained, collector)["latency_ms"]
    assert all(value == pytest.approx(0, abs=0.01) for value in found["local"].values())
    assert all(39.8 <= value < 80 for value in found["cloud"].values())


def test_what_was_noticed_is_told_as_gone_or_back_with_the_silence_in_ms():
    gone = gone_entry(Gone("cam1", 7, back=False, silent_s=0.25))
    assert gone == {"node": "cam1", "kind": "noticed-gone", "sample": 7, "silent_ms": 250}
    assert gone_entry(Gone("cam1", 9, back=True))["kind"] == "noticed-back"


def test_nodes_and_links_have_their_bytes_each_way(ran, report):
    zmtp = {}
    for c in link_counts(ran[1].accounts):
        zmtp[c.link] = zmtp.get(c.link, 0) + c.zmtp
    for name, node in report["nodes"].items():
        assert node["state"] == name.upper()
        assert node["sent_bytes"] == sum(n for link, n in zmtp.items() if link[0] == name)
        assert node["received_bytes"] == sum(n for link, n in zmtp.items() if link[1] == name)
    assert report["nodes"]["cam0"]["sent_bytes"] != report["nodes"]["cam0"]["received_bytes"]
    found = {}
    for link in report["bytes"]["links"]:
        ends = link["from"], link["to"]
        found[ends] = found.get(ends, 0) + link["zmtp"]
        assert link["data"] == (link["kind"] in ("scores", "features"))
    assert found == zmtp


def test_answers_are_counted_as_they_are_given(ran, report):
    _, collector = ran
    assert report["answered"] == report["samples"] == 60
    assert report["prior_answers"] == 0
    assert report["degraded"] == collector.degraded_N.sum()
    assert report["throughput_samples_per_s"] == 60 / 4.0
    assert report["bytes"]["per_device_sample_raw"] == 8 * 8
