"""What a node may say it counted."""

import json
import math
from dataclasses import replace

import pytest
from builders import star_topology

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR
from ddnn.wire.accounts import EVENTS, MOST, AccountCodec
from ddnn.wire.messages import Account, KernelCount, Kind, LinkCount
from ddnn.wire.routes import routes

TOPOLOGY = star_topology(2)
CODEC = AccountCodec((COLLECTOR, *TOPOLOGY.nodes), routes(TOPOLOGY))
SCORES = LinkCount(
    link=("cam0", "gateway"), kind=Kind.SCORES, sent=True,
    messages=10, rows=640, information=100.0, payload=120, zmtp=500, ip=900,
)  # fmt: skip
CAPTURES = LinkCount(
    link=(COLLECTOR, "cam0"), kind=Kind.CAPTURE, sent=False, messages=1, rows=1, zmtp=24, ip=76
)


def received(account: Account, sender: str = "cam0") -> Account:
    """What the collector makes of it."""
    return CODEC.decode(memoryview(CODEC.encode(account)), sender)


def test_a_node_may_say_what_it_sent_and_received():
    account = Account((SCORES, CAPTURES), (("late", 3),), KernelCount(sent_kernel=MOST), 7)
    assert received(account) == account


@pytest.mark.parametrize(
    "changes",
    [
        {"link": ("cam1", "gateway")},
        {"sent": False},
        {"link": ("gateway", "cam0")},
        {"kind": Kind.VERDICT},
        {"link": ("cam0", "cam0")},
    ],
    ids=["another's", "received by another", "sent to it", "no route", "to itself"],
)
def test_of_links_that_are_not_its_own_a_node_says_nothing(changes):
    with pytest.raises(WireError, match="bad-value"):
        received(Account((replace(SCORES, **changes),), ()))


@pytest.mark.parametrize(
    "changes",
    [
        {"information": 1.7e308},
        {"information": math.nan},
        {"information": math.inf},
        {"information": -1.0},
        {"information": 121.0},
        {"rows": 641},
        {"rows": 2**63},
        {"messages": 2**63},
        {"messages": 501},
        {"payload": 501},
        {"zmtp": 901},
        {"ip": MOST + 1},
        {"zmtp": MOST + 1, "ip": MOST + 1},
        {"ip": 2**64 - 1},
    ],
    ids=str,
)
def test_numbers_that_no_traffic_has_are_refused(changes):
    with pytest.raises(WireError, match=r"bad-value|not-finite"):
        received(Account((replace(SCORES, **changes),), ()))


@pytest.mark.parametrize(
    "account",
    [
        Account((replace(CAPTURES, payload=1),), ()),
        Account((replace(CAPTURES, information=1.0),), ()),
        Account((SCORES, SCORES), ()),
        Account((), (("late", 1), ("late", 1))),
        Account((), (("late", MOST + 1),)),
        Account((), (), KernelCount(received_kernel=MOST + 1)),
    ],
    ids=["payload of control", "information of control", "a link twice", "an event twice",
         "too many events", "too many bytes"],
)  # fmt: skip
def test_what_an_account_cannot_hold_is_refused(account):
    with pytest.raises(WireError, match="bad-value"):
        received(account)


def test_the_largest_account_of_all_nodes_adds_up_to_numbers_that_json_holds():
    largest = replace(
        SCORES, messages=MOST, rows=MOST, information=float(MOST), payload=MOST, zmtp=MOST, ip=MOST
    )
    accounts = [received(Account((largest,), tuple((event, MOST) for event in EVENTS)))] * 1000
    total = sum(count.information for account in accounts for count in account.links)
    assert math.isfinite(json.loads(json.dumps(total, allow_nan=False)))
