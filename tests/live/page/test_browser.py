"""The page in a real browser, beside a real launch of eight nodes."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from launched_page import launched, trained_with_card
from networks import Trained
from waiting import wait_until

from ddnn.topology import read_topology

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="needs playwright"),
]
DEADLINE_S = 30
DEVICES = [f"cam{number}" for number in range(6)]
FOR_LONG = ("--rate", "40", "--rounds", "100000")
SHOTS = os.environ.get("DDNN_SCREENSHOTS")
"""A folder: pictures of what the tests see are left there, to be looked at."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # may be missing

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    folder = tmp_path_factory.mktemp("page")
    return folder, trained_with_card(folder, read_topology("six-cameras"), 200)


class Seen:
    """A page that is open, and everything that went wrong in it."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(1000 * DEADLINE_S)
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda line: self._note(line.type, line.text))
        self.page.goto(address)

    def _note(self, kind: str, text: str) -> None:
        """A connection that is refused while the page is down is no fault of it."""
        if kind == "error" and "ERR_" not in text:
            self.wrong.append(text)

    def live(self) -> Seen:
        self.page.wait_for_selector("#status.live")
        return self

    def node(self, name: str, state: str) -> None:
        """Until it is so."""
        self.page.wait_for_selector(f".node[data-node={name}][data-state={state}]")

    def place(self, name: str) -> tuple[float, float]:
        box = self.page.locator(f".node[data-node={name}]").bounding_box()
        return box["x"], box["y"]

    def is_as(self, before: dict[str, tuple[float, float]]) -> bool:
        """Whether all are where they were; a thicker line is half a pixel."""
        now = self.places()
        return all(now[name] == pytest.approx(before[name], abs=1) for name in before)

    def places(self) -> dict[str, tuple[float, float]]:
        self.page.evaluate("scrollTo(0, 0)")
        return {name: self.place(name) for name in (*DEVICES, "gateway", "cloud")}

    def answered(self) -> int:
        return int(self.page.evaluate("state.answered"))

    def wait(self, condition: str) -> None:
        """Until it is so in the page, whose policy lets nobody wait within it."""
        wait_until(lambda: self.page.evaluate(condition), DEADLINE_S)

    def press(self, node: str, button: str) -> None:
        self.page.locator(f".node[data-node={node}]").click()
        self.page.get_by_role("button", name=button, exact=True).click()
        self.wait("document.getElementById('said').textContent !== ''")
        assert self.page.locator("#said.bad").count() == 0, self.page.inner_text("#said")

    def picture(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_a_camera_is_killed_on_the_page_and_comes_back(browser, six):
    folder, trained = six
    with launched(folder, trained, "--allow-faults", *FOR_LONG) as (address, _):
        first = Seen(browser, address, viewport={"width": 1440, "height": 1000}).live()
        second = Seen(browser, address, viewport={"width": 390, "height": 844}).live()
        for name in (*DEVICES, "gateway", "cloud"):
            first.node(name, "alive")
        first.wait("state.accuracy.samples > 60")
        before = first.places()
        first.press("cam5", "kill")
        first.node("cam5", "failed")
        second.node("cam5", "failed")
        first.wait("state.marks.length === 1 && state.marks[0].after.samples >= 40")
        mark = first.page.evaluate("state.marks[0]")
        assert (mark["node"], mark["what"], mark["before"]["samples"] > 60) == (
            "cam5",
            "kill",
            True,
        )
        assert "kill" in first.page.inner_text("#marks tr[data-node=cam5]")
        assert first.is_as(before)  # the dead one stays drawn, nothing jumps
        first.wait("state.links['cam0:gateway'].payload_per_sample > 0")
        first.picture("killed-1440")
        second.picture("killed-390")
        first.press("cam5", "recover")
        first.node("cam5", "alive")
        second.node("cam5", "alive")
        assert first.is_as(before)
        assert first.page.evaluate("document.documentElement.scrollWidth") <= 1440
        assert second.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert first.wrong == second.wrong == []


def test_every_button_of_a_node_and_a_link_reaches_the_launch(browser, six):
    folder, trained = six
    with launched(folder, trained, "--allow-faults", *FOR_LONG) as (address, _):
        seen = Seen(browser, address, viewport={"width": 1440, "height": 1000}).live()
        seen.wait("state.answered > 0")
        for kind in ("slow", "delay", "drop", "corrupt", "partition"):
            seen.press("cam1", kind)
            seen.wait(f"state.nodes.cam1.faults.some((text) => text.startsWith('{kind}'))")
        seen.press("cam2", "hang")
        seen.node("cam2", "silent")
        for node in ("cam1", "cam2"):
            seen.press(node, "recover")
            seen.wait(f"state.nodes.{node}.faults.length === 0")
            seen.node(node, "alive")
        link = seen.page.get_by_role("button", name="link cam0 to gateway")
        link.focus()
        link.press("Enter")
        seen.page.get_by_role("button", name="drop", exact=True).click()
        seen.wait("state.links['cam0:gateway'].faults.length === 1")
        assert seen.wrong == []


def test_without_allow_faults_there_are_no_buttons(browser, six):
    folder, trained = six
    with launched(folder, trained, *FOR_LONG) as (address, _):
        seen = Seen(browser, address).live()
        seen.page.locator(".node[data-node=cam0]").click()
        seen.page.wait_for_selector("#detail b")
        assert seen.page.get_by_role("button", name="kill", exact=True).count() == 0


def test_views_are_shown_where_that_is_asked_for_and_nowhere_else(browser, six):
    """As the network sees them, and by a page whose policy lets no picture in from elsewhere."""
    folder, trained = six
    with launched(folder, trained, "--allow-faults", "--show-views", *FOR_LONG) as (address, _):
        wide = Seen(browser, address, viewport={"width": 1440, "height": 1000}).live()
        narrow = Seen(
            browser, address, viewport={"width": 390, "height": 844}, color_scheme="dark"
        ).live()
        for seen in (wide, narrow):
            for name in DEVICES:
                seen.page.wait_for_selector(f".seen[data-device={name}][data-state=seen] canvas")
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 1440
        assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 390
        drawn, sample = wide.page.evaluate(DRAWN)
        wanted_HWC = trained.samples.views_NVCHW[sample % len(trained.samples), 3]
        np.testing.assert_array_equal(np.array(drawn), wanted_HWC.transpose(1, 2, 0).ravel())
        wide.press("cam3", "kill")
        wide.page.wait_for_selector(".seen[data-device=cam3][data-state=failed]")
        assert wide.page.locator(".seen.old").count() == 1  # faint: it is the view before
        wide.picture("views-1440")
        narrow.picture("views-390")
        assert wide.wrong == narrow.wrong == []
    with launched(folder, trained, *FOR_LONG) as (address, _):
        seen = Seen(browser, address).live()
        seen.wait("state.answered > 60")
        assert seen.page.locator("#p-views").is_hidden()
        assert seen.page.locator(".seen").count() == 0


DRAWN = """() => {
  const { canvas, seen } = views.places.get("cam3");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [Array.from(data).filter((_, place) => place % 4 < 3), seen.sample];
}"""
"""Pixels of cam3's view, row by row, and the sample's number."""


def test_a_slow_browser_is_brought_up_to_date_and_holds_nobody_up(browser, six):
    folder, trained = six
    with launched(folder, trained, *FOR_LONG) as (address, _):
        slow = Seen(browser, address).live()
        network = slow.page.context.new_cdp_session(slow.page)
        network.send("Network.enable")
        limits = {"offline": False, "latency": 400, "downloadThroughput": 4000}
        network.send("Network.emulateNetworkConditions", limits | {"uploadThroughput": 4000})
        fast = Seen(browser, address).live()
        fast.wait(f"state.answered > {fast.answered()} + 100")
        slow.wait(f"state.answered > {slow.answered()}")
        assert fast.wrong == slow.wrong == []


def test_a_page_left_open_finds_the_next_run_by_itself(browser, six):
    folder, trained = six
    with launched(folder, trained, *FOR_LONG) as (address, _):
        seen = Seen(browser, address).live()
        seen.wait("state.answered > 20")
        run = seen.page.evaluate("facts.run")
    seen.page.wait_for_selector("#status.over, #status.gone")
    for name in DEVICES:  # what was last known stays
        assert seen.page.locator(f".node[data-node={name}]").count() == 1
    place = address.removeprefix("http://").rstrip("/")
    with launched(folder, trained, *FOR_LONG, page=place):
        seen.live()
        seen.wait(f"facts.run !== '{run}' && state.answered > 0")
        assert seen.wrong == []


def test_names_are_shown_as_they_are_and_run_nothing(browser, tmp_path):
    document = read_topology("six-cameras").model_dump(mode="json")
    document["classes"] = ["<img src=x onerror=alert(1)>", "<b>bus</b>", "person"]
    topology = type(read_topology("six-cameras")).model_validate(document)
    trained = trained_with_card(tmp_path, topology, 100)
    with launched(tmp_path, trained, *FOR_LONG) as (address, _):
        seen = Seen(browser, address).live()
        seen.page.wait_for_selector("#ticker tr")
        names = set(seen.page.evaluate("state.ticker.map((entry) => entry.name)"))
        assert names <= set(document["classes"])
        assert seen.page.locator("#ticker img, #ticker b").count() == 0
        assert seen.wrong == []
