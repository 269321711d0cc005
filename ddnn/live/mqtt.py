"""Verdicts to an MQTT broker, one message each. With `ddnn[mqtt]`.

Whatever the broker does, the system goes on. Messages have quality of service 1: up to WAITING of
them wait for a broker that stands still, and one may come twice where a connection breaks. Beyond
that, and while there is no connection, verdicts are lost, and the next message says how many.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from ddnn.errors import ConfigError
from ddnn.live.feed import Feed
from ddnn.live.output import WAITING, line_of
from ddnn.live.sources.secrets import filled_in, has_password, shown

PLAIN_PORT, TLS_PORT = 1883, 8883
MAX_TOPIC_BYTES = 65_535
AGAIN_S = 10
"""Between two attempts to connect, at most."""


class MqttVerdicts:
    """Publishes a feed's verdicts until it is closed."""

    def __init__(self, feed: Feed, url: str, say: Callable[[str], None]) -> None:
        """url: mqtt://USER:${NAME}@HOST:PORT/TOPIC, or mqtts:// for TLS.

        Raises ConfigError for another, and where paho-mqtt is not installed.
        """
        self._topic = check_url(url)
        self._shown, self._say = shown(url), say
        self._client = _client(filled_in(url, None))
        self._client.on_connect = lambda *_: say(f"{self._shown}: connected")
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = self._on_connect_fail
        self._has_failed = False
        self._lost = 0
        self._latest: Any = None  # what was sent last
        self._reader = feed.subscribe(WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="mqtt")
        self._client.loop_start()
        self._thread.start()

    def _on_disconnect(self, *_: object) -> None:
        if not self._closing.is_set():
            self._say(f"{self._shown}: connection lost; tried again")

    def _on_connect_fail(self, *_: object) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._say(f"{self._shown}: cannot be reached; tried again")

    def _run(self) -> None:
        while not self._reader.is_over:
            self._publish()
        self._publish()

    def _publish(self) -> None:
        for event in self._reader.take(None):
            line = line_of(event)
            if line is None:
                continue
            if not self._client.is_connected():
                self._lost += event["count"] if event["kind"] == "lost" else 1
                continue
            if self._lost and self._is_sent(json.dumps({"lost": self._lost})):
                self._lost = 0
            if not self._is_sent(line):
                self._lost += event["count"] if event["kind"] == "lost" else 1

    def _is_sent(self, line: str) -> bool:
        """Or will be; not where too many wait."""
        latest = self._client.publish(self._topic, line, qos=1)
        if latest.rc == _library().MQTT_ERR_QUEUE_SIZE:
            return False
        self._latest = latest
        return True

    def close(self, within_s: float = 2.0) -> None:
        """What waits is sent, if there is a connection that takes it in that time."""
        end_s = time.monotonic() + within_s
        self._closing.set()
        self._reader.close()
        self._thread.join(within_s)
        if self._latest is not None and self._client.is_connected():
            self._latest.wait_for_publish(max(0.0, end_s - time.monotonic()))
        self._client.disconnect()
        self._client.loop_stop()


def check_url(url: str) -> str:
    """Its topic. Raises ConfigError for what is no broker's address, for a name without a value,
    and where paho-mqtt is not installed; shows no password."""
    try:
        found = urlsplit(url)
        is_broker = found.scheme in ("mqtt", "mqtts") and found.hostname and found.port != 0
    except ValueError as error:
        raise ConfigError(f"--mqtt: {error}, want mqtt://HOST:PORT/TOPIC") from error
    topic = url.split("/", 3)[-1].strip("/")  # a question mark is part of it
    if not is_broker or not found.path.strip("/"):
        raise ConfigError(f"--mqtt: got {shown(url)!r}, want mqtt://HOST:PORT/TOPIC")
    is_topic = topic.isprintable() and "+" not in topic and "#" not in url
    if not is_topic or len(topic.encode()) > MAX_TOPIC_BYTES:
        raise ConfigError(
            f"--mqtt: topic {topic[:60]!r}, want printable letters, no + or #, at most "
            f"{MAX_TOPIC_BYTES} bytes"
        )
    if has_password(url):
        raise ConfigError("--mqtt: a password for all to read, want ${NAME} in its place")
    filled_in(url, None)
    _library()
    return topic


def _library() -> Any:
    try:
        import paho.mqtt.client  # noqa: PLC0415  # of the extra
    except ImportError as error:
        raise ConfigError(
            "--mqtt needs paho-mqtt, which the extra `mqtt` installs: pip install '.[mqtt]' in a "
            "checkout of ddnn"
        ) from error
    return paho.mqtt.client


def _client(url: str) -> Any:
    library, found = _library(), urlsplit(url)
    client = library.Client(library.CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, AGAIN_S)
    client.max_queued_messages_set(WAITING)
    if found.username is not None:
        client.username_pw_set(unquote(found.username), unquote(found.password or ""))
    if found.scheme == "mqtts":
        client.tls_set()
    port = found.port or (TLS_PORT if found.scheme == "mqtts" else PLAIN_PORT)
    client.connect_async(found.hostname or "", port)
    return client
