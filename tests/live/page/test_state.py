"""The page's state: events in, what browsers are shown out."""

import json

import pytest
from builders import star_topology
from events import begin, failure, give, links, nodes, verdict, view

from ddnn.live.events import EndEvent, LostEvent
from ddnn.live.page.state import TICKER, State
from ddnn.topology import Topology


def state(topology: Topology | None = None, **more: object) -> State:
    found = State(topology or star_topology(), run="r", **more)
    found.take(begin(star_topology()))
    return found


def test_what_is_shown_is_json_from_the_first_moment_on():
    found = State(star_topology(), run="r")
    for document in (found.facts(), found.snapshot(), found.history()):
        json.dumps(document, allow_nan=False)
    assert {n: s["state"] for n, s in found.snapshot()["nodes"].items()} == dict.fromkeys(
        star_topology().nodes, "starting"
    )


def test_verdicts_are_counted_by_exit_and_judged_where_the_truth_is_known():
    found = state()
    for number in range(10):
        give(found, verdict(number / 10, sample=number, right=number < 8))
    give(found, verdict(1.0, exit="cloud", label=None, degraded=True))
    shown = found.snapshot()
    assert shown["answered"] == 11
    assert shown["degraded"] == 1
    assert shown["exits"]["local"]["samples"] == 10
    assert shown["exits"]["cloud"]["share"] == pytest.approx(1 / 11)
    assert shown["exits"]["local"]["p50_ms"] == pytest.approx(4, rel=0.01)
    assert shown["accuracy"]["samples"] == 10
    assert shown["accuracy"]["accuracy"] == 0.8
    low, high = shown["accuracy"]["interval"]
    assert low < 0.8 < high


def test_of_each_device_the_latest_view_is_shown_once():
    found = state(shows_views=True)
    assert found.facts()["views"] == ["cam0", "cam1", "cam2"]
    found.take(view("cam0", 1))
    found.take(view("cam1", 1))
    before = found.version
    assert [event["node"] for event in found.views(-1)] == ["cam0", "cam1"]
    found.take(view("cam0", 2, "frozen"))
    assert [(e["node"], e["sample"], e["state"]) for e in found.views(before)] == [
        ("cam0", 2, "frozen")
    ]
    assert found.views(found.version) == []


def test_the_page_says_whether_views_are_shown():
    assert state().facts()["views"] is None


def test_a_sample_that_no_exit_answered_is_in_no_exits_share():
    found = state()
    give(found, verdict(exit=None, present="000"))
    assert found.snapshot()["unanswered_by_exits"] == 1
    assert found.snapshot()["exits"]["local"]["samples"] == 0


@pytest.mark.parametrize(
    ("restart", "seen", "wanted"),
    [
        ("never", "running", "alive"),
        ("never", "silent", "silent"),
        ("never", "killed", "failed"),
        ("never", "stopped", "failed"),
        ("always", "killed", "restarting"),
        (1, "stopped", "restarting"),
    ],
)
def test_a_node_stands_as_its_process_and_its_policy_say(restart, seen, wanted):
    document = star_topology().model_dump(mode="json")
    document["nodes"]["cam0"]["restart"] = restart
    found = state(Topology.model_validate(document))
    found.take(nodes(cam0=seen, cam1="running"))
    assert found.snapshot()["nodes"]["cam0"]["state"] == wanted


def test_a_node_that_used_up_its_restarts_has_failed():
    document = star_topology().model_dump(mode="json")
    document["nodes"]["cam0"]["restart"] = 1
    found = state(Topology.model_validate(document))
    for event in (
        nodes(cam0="stopped"), failure("cam0", "restarted"), nodes(cam0="running"),
        failure("cam0", "stopped"),
    ):  # fmt: skip
        found.take(event)
    assert found.snapshot()["nodes"]["cam0"]["state"] == "failed"
    assert found.snapshot()["nodes"]["cam0"]["starts"] == 1


def test_a_dead_node_stays_in_the_list_and_its_links_too():
    found = state()
    before = found.facts(), set(found.snapshot()["nodes"]), set(found.snapshot()["links"])
    found.take(failure("cam1", "kill"))
    found.take(nodes(cam0="running"))
    assert found.snapshot()["nodes"]["cam1"]["state"] == "failed"
    after = found.facts(), set(found.snapshot()["nodes"]), set(found.snapshot()["links"])
    assert after == before


def test_failures_in_force_are_named_until_they_end():
    found = state()
    found.take(failure("cam0", "delay", delay_ms=40.0))
    found.take(failure("cam0:gateway", "drop", share=0.5))
    found.take(failure("cam1", "slow", applied=False, factor=2.0))
    shown = found.snapshot()
    assert shown["nodes"]["cam0"]["faults"] == ["delay (delay_ms 40)"]
    assert shown["links"]["cam0:gateway"]["faults"] == ["drop (share 0.5)"]
    assert shown["nodes"]["cam1"]["faults"] == []
    found.take(failure("cam0", "delay ends"))
    found.take(failure("cam0:gateway", "recover"))
    shown = found.snapshot()
    assert shown["nodes"]["cam0"]["faults"] == shown["links"]["cam0:gateway"]["faults"] == []


