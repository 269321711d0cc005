"""What programs beside a live system may ask."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from ports import free_port
from posting import post
from test_arrivals import SHAPE
from test_feed import verdict
from test_push import PIXELS, png

import ddnn
from ddnn.errors import ConfigError, TransportError
from ddnn.live.endpoint import Endpoint
from ddnn.live.feed import Feed
from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.push import PushServer


class System:
    """Stands for a service: remembers what was asked."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.told: list[tuple[int, object]] = []
        self.push_port = 0

    def sample(self) -> int:
        return 7

    def tell(self, sample: int, named: str | int) -> bool:
        if named not in ("car", 0):
            raise ConfigError(f"class {named!r}: want one of car, bus, or its number")
        self.told.append((sample, named))
        return True

    def push_address(self, device: str) -> str:
        if device != "cam0":
            raise ConfigError(f"{device}: no device of kind push here")
        return f"127.0.0.1:{self.push_port}"


@pytest.fixture
def asked() -> Iterator[tuple[System, int]]:
    system = System()
    with Endpoint("127.0.0.1:0", system) as endpoint:
        yield system, endpoint.port
        system.feed.close()


def test_a_sample_is_asked_for_and_its_truth_told(asked):
    system, port = asked
    assert post(port, "/sample", b"") == (200, '{"sample": 7}')
    assert post(port, "/truth", b'{"sample": 7, "class": "car"}') == (200, '{"right": true}')
    assert system.told == [(7, "car")]


def test_a_request_without_a_body_need_not_say_so(asked):
    _, port = asked
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", "/sample")
    connection.endheaders()
    assert connection.getresponse().status == 200
    connection.close()


WRONG = {
    "elsewhere": ("/samples", b"", 404, "no /samples here"),
    "no truth": ("/truth", b"car", 400, "want {"),
    "no number": ("/truth", b'{"sample": true, "class": 0}', 400, "sample: got True"),
    "no class": ("/truth", b'{"sample": 7, "class": "tram"}', 400, "class 'tram'"),
    "no words": ("/truth", bytes(5000), 400, "want at most 4096"),
    "no device": ("/push/cam9", b"", 400, "cam9: no device of kind push"),
    "nobody there": ("/push/cam0", b"", 502, "cam0: "),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_in_one_line(asked, wrong):
    system, port = asked
    system.push_port = free_port()
    path, body, code, words = wrong
    status, said = post(port, path, body)
    assert status == code
    assert words in said
    assert "\n" not in said


def test_a_view_is_handed_on_to_its_device(asked):
    system, port = asked
    arrivals = Arrivals(SHAPE)
    server = PushServer("cam0", "127.0.0.1:0", arrivals)
    server.start()
    system.push_port = server.port
    ddnn.push(f"http://127.0.0.1:{port}", "cam0", png(PIXELS))
    assert arrivals.count == 1
    server.close()


@pytest.mark.parametrize(
    ("header", "code"),
    [({"Origin": "http://elsewhere"}, 403), ({"Host": "elsewhere:80"}, 421)],
    ids=["another site's page", "another name"],
)
def test_browsers_are_sent_away(asked, header, code):
    _, port = asked
    assert post(port, "/sample", b"", **header)[0] == code


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["Host: localhost", "Content-Length: 0"], 200),
        (["Host: 127.0.0.1:80", "Host: evil.example", "Content-Length: 0"], 421),
        (["Host: 127.0.0.1:80, evil.example", "Content-Length: 0"], 421),
        (["Host: [::1]:80", "Content-Length: 0", "Content-Length: 10"], 400),
        (["Host: localhost", "Content-Length: " + 5000 * "9"], 400),
    ],
    ids=["one of each", "two hosts", "hosts in a line", "two lengths", "a number of thousands"],
)
def test_a_request_says_once_whom_it_asks_and_how_much_it_brings(asked, lines, code):
    _, port = asked
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall("\r\n".join(["POST /sample HTTP/1.1", *lines, "", ""]).encode())
        answer = sock.makefile("rb").readline()
    assert int(answer.split()[1]) == code


def test_verdicts_are_followed_until_the_end(asked):
    system, port = asked
    verdicts = ddnn.watch(f"http://127.0.0.1:{port}")
    system.feed.publish(verdict(0), verdict(1))
    assert [next(verdicts)["sample"], next(verdicts)["sample"]] == [0, 1]
    system.feed.publish(verdict(2))
    system.feed.close()
    assert [v["sample"] for v in verdicts] == [2]


def test_a_verdict_that_cannot_come_any_more_is_not_waited_for(asked):
    """The system ends while somebody asks."""
    system, port = asked
    system.feed.close()
    status, said = post(port, "/verdict", b"")
    assert (status, said) == (504, "sample 7: the system has ended")


def test_many_readers_cost_no_more_than_their_places(asked):
    system, port = asked
    readers = []
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/verdicts")
        answer = connection.getresponse()
        assert answer.status == 200
        readers.append((connection, answer))
    system.feed.publish(verdict(3))
    for _, answer in readers:
        lines = iter(answer.readline, b"")
        data = next(line for line in lines if line.startswith(b"data: "))
        assert json.loads(data.removeprefix(b"data: "))["sample"] == 3
    for connection, _ in readers:
        connection.close()


def test_nobody_to_watch_is_told():
    with pytest.raises(TransportError, match="want the address of a live system"):
        ddnn.watch(f"http://127.0.0.1:{free_port()}")


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "localhost"])
def test_the_name_at_which_it_listens_is_its_own(host):
    if host == "[::1]" and not has_ipv6():
        pytest.skip("no IPv6 here")
    with Endpoint(f"{host}:0", System()) as endpoint:
        connection = http.client.HTTPConnection(f"{host}:{endpoint.port}", timeout=10)
        connection.request("POST", "/sample")
        assert connection.getresponse().status == 200
        connection.close()


def test_whoever_comes_before_the_system_runs_is_refused_and_the_address_is_had():
    endpoint = Endpoint("127.0.0.1:0", System())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", endpoint.port), 10)
    with endpoint:
        assert post(endpoint.port, "/sample", b"")[0] == 200
        with pytest.raises(TransportError, match="cannot listen at"):
            Endpoint(f"127.0.0.1:{endpoint.port}", System())
