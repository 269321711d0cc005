"""The page's server: what it answers, whom it refuses, and that nobody waits for it."""

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from typing import Any

import pytest
from builders import star_topology
from events import begin, failure, verdict
from visitor import Visitor

from ddnn.errors import ConfigError, LaunchError
from ddnn.live.events import EndEvent
from ddnn.live.feed import Feed
from ddnn.live.page import connections
from ddnn.live.page.guard import POLICY, session_of
from ddnn.live.page.options import PageOptions
from ddnn.live.page.server import Page

TOKEN = "a-token-of-this-test"
STATIC = sorted((files("ddnn.live.page") / "static").iterdir(), key=lambda file: file.name)
OWN = [file for file in STATIC if not file.name.startswith("uPlot")]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves an answer that leads elsewhere as it is."""

    def redirect_request(self, *_: object) -> None:
        return None


class Launch:
    """Takes failures by hand."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def act(self, asked: dict[str, Any]) -> int | None:
        if self.error is not None:
            raise self.error
        self.asked.append(asked)
        return 41


@contextmanager
def opened(launch: Launch | None = None, **options: Any) -> Iterator[tuple[Page, Feed]]:
    feed = Feed()
    given = PageOptions(host="127.0.0.1", port=0, **options)
    act = (launch or Launch()).act
    with Page(given, star_topology(), feed, act=act, total=500) as page:
        yield page, feed


def test_the_page_and_its_files_come_with_a_strict_policy():
    with opened() as (page, _):
        for path in ("/", "/app.js", "/topology.js", "/charts.js", "/style.css", "/uplot.js"):
            answer = Visitor(page).ask(path)
            assert answer.status == 200
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert Visitor(page).ask("/nothing").status == 404


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_nothing_comes_from_other_hosts_and_names_are_never_markup(file):
    text = file.read_text()
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", text.replace("http://www.w3.org", "")))
    assert {a for a in addresses if a.startswith("http")} == set()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(| style=", text)


def test_uplot_comes_with_its_licence():
    names = {file.name for file in STATIC}
    assert {"uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE"} <= names


def test_a_browser_is_told_facts_first_and_then_what_happens():
    with opened() as (page, feed):
        events = Visitor(page).events()
        name, facts = next(events)
        assert (name, facts["topology"], facts["total"]) == ("facts", "star", 500)
        assert next(events)[0] == "history"
        feed.publish(begin(star_topology()), verdict(), failure("cam1", "kill"))
        state = next(found for name, found in events if name == "state" and found["marks"])
        assert state["answered"] == 1
        assert state["nodes"]["cam1"]["state"] == "failed"


def test_the_end_is_told_before_the_page_goes():
    with opened() as (page, feed):
        events = Visitor(page).events()
        next(events)
        feed.publish(begin(star_topology()), EndEvent(kind="end", time=1e6, why="interrupted"))
    states = [found for name, found in events if name == "state"]
    assert states[-1]["over"] == "interrupted"


def test_browsers_that_read_nothing_cost_the_others_and_the_run_nothing():
    """A reader that stands still holds one connection, whatever happens."""
    count = 5000
    with opened() as (page, feed):
        stuck = [Visitor(page).open_stream() for _ in range(5)]
        feed.publish(begin(star_topology()))
        for number in range(count):
            feed.publish(verdict(number / 1000, sample=number))
        assert Visitor(page).state_with("answered", count)["lost"] == 0
        for stream in stuck:
            stream.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1"])
def test_a_request_for_another_host_is_refused(host):
    with opened() as (page, _):
        assert Visitor(page).ask("/events", Host=host).status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Ddnn_Token": "another"},
        {"X_Ddnn_Token": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
    ids=str,
)
def test_what_another_page_asks_for_is_refused(headers):
    launch = Launch()
    with opened(launch, allow_faults=True) as (page, _):
        visitor = Visitor(page)
        own = {"Origin": f"http://{visitor.host}", "X_Ddnn_Token": visitor.facts()["token"]}
        body = '{"node": "cam0", "kind": "kill"}'
        assert visitor.ask("/faults", "POST", body, **own | headers).status == 403
        assert launch.asked == []
        assert visitor.ask("/faults", "POST", body, **own).status == 200
        assert launch.asked == [{"node": "cam0", "kind": "kill"}]


def test_reading_never_changes_anything():
    launch = Launch()
    with opened(launch, allow_faults=True) as (page, _):
        assert Visitor(page).ask("/faults?node=cam0&kind=kill").status == 405
    assert launch.asked == []


def test_without_allow_faults_nothing_fails():
    launch = Launch()
    with opened(launch) as (page, _):
        assert Visitor(page).facts()["may_fail"] is False
        assert Visitor(page).post({"node": "cam0", "kind": "kill"}).status == 403
    assert launch.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(ConfigError("kind: got 'bang'"), 400), (LaunchError("cam0: is dead already"), 409)],
    ids=["wrong", "refused"],
)
def test_why_a_failure_is_refused_is_told(error, status):
    launch = Launch()
    launch.error = error
    with opened(launch, allow_faults=True) as (page, _):
        answer = Visitor(page).post({"node": "cam0", "kind": "kill"})
        assert answer.status == status
        assert str(error) in answer.text