def test_a_failure_is_a_mark_with_accuracy_before_and_after():
    found = state()
    for number in range(20):
        give(found, verdict(number / 100))
    found.take(failure("cam2", "kill", 1.0))
    found.take(failure("cam2", "noticed-gone", 1.3))
    for number in range(10):
        give(found, verdict(2 + number / 100, right=number < 5, present="110"))
    (mark,) = found.snapshot()["marks"]
    assert (mark["node"], mark["what"], mark["seconds"]) == ("cam2", "kill", 1.0)
    assert (mark["before"]["samples"], mark["before"]["accuracy"]) == (20, 1.0)
    assert (mark["after"]["samples"], mark["after"]["accuracy"]) == (10, 0.5)
    assert found.snapshot()["nodes"]["cam2"]["missing"] == 10


def test_what_is_expected_follows_the_devices_that_are_there():
    found = state(expected={"111": 0.9, "110": 0.7})
    give(found, verdict())
    assert found.snapshot()["expected"] == pytest.approx(0.9)
    give(found, verdict(present="110"))
    give(found, verdict(present="001"))  # the study says nothing of it
    give(found, verdict(present="110", degraded=True))  # nor of samples without a deeper exit
    assert found.snapshot()["expected"] == pytest.approx(0.8)


def test_links_say_bytes_a_sample_and_messages_a_second_of_late():
    found = state()
    found.take(links(10, samples=100, payload=1200))
    assert found.snapshot()["links"]["cam0:gateway"]["messages_per_s"] is None
    for number in range(50):
        give(found, verdict(10 + number / 10))
    found.take(links(15, samples=150, payload=1800))
    shown = found.snapshot()["links"]["cam0:gateway"]
    assert shown == {
        "payload_per_sample": 12, "messages_per_s": 10, "bytes_per_s": 200, "faults": [],
    }  # fmt: skip
    assert found.snapshot()["bytes"] == {"payload": 12}


def test_truth_that_comes_later_is_what_counts():
    found = state()
    for number in range(3):
        give(found, verdict(number / 2, label=None))
    found.take(failure("cam0", "kill", 1.1))
    part = {"samples": 40, "accuracy": 0.75, "interval": (0.6, 0.86)}
    event = {"kind": "accuracy", "time": 1e6, "all": part, "recent": part, "since": part}
    found.take(event | {"before": part})
    assert found.snapshot()["accuracy"] == found.snapshot()["recent"] == part
    assert found.snapshot()["marks"][0]["after"] == part
    give(found, verdict(2.5, label=None))
    place = found.facts()["columns"].index("accuracy")
    accuracy = [point[place] for point in found.history()["points"]]
    assert accuracy == [None, 0.75]


def test_the_ticker_keeps_the_last_and_names_who_is_missing():
    found = state()
    for number in range(TICKER + 5):
        give(found, verdict(sample=number, present="101"))
    ticker = found.snapshot()["ticker"]
    assert [entry["sample"] for entry in ticker] == list(range(5, TICKER + 5))
    assert ticker[0]["missing"] == ["cam1"]
    assert ticker[0]["truth"] == "car"


def test_lost_events_and_the_end_are_told():
    found = state()
    assert found.is_running
    found.take(LostEvent(kind="lost", count=12))
    found.take(EndEvent(kind="end", time=1e6, why=""))
    assert (found.snapshot()["lost"], found.snapshot()["over"]) == (12, "")
    assert not found.is_running


def test_a_clock_that_is_set_back_does_not_go_back():
    found = state()
    give(found, verdict(50))
    give(found, verdict(10))
    assert found.snapshot()["seconds"] == 50


@pytest.mark.parametrize("by_s", [86_400, -86_400, 3.2e8])
def test_a_clock_that_is_set_moves_nothing_on_the_page(by_s):
    """Neither does the page stand still for a day, nor do its charts reach over years."""
    found = state()
    for number in range(20):
        give(found, verdict(number))
    for number in range(20, 40):
        give(found, verdict(number + by_s))
    assert found.snapshot()["seconds"] == 38  # the second in which it was set is not there
    assert len(found.history()["points"]) <= 40


@pytest.mark.parametrize("by_s", [3600, -3600])
def test_a_clock_that_is_set_leaves_the_rates_of_links_as_they_are(by_s):
    found = state()
    for second, moment in enumerate((10, 11, 12, 13 + by_s, 14 + by_s)):
        found.take(links(moment, samples=100 + 10 * second, payload=1200))
    rate = found.snapshot()["links"]["cam0:gateway"]["messages_per_s"]
    assert 10 <= rate <= 15  # the second in which it was set is not there


def test_a_point_of_the_series_has_a_number_a_column():
    found = state(expected={"111": 0.9})
    for number in range(30):
        give(found, verdict(number / 10))
    columns = found.facts()["columns"]
    first = dict(zip(columns, found.history()["points"][0], strict=True))
    assert first["samples_per_s"] == 10
    assert (first["accuracy"], first["expected"]) == (1.0, 0.9)
    assert (first["share_local"], first["share_cloud"], first["degraded"]) == (1, 0, 0)
