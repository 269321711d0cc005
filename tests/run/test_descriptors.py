"""With few file descriptors: in processes of their own, since limits hold for a process."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from builders import star_topology
from ports import free_port
from waiting import wait_until

from ddnn.run.descriptors import needed_descriptors
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.messages import Heartbeat
from ddnn.wire.routes import peers, senders
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport

SOCKETS = """
import resource, sys, os
from pathlib import Path
from builders import star_topology
from ddnn.errors import DdnnError
from ddnn.run.launcher.start import free_endpoints
from ddnn.run.sockets import open_sockets
from ddnn.wire.codec import Codec
topology = star_topology(2)
topology = topology.with_endpoints(free_endpoints(topology))
try:
    sockets = open_sockets("gateway", topology, Codec(topology, 1), keys=None, insecure=False)
except DdnnError as error:
    print(error)
else:
    print(resource.getrlimit(resource.RLIMIT_NOFILE), len(os.listdir("/dev/fd")))
    sockets.close()
"""
LISTENER = """
import sys
from builders import star_topology
from ddnn.wire.codec import Codec
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport
codec = Codec(star_topology(2), 1)
sockets = ZmqTransport("gateway", endpoint=sys.argv[1], peers={}, max_bytes=codec.max_bytes)
gateway = Mailbox("gateway", codec, sockets)
print("listens", flush=True)
sys.stdin.readline()
while not gateway.receive(0.1):
    pass
sockets.close()
"""
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[1])}
NEEDED = needed_descriptors(star_topology(2), "gateway")


def limited(soft: int, hard: int, *command: str) -> list[str]:
    limits = f"ulimit -S -n {soft}; ulimit -H -n {hard}"
    return ["sh", "-c", f'{limits}; exec "$@"', "sh", sys.executable, *command]


def started(limit: int, program: str, *arguments: str) -> subprocess.Popen[str]:
    """The program, in a process that may have so many descriptors."""
    return subprocess.Popen(
        limited(limit, limit, "-c", program, *arguments),
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def within(soft: int, hard: int, *command: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process that may have so many descriptors."""
    return subprocess.run(
        limited(soft, hard, *command),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("hard", [28, NEEDED - 1])
def test_too_few_descriptors_are_refused_with_how_many_are_needed(hard):
    said = within(hard, hard, "-c", SOCKETS).stdout.strip()
    assert said == (
        f"Too many open files: gateway of star needs {NEEDED} file descriptors, "
        f"may have {hard}; want `ulimit -n {NEEDED}` or more"
    )


def test_the_soft_limit_is_raised_to_the_hard_one_and_that_is_enough():
    limits, used = within(28, NEEDED, "-c", SOCKETS).stdout.strip().rsplit(" ", 1)
    assert limits == str((NEEDED, NEEDED))
    assert int(used) < NEEDED


def test_a_node_without_a_descriptor_left_makes_room_and_goes_on():
    """More connections than it may have descriptors, while it does not look."""
    port, other_port = free_port(), free_port()
    with ExitStack() as stack:
        node = stack.enter_context(started(60, LISTENER, f"tcp://127.0.0.1:{port}"))
        stack.callback(node.kill)
        assert node.stdout.readline() == "listens\n"
        for _ in range(150):
            crowd = stack.enter_context(socket.socket())
            crowd.setblocking(False)
            crowd.connect_ex(("127.0.0.1", port))
        sockets = ZmqTransport(
            "cam0",
            endpoint=f"tcp://127.0.0.1:{other_port}",
            peers={"gateway": f"tcp://127.0.0.1:{port}"},
            max_bytes=1000,
        )
        stack.callback(sockets.close)
        cam0 = Mailbox("cam0", Codec(star_topology(2), 1), sockets)
        node.stdin.write("go on\n")
        node.stdin.flush()
        wait_until(lambda: (cam0.send("gateway", Heartbeat()), node.poll())[1] is not None)
        assert node.returncode == 0


def test_more_peers_need_more():
    needed = [needed_descriptors(star_topology(n), COLLECTOR) for n in (2, 50)]
    assert needed[1] > needed[0] + 48 * 8


def test_whoever_sends_to_a_node_has_it_as_a_peer():
    topology = star_topology(3)
    names = (COLLECTOR, *topology.nodes)
    assert all(
        (a in senders(topology, b)) == (b in peers(topology, a)) for a in names for b in names
    )
