"""Verdicts to a real broker."""

import json
import queue
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from ports import free_port
from test_feed import verdict
from waiting import is_free, wait_until

from ddnn.errors import ConfigError
from ddnn.live.feed import Feed
from ddnn.live.mqtt import MqttVerdicts, check_url

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")


class Broker:
    """Mosquitto on a port of its own, which may be started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")

    def start(self) -> None:
        assert MOSQUITTO
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._file)], stderr=subprocess.DEVNULL
        )
        wait_until(lambda: not is_free("127.0.0.1", self.port))

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def broker(tmp_path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


class Link:
    """A feed whose verdicts go to the broker, and one who reads them there."""

    def __init__(self, broker: Broker) -> None:
        self.got: queue.Queue[dict] = queue.Queue()
        self.subscribed: list[object] = []
        self.said: list[str] = []
        self._reader = Client(CallbackAPIVersion.VERSION2)
        self._reader.on_connect = lambda *_: self._reader.subscribe("site/verdicts", qos=1)
        self._reader.on_subscribe = lambda *_: self.subscribed.append(1)
        self._reader.on_message = lambda _c, _d, told: self.got.put(json.loads(told.payload))
        self._reader.reconnect_delay_set(1, 1)
        self._reader.connect("127.0.0.1", broker.port)
        self._reader.loop_start()
        wait_until(lambda: self.subscribed)
        self.feed = Feed()
        url = f"mqtt://127.0.0.1:{broker.port}/site/verdicts"
        self.writer = MqttVerdicts(self.feed, url, self.said.append)
        wait_until(lambda: self.connections() == 1)

    def connections(self) -> int:
        """How often the writer has said that it is connected."""
        return sum("connected" in line for line in self.said)

    def next(self) -> dict:
        return self.got.get(timeout=30)

    def close(self) -> None:
        self.writer.close()
        self._reader.disconnect()
        self._reader.loop_stop()


@pytest.mark.process
def test_each_verdict_is_a_message_also_after_the_broker_was_away(broker):
    link = Link(broker)
    link.feed.publish(verdict(0), verdict(1))
    assert [link.next()["sample"] for _ in range(2)] == [0, 1]
    broker.stop()
    wait_until(lambda: any("connection lost" in line for line in link.said))
    link.feed.publish(verdict(2))
    wait_until(lambda: link.writer._lost == 1)
    broker.start()
    wait_until(lambda: len(link.subscribed) == link.connections() == 2)
    link.feed.publish(verdict(3))
    assert link.next() == {"lost": 1}
    assert link.next()["sample"] == 3
    link.close()


WRONG = {
    "another scheme": ("http://host/topic", "want mqtt://HOST:PORT/TOPIC"),
    "no topic": ("mqtt://host", "want mqtt://HOST:PORT/TOPIC"),
    "many topics": ("mqtt://host/a/+", r"no \+ or #"),
    "all topics": ("mqtt://host/a/#", r"no \+ or #"),
    "a fragment": ("mqtt://host/a#b", r"no \+ or #"),
    "no Unicode": ("mqtt://host/a\udce9", "want printable letters"),
    "a line of its own": ("mqtt://host/a\x7fb", "want printable letters"),
    "too long": (f"mqtt://host/{'猫' * 21_846}", "at most 65535 bytes"),
    "no port": ("mqtt://host:99999/a", "Port out of range"),
    "no address": ("mqtt://[host/a", "Invalid IPv6"),
    "no value": ("mqtt://me:${NOT_GIVEN}@host/a", "NOT_GIVEN"),
    "a password": ("mqtt://me:hunter2@host/a", "a password for all to read"),
}


TOPICS = {
    "of two levels": ("mqtt://host/site/verdicts", "site/verdicts"),
    "of any language": ("mqtt://host:1883/site/vérdicts 猫", "site/vérdicts 猫"),
    "with a question mark": ("mqtts://host/site/right?", "site/right?"),
    "as long as may be": (f"mqtt://host/{'猫' * 21_845}", "猫" * 21_845),
}


@pytest.mark.parametrize(("url", "topic"), TOPICS.values(), ids=TOPICS)
def test_all_after_the_broker_is_the_topic(url, topic):
    assert check_url(url) == topic


@pytest.mark.parametrize(("url", "wanted"), WRONG.values(), ids=WRONG)
def test_what_is_no_broker_is_told_without_its_password(url, wanted):
    with pytest.raises(ConfigError, match=wanted) as caught:
        check_url(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.process
def test_a_broker_that_stands_still_costs_a_bounded_number_of_messages_and_all_are_counted(
    broker, monkeypatch
):
    most, sent = 50, 500
    monkeypatch.setattr("ddnn.live.mqtt.WAITING", most)
    link = Link(broker)
    broker.pause()
    for sample in range(sent):
        link.feed.publish(verdict(sample))
        wait_until(lambda: not link.writer._reader._queue)
    wait_until(lambda: link.writer._lost)
    assert len(link.writer._client._out_messages) <= most
    broker.go_on()
    wait_until(lambda: not link.writer._client._out_messages)
    link.feed.publish(verdict(sent))
    found: list[dict] = []
    while not found or found[-1].get("sample") != sent:
        found.append(link.next())
    lost = sum(message.get("lost", 0) for message in found)
    assert lost >= sent - most - 1
    assert lost + len({m["sample"] for m in found if "sample" in m}) == sent + 1
    link.close()
