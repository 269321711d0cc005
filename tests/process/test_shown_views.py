"""Views leave a device only where it was started to show them, and are no bytes of the study."""

import base64
import threading

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trainer
from ports import free_endpoints

from ddnn.live.feed import Feed
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.run.launcher.remote_host import serve_host
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

pytestmark = pytest.mark.process
SAMPLES = 60
OF_A_SAMPLE = ("predicted_N", "exit_N", "present_NV", "entropy_N")


def views_by_link(report: dict) -> dict[str, int]:
    """Messages by sender; all go to the collector."""
    links = [entry for entry in report["bytes"]["links"] if entry["kind"] == "view"]
    assert {entry["to"] for entry in links} <= {COLLECTOR}
    return {entry["from"]: entry["messages"] for entry in links}


def test_without_the_option_no_view_leaves_a_device(train: Trainer):
    """Also where a feed is read, and everything else of the run goes to it."""
    trained = train(patient(star_topology()), SAMPLES)
    feed = Feed()
    with feed.subscribe(10**6) as reader:
        outcome = launch(
            trained.bundle, trained.samples, Options(free_ports=True), Watcher(feed=feed)
        )
        told = {event["kind"] for event in reader.take()}
    assert views_by_link(outcome.report) == {}
    assert ("view" in told, "verdict" in told) == (False, True)
    assert outcome.report["bytes"]["kernel"]["difference"] == 0  # what was counted is all there was


def test_views_that_are_shown_are_counted_apart_and_change_nothing_else(train: Trainer):
    trained = train(patient(star_topology()), SAMPLES)
    feed = Feed()
    plain = launch(trained.bundle, trained.samples, Options(free_ports=True))
    with feed.subscribe(10**6) as reader:
        options = Options(free_ports=True, show_views=True)
        shown = launch(trained.bundle, trained.samples, options, Watcher(feed=feed))
        views = [event for event in reader.take() if event["kind"] == "view"]
    assert {event["node"] for event in views} == set(trained.bundle.topology.devices)
    for event in views:
        device = trained.bundle.topology.devices.index(event["node"])
        wanted_CHW = trained.samples.views_NVCHW[event["sample"], device]
        pixels = np.frombuffer(base64.b64decode(event["pixels"]), np.uint8)
        shape = event["channels"], event["height"], event["width"]
        np.testing.assert_array_equal(pixels.reshape(shape), wanted_CHW)
    assert views_by_link(shown.report).keys() == set(trained.bundle.topology.devices)
    for name in OF_A_SAMPLE:
        np.testing.assert_array_equal(getattr(shown.verdicts, name), getattr(plain.verdicts, name))
    for level in ("payload", "information"):
        assert (
            shown.report["bytes"]["per_device_sample"][level]
            == plain.report["bytes"]["per_device_sample"][level]
        )
    assert shown.report["bytes"]["kernel"]["difference"] == 0


def test_each_host_decides_whether_its_devices_show_what_they_see(train: Trainer, tmp_path):
    """Sealed as everything is; what a collector was not asked to take it refuses."""
    document = patient(star_topology(2, security={"curve": True}), seconds=10)
    document = document.model_dump(mode="json")
    document["collector"]["host"] = "site"
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cam1" else "site"
    topology = Topology.model_validate(document)
    topology = topology.with_endpoints(free_endpoints(topology))
    trained = train(topology, SAMPLES)
    keys = tmp_path / "keys"
    write_keys(keys, (COLLECTOR, *topology.nodes), make_key_pair)
    for far_shows, site_shows, shown in (
        (False, True, {"cam0"}),
        (True, True, {"cam0", "cam1"}),
        (True, False, set()),
    ):
        shows = Options(host="far", keys=keys, show_views=far_shows)
        far = threading.Thread(target=serve_host, args=(trained.bundle, trained.samples, shows))
        far.start()
        feed = Feed()
        with feed.subscribe(10**6) as reader:
            options = Options(host="site", keys=keys, show_views=site_shows)
            outcome = launch(trained.bundle, trained.samples, options, Watcher(feed=feed))
            seen = {event["node"] for event in reader.take() if event["kind"] == "view"}
        far.join(60)
        assert seen == shown
        refused = outcome.report["collector"]["events"].get("bad-route", 0)
        assert (refused > 0) == (far_shows and not site_shows)
        assert outcome.report["nodes"]["cam1"]["sent_bytes"] > 0  # its account is believed
        assert outcome.report["answered"] == SAMPLES
