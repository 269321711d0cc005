"""A page that is down, or whose browsers hang, changes nothing of what a launch answers."""

import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
from builders import patient, star_topology
from launched_page import launched, trained_with_card
from networks import Trainer
from ports import free_endpoints
from visitor import At, Visitor

from ddnn.live.feed import Feed
from ddnn.live.page.options import PageOptions
from ddnn.live.page.server import Page
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.topology import Topology

pytestmark = pytest.mark.process
SAMPLES = 300
ALL = ("predicted_N", "exit_N", "present_NV", "degraded_N", "entropy_N")


def nobody(_asked: dict[str, object]) -> None:
    return None


@pytest.mark.parametrize("how", ["browsers hang", "the page is down"])
def test_a_launch_answers_the_same_beside_a_page_that_is_of_no_use(how, tmp_path):
    trained = Trainer(tmp_path)(patient(star_topology()), SAMPLES)
    options = Options(free_ports=True, rounds=3)
    plain = launch(trained.bundle, trained.samples, options)
    feed = Feed()
    page = Page(PageOptions(host="127.0.0.1", port=0), trained.bundle.topology, feed, act=nobody)
    with ExitStack() as stack:
        if how == "browsers hang":
            stack.enter_context(page)
            for _ in range(10):  # they ask, and read nothing
                stack.enter_context(Visitor(page).open_stream())
        else:  # it takes nothing from the feed, and fills up
            stack.callback(page.abandon)
        beside = launch(trained.bundle, trained.samples, options, Watcher(feed=feed, account_s=0.1))
    assert beside.report["answered"] == 3 * SAMPLES
    assert beside.report["notes"] == []
    for name in ALL:
        np.testing.assert_array_equal(getattr(beside.verdicts, name), getattr(plain.verdicts, name))


def test_the_page_of_the_collectors_host_shows_the_nodes_of_the_others(tmp_path):
    """They are alive by what is heard of them, and what they counted is there."""
    document = patient(star_topology(), seconds=10).model_dump(mode="json")
    document["collector"]["host"] = "site"
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cam1" else "site"
    topology = Topology.model_validate(document)
    trained = trained_with_card(
        tmp_path, topology.with_endpoints(free_endpoints(topology)), SAMPLES
    )
    views = ("--data", str(tmp_path / "card.yaml"), "--split", "all")
    far = subprocess.Popen(
        [
            *(sys.executable, "-m", "ddnn", "launch", str(trained.bundle.folder)),
            *("--host", "far", *views),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        here = ("--host", "site", "--join", "--rate", "50", "--rounds", "999")
        with launched(tmp_path, trained, *here, ports=()) as (address, _):
            states = (found for name, found in Visitor(At(address)).events() if name == "state")
            state = next(s for s in states if s["links"]["cam1:gateway"]["payload_per_sample"])
            assert {node["state"] for node in state["nodes"].values()} == {"alive"}
    finally:
        far.terminate()
        far.wait(60)
