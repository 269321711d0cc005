"""What a person may ask of a running launch, on nodes that are names in a set."""

from __future__ import annotations

import math
from typing import Any

import pytest
from builders import star_topology

from ddnn.errors import LaunchError
from ddnn.nodes.collector import PAUSE_S
from ddnn.run.failures.failure import Failure, parse_failure
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.orders import Order
from ddnn.topology import Topology


class Named:
    """Processes of which only the names run. `done` lists what was carried out."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.running = set(names)
        self.done: list[str] = []

    def pids(self) -> dict[str, int]:
        return dict.fromkeys(self.running, 1)

    def is_running(self, node: str) -> bool:
        return node in self.running

    def kill(self, node: str) -> None:
        self.running.discard(node)

    def restart(self, node: str) -> None:
        self.running.add(node)
        self.done.append(f"restart {node}")

    def hang(self, node: str) -> None:
        self.done.append(f"hang {node}")

    def resume(self, node: str) -> None:
        self.done.append(f"resume {node}")

    def tell(self, node: str, what: dict[str, Any], order: Order) -> None:
        self.done.append(f"order {node} {', '.join(what)}")


@pytest.fixture
def processes() -> Named:
    return Named(tuple(star_topology().nodes))


@pytest.fixture
def operator(processes: Named) -> Operator:
    return Operator(processes, star_topology())


def failure(kind: str, where: str = "cam0", at: int = 0) -> Failure:
    place = {"link": where.split(":")} if ":" in where else {"node": where}
    return parse_failure({"at": {"sample": at}, "kind": kind, **place})


@pytest.mark.parametrize(
    ("before", "asked", "said"),
    [
        (["kill"], "kill", "cam0: is dead already, ddnn fault cam0 recover starts it again"),
        (["kill"], "hang", "cam0: is dead already"),
        (["hang"], "hang", "cam0: is stopped already, ddnn fault cam0 recover resumes it"),
        ([], "recover", "cam0: nothing fails there, no failure to recover from"),
        (["kill", "recover"], "recover", "cam0: nothing fails there"),
    ],
)
def test_what_would_change_nothing_is_refused(operator, processes, before, asked, said):
    for kind in before:
        operator.begin_by_hand(failure(kind))
    done = list(processes.done)
    with pytest.raises(LaunchError, match=f"^{said}"):
        operator.begin_by_hand(failure(asked))
    assert processes.done == done


def test_a_link_recovers_by_its_own_name(operator):
    operator.begin_by_hand(failure("delay", "cam0:gateway"))
    with pytest.raises(LaunchError, match=r"^cam0: nothing fails there"):
        operator.begin_by_hand(failure("recover"))
    operator.begin_by_hand(failure("recover", "cam0:gateway"))


def test_a_node_that_ended_by_itself_can_be_started_again(operator, processes):
    processes.running.discard("cam0")
    operator.begin_by_hand(failure("recover"))
    assert processes.done == ["restart cam0"]


def test_a_node_that_was_killed_twice_is_started_once(operator, processes):
    """A plan may kill what a person has killed before."""
    for _ in range(2):
        operator.begin(failure("kill"))
    operator.begin(failure("recover"))
    assert processes.done == ["restart cam0"]


def test_a_stopped_node_is_told_when_it_goes_on_and_answers_no_order_late(operator, processes):
    """An answer that nobody waits for would be taken for that to the next order."""
    for kind in ("hang", "slow", "delay"):
        operator.begin(failure(kind))
    operator.end(failure("slow"))
    assert processes.done == ["hang cam0"]
    operator.end(failure("hang"))
    orders = ["order cam0 slow", "order cam0 set, fault", "order cam0 slow"]
    assert processes.done[1:] == ["resume cam0", *orders]


def test_a_stopped_node_that_is_started_again_is_told_what_still_holds(operator, processes):
    for kind in ("hang", "delay", "kill"):
        operator.begin(failure(kind))
    operator.end(failure("kill"))
    assert processes.done == ["hang cam0", "restart cam0", "order cam0 set, fault"]


@pytest.mark.parametrize(
    ("kind", "where", "done"),
    [
        ("kill", "cam0", ["restart cam0"]),
        ("hang", "cam0", ["resume cam0"]),
        ("slow", "cam0", ["order cam0 slow", "order cam0 slow"]),
        ("partition", "cam0", ["order cam0 set, fault", "order cam0 clear, kind"]),
        ("delay", "cam0:gateway", ["order cam0 set, fault", "order cam0 clear, kind"]),
    ],
)
def test_of_two_failures_the_one_that_lasts_longer_stays(operator, processes, kind, where, done):
    longer, shorter = (failure(kind, where, at) for at in (1, 2))
    operator.begin(longer)
    operator.begin(shorter)
    processes.done.clear()
    operator.end(shorter)
    assert processes.done == done[:-1]
    operator.end(longer)
    assert processes.done == done


@pytest.mark.parametrize(
    ("asked", "silent"),
    [
        ({"node": "cam0", "kind": "hang"}, {"cam0"}),
        ({"node": "cam0", "kind": "drop", "share": 1}, {"cam0"}),
        ({"link": ["cam0", "cloud"], "kind": "partition"}, {"cam0"}),
        ({"node": "cam0", "kind": "drop", "share": 0.5}, set()),
        ({"node": "cam0", "kind": "slow"}, set()),
    ],
    ids=["hang", "drops all", "a link", "drops half", "slow"],
)
def test_nobody_waits_for_a_node_that_a_failure_silences(operator, asked, silent):
    operator.begin(parse_failure(asked | {"at": {"sample": 0}}))
    assert operator.unreachable == silent


def test_a_node_that_is_started_again_counts_as_running(operator):
    """Whoever waits for the nodes waits for it too: a new process is not stopped."""
    for kind in ("hang", "kill"):
        operator.begin(failure(kind))
    operator.end(failure("kill"))
    assert operator.unreachable == set()


@pytest.mark.parametrize(
    ("kind", "where", "told"),
    [("slow", "cam0", True), ("delay", "cam0:gateway", True), ("kill", "cam0", False)],
)
def test_an_order_counts_as_applied_when_it_is_confirmed(operator, kind, where, told):
    assert operator.begin(failure(kind, where)).is_applied != told


def test_what_a_dead_node_is_told_counts_when_it_runs_again_and_confirms_it(operator):
    operator.begin(failure("kill"))
    order = operator.begin(failure("slow"))
    assert order.reason == "cam0 is dead"
    operator.end(failure("kill"))
    assert order.reason == "took no order"
    order.confirm()
    assert order.is_applied


@pytest.mark.parametrize("silenced", ["kill", "hang"])
def test_what_a_process_was_told_ends_with_it(operator, silenced):
    slow = failure("slow")
    operator.begin(slow).confirm()
    operator.begin(failure(silenced))
    ended = operator.end(slow)
    operator.begin(failure("kill"))
    operator.begin(failure("recover"))
    assert ended.is_applied


def with_policy(policy: str, processes: Named) -> Operator:
    document = star_topology().model_dump(mode="json")
    for node in document["nodes"].values():
        node["restart"] = policy
    now_s = iter(range(0, 1000, 20))
    return Operator(processes, Topology.model_validate(document), clock=lambda: next(now_s))


def never_silent(_name: str, _started_s: float) -> bool:
    return False


def test_a_node_that_cannot_be_started_now_is_tried_again_and_ends_nothing(processes):
    class Full(Named):
        def restart(self, node: str) -> None:
            if len(self.done) < 2:
                self.done.append("refused")
                raise LaunchError(f"{node}: cannot be started, Too many open files")
            super().restart(node)

    processes = Full(tuple(star_topology().nodes))
    operator = with_policy("always", processes)
    processes.kill("cam0")
    tried = [operator.due_restarts(never_silent) for _ in range(8)]
    found = [why for each in tried for why in each.values()]
    assert found == ["cam0: cannot be started, Too many open files"] * 2 + [""]
    assert processes.is_running("cam0")


DEVICES = star_topology().devices


def all_of(operator: Operator, kind: str, **more: object) -> None:
    for name in DEVICES:
        operator.begin(parse_failure({"at": {"sample": 9}, "kind": kind, "node": name} | more))


@pytest.mark.parametrize(
    ("policy", "kind", "waits_s"),
    [
        ("never", "kill", 0.0),
        ("never", "partition", 0.0),
        ("always", "kill", math.inf),
        ("always", "hang", math.inf),
        ("always", "partition", 0.0),
    ],
)
def test_where_a_plan_silences_all_devices_samples_are_not_waited_with(
    processes, policy, kind, waits_s
):
    """Unless a policy starts them again: a partition that the plan wants does not go by that."""
    operator = with_policy(policy, processes)
    all_of(operator, kind)
    assert operator.pause_s(DEVICES) == waits_s


def test_devices_that_are_silent_without_a_plan_are_waited_for(operator):
    assert operator.pause_s(DEVICES) == PAUSE_S
    for name in DEVICES:
        operator.begin_by_hand(
            parse_failure({"at": {"seconds": 0.0}, "kind": "partition", "node": name})
        )
    assert operator.pause_s(DEVICES) == PAUSE_S
    assert operator.pause_s(DEVICES, returning=["cam1"]) == math.inf


def test_devices_on_another_host_are_waited_for_as_long_as_it_takes(processes):
    operator = Operator(processes, star_topology(), nodes=["gateway", "cloud"])
    assert operator.pause_s(DEVICES) == math.inf


def packed() -> Topology:
    document = star_topology().model_dump(mode="json", by_alias=True)
    for name in ("cam0", "cam1"):
        document["nodes"][name]["pack"] = True
    return Topology.model_validate(document)


def test_a_hang_is_of_a_process_and_any_of_its_nodes_resumes_it(processes):
    operator = Operator(processes, packed())
    operator.begin_by_hand(failure("hang", "cam1"))
    assert operator.unreachable == {"cam0", "cam1"}
    assert not operator.takes_orders("cam0")
    with pytest.raises(LaunchError, match="cam0: is stopped already"):
        operator.begin_by_hand(failure("hang", "cam0"))
    operator.begin_by_hand(failure("slow", "cam0"))
    operator.begin_by_hand(failure("recover", "cam0"))
    assert operator.unreachable == set()
    assert processes.done[:4] == ["hang cam0", "hang cam1", "resume cam0", "resume cam1"]


def test_a_process_that_was_killed_is_started_once_with_all_its_nodes(processes):
    operator = Operator(processes, packed())
    operator.begin_by_hand(failure("kill", "cam1"))
    assert operator.unreachable == {"cam0", "cam1"}
    operator.begin_by_hand(failure("recover", "cam0"))
    assert operator.unreachable == set()


def test_a_cut_link_is_of_one_node_whoever_shares_its_process(processes):
    operator = Operator(processes, packed())
    operator.begin_by_hand(failure("partition", "cam1"))
    assert operator.unreachable == {"cam1"}
    assert operator.whole_pack(failure("partition", "cam1")) == ""