@pytest.mark.parametrize(
    "body", [[], 3, "kill", {"node": "x" * 5000}], ids=["list", "3", "s", "big"]
)
def test_what_is_no_request_is_refused(body):
    with opened(allow_faults=True) as (page, _):
        assert Visitor(page).post(body).status == 400


def test_with_a_token_only_who_knows_it_reads():
    with opened(token=TOKEN) as (page, _):
        visitor = Visitor(page)
        assert visitor.ask("/").headers["location"] == "/login"
        for path in ("/events", "/metrics", "/app.js"):
            assert visitor.ask(path).status == 401
            assert visitor.ask(path, Cookie="ddnn_page=wrong").status == 401
        assert visitor.ask("/healthz").status == 200
        assert visitor.ask("/metrics", Authorization=f"Bearer {TOKEN}").status == 200


def test_the_token_is_shown_once_and_a_cookie_holds_from_then_on():
    with opened(token=TOKEN) as (page, _):
        visitor = Visitor(page)
        origin = f"http://{visitor.host}"
        wrong = visitor.ask("/login", "POST", "token=no\r\n", Origin=origin)
        assert wrong.status == 401
        foreign = visitor.ask("/login", "POST", f"token={TOKEN}\r\n", Origin="http://evil.example")
        assert foreign.status == 403
        answer = visitor.ask("/login", "POST", f"token={TOKEN}\r\n", Origin=origin)
        assert answer.status == 303
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert visitor.ask("/app.js", Cookie=cookie.partition(";")[0]).status == 200
        assert session_of(TOKEN) in cookie  # so it holds when the page is started again


def test_with_tls_the_whole_way_is_encrypted(tls):
    cert, key = tls
    with opened(token=TOKEN, cert=cert, key=key) as (page, _):
        assert page.url == f"https://127.0.0.1:{page.port}/"
        asked = urllib.request.Request(
            f"{page.url}metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        context = ssl.create_default_context(cafile=str(cert))
        with urllib.request.urlopen(asked, context=context, timeout=20) as answer:
            assert b"ddnn_running 0" in answer.read()
        origin = f"https://127.0.0.1:{page.port}"
        login = urllib.request.Request(
            f"{page.url}login", f"token={TOKEN}".encode(), headers={"Origin": origin}
        )
        opener = urllib.request.build_opener(
            NoRedirect, urllib.request.HTTPSHandler(context=context)
        )
        with pytest.raises(urllib.error.HTTPError) as found:
            opener.open(login, timeout=20)
        assert found.value.code == 303
        assert "Secure" in found.value.headers["set-cookie"]
        found.value.close()
        with pytest.raises(http.client.HTTPException):
            Visitor(page).ask("/healthz")


def test_ready_means_that_samples_are_being_answered():
    with opened() as (page, feed):
        visitor = Visitor(page)
        assert visitor.ask("/healthz").status == 200
        assert visitor.ask("/readyz").status == 503
        feed.publish(begin(star_topology()), verdict())
        visitor.state_with("answered", 1)
        assert visitor.ask("/readyz").status == 200


def test_a_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = PageOptions(host="127.0.0.1", port=port)
        with pytest.raises(ConfigError, match=rf"--page 127.0.0.1:{port}: Address already in use"):
            Page(options, star_topology(), Feed(), act=Launch().act)


def test_a_page_asks_for_failures_and_for_nothing_else():
    """What `ddnn serve --swap` asks for would run another bundle, from any folder."""
    launch = Launch()
    with opened(launch, allow_faults=True) as (page, _):
        for asked in ({"swap": "/tmp/run"}, {"swap": "/tmp/run", "node": "cam0", "kind": "kill"}):
            assert Visitor(page).post(asked).status == 400
    assert launch.asked == []


def half_a_request(page: Page) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", page.port), 10)
    connection.sendall(b"GET /healthz HTTP/1.1\r\n")
    return connection


def is_cut_off(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_crowd_that_asks_for_nothing_uses_up_no_descriptors_and_keeps_nobody_out(monkeypatch):
    monkeypatch.setattr(connections, "MOST", 3)
    with opened() as (page, _), ExitStack() as stack:
        halves = [stack.enter_context(half_a_request(page)) for _ in range(4)]
        assert is_cut_off(halves[0])
        assert Visitor(page).ask("/healthz").status == 200
        assert is_cut_off(halves[1])
        halves[3].sendall(f"Host: 127.0.0.1:{page.port}\r\n\r\n".encode())
        assert halves[3].recv(12) == b"HTTP/1.1 200"


def test_who_asks_for_nothing_is_cut_off_and_who_follows_is_not(monkeypatch):
    monkeypatch.setattr(connections, "ASK_S", 0.05)
    with opened() as (page, feed):
        events = Visitor(page).events()
        next(events)
        for start in (
            b"",
            b"GET /healthz HT",
            b"POST /login HTTP/1.1\r\nContent-Length: 9\r\n\r\nt",
        ):
            with socket.create_connection(("127.0.0.1", page.port), 10) as connection:
                connection.sendall(start.replace(b"\r\n", f"\r\nHost: {page.port}\r\n".encode(), 1))
                while not is_cut_off(connection):
                    pass
        feed.publish(begin(star_topology()), verdict())
        assert next(found for name, found in events if name == "state" and found["answered"])
