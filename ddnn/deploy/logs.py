"""What the hosts of a deployment said, or what runs on this machine did; also from now on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ddnn.deploy.record import Deployment, read_record
from ddnn.deploy.status import launches_here
from ddnn.deploy.together import reached, tried_on_all
from ddnn.errors import ConfigError, DeployError
from ddnn.run.launcher.control import about_launches
from ddnn.run.launcher.last_words import LastWords

AGAIN_S = 2.0
"""After a host went away, until it is tried again."""
FIRST_S = 5.0
"""How long the lines of hosts that answer wait for those of the others, to come by time."""
LOOK_S = 0.2
"""Between two looks at what a launch on this machine said."""

S = TypeVar("S")


class Line(NamedTuple):
    """Something that was said. at: UTC; empty where it is not known."""

    at: str
    host: str
    message: str


Tell = Callable[[Line], None]


def deployment_logs(folder: Path, lines: int) -> tuple[list[Line], list[str]]:
    """The newest lines of each host, by time, and what could not be had.

    Raises ConfigError for a folder that holds no deployment.
    """
    known = read_record(folder)
    answers = asyncio.run(tried_on_all(folder, known, "logs", lines=lines))
    found = [
        line for host, answer in answers.items() for line in _parsed(answer.get("lines", ()), host)
    ]
    missing = [str(answer["error"]) for answer in answers.values() if "error" in answer]
    return _by_time(found), missing


def _by_time(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.at)


def _parsed(texts: Iterable[str], host: str, at: str = "") -> Iterator[Line]:
    """at: when the line before was said: what is no JSON, such as the error that ended a process,
    was said then too."""
    for text in texts:
        try:
            entry = dict(json.loads(text))
            line = Line(str(entry["time"]), host, str(entry["message"]))
        except (ValueError, TypeError, KeyError):
            line = Line(at, host, text)
        at = line.at
        yield line


def local_logs(lines: int) -> list[Line]:
    """The newest lines of what runs on this machine, by time.

    Raises ConfigError where nothing does.
    """
    return _by_time(line for launch in launches_here() for line in _said(launch)[-lines:])


def _said(launch: dict[str, Any]) -> list[Line]:
    return [Line(at, _name(launch), message) for at, message in launch["said"]]


def _name(launch: dict[str, Any]) -> str:
    return str(launch["host"] or launch["topology"])


def follow_local(lines: int, tell: Tell) -> None:
    """As `local_logs`, then what is said from then on, until nothing runs any more.

    Raises ConfigError where nothing runs.
    """
    told = {launch["pid"]: launch for launch in launches_here()}
    last = LastWords()
    last.ask(told)
    for line in _by_time(line for launch in told.values() for line in _said(launch)[-lines:]):
        tell(line)
    while told:
        time.sleep(LOOK_S)
        now = {launch["pid"]: launch for launch in about_launches()}
        last.ask(now)
        gone = told.keys() - now.keys()
        for pid, launch in (now | {pid: last.of(pid) or told[pid] for pid in gone}).items():
            before = _said(told[pid]) if pid in told else []
            for line in newer(before[-1:], _said(launch)):
                tell(line)
        for pid in gone:
            tell(_line_now(_name(told[pid]), "runs no more"))
        told = now


def newer(last: Sequence[S], now: Sequence[S]) -> Sequence[S]:
    """Of what is kept now, all after the last that was told; all, where that is not kept any more.
    last: one or none."""
    for place in range(len(now) - 1, -1, -1):
        if now[place : place + 1] == last:
            return now[place + 1 :]
    return now


def _line_now(host: str, message: str) -> Line:
    return Line(datetime.now(UTC).isoformat(timespec="milliseconds"), host, message)


def follow_deployment(folder: Path, lines: int, tell: Tell) -> None:
    """The newest lines of all hosts by time, then each as it is said, without an end. A host that
    goes away, and that it is back, is a line; what it said meanwhile comes then.

    Raises ConfigError for a folder that holds no deployment, or one of which nothing is kept
    running.
    """
    known = read_record(folder)
    if not known.kept:
        raise ConfigError(f"{folder}: no host keeps nodes running, want another deployment")
    asyncio.run(_follow_all(folder, known, lines, tell))


async def _follow_all(folder: Path, known: Deployment, lines: int, tell: Tell) -> None:
    together = _Together(len(known.kept), tell)
    asyncio.get_running_loop().call_later(FIRST_S, together.begin)
    hosts = (_Host(name, together) for name in known.kept)
    await asyncio.gather(*(_follow(folder, known, lines, host) for host in hosts))


class _Together:
    """Tells the first lines of all hosts by time, whatever comes then at once."""

    def __init__(self, hosts: int, tell: Tell) -> None:
        self._waits_for, self._tell = hosts, tell
        self._first: list[Line] = []
        self._heard: set[str] = set()
        self._has_begun = False

    def take(self, host: str, lines: list[Line]) -> None:
        self._heard.add(host)
        self._first += lines
        if self._has_begun or len(self._heard) == self._waits_for:
            self.begin()

    def begin(self) -> None:
        """Waits for no more hosts."""
        self._has_begun = True
        for line in _by_time(self._first):
            self._tell(line)
        self._first = []


class _Host:
    """One host, and what was last heard of it."""

    def __init__(self, name: str, together: _Together) -> None:
        self.name = name
        self._together = together
        self._last: list[str] = []
        self._at = ""
        self._is_away = False
        self._is_new = True

    def take(self, texts: list[str]) -> None:
        """What it says: once it is reached its newest lines, then each that it adds."""
        if self._is_new and self._last:
            texts = list(newer(self._last, texts))
        found = [_line_now(self.name, "is back")] if self._is_away else []
        self._is_new = self._is_away = False
        found += _parsed(texts, self.name, self._at)
        if texts:
            self._last, self._at = texts[-1:], found[-1].at
        self._together.take(self.name, found)

    def went_away(self, why: str) -> None:
        """It is tried again, and said once."""
        self._is_new = True
        if not self._is_away:
            self._is_away = True
            self._together.take(self.name, [_line_now(self.name, f"is away: {why}")])


async def _follow(folder: Path, known: Deployment, lines: int, host: _Host) -> None:
    while True:
        try:
            async with reached(folder, known, [host.name]) as hosts:
                await hosts[0].follow(lines, host.take)
        except DeployError as error:
            host.went_away(str(error))
        await asyncio.sleep(AGAIN_S)
