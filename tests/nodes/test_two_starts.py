"""A device that was started twice by mistake: nodes and mailboxes in a time of their own."""

import pytest
from builders import star_topology
from networks import Trained, Trainer

from ddnn.nodes.base import Identity, Node
from ddnn.nodes.build import Equipment, build_node, takeover_s
from ddnn.nodes.loop import step
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Heartbeat, Roll
from ddnn.wire.transport import Mailbox, Received

TURN_S = 0.005
RUN = 9
FIRST, SECOND = 100, 200


@pytest.fixture(scope="module")
def star(tmp_path_factory) -> Trained:
    return Trainer(tmp_path_factory.mktemp("bundles"))(star_topology(), 8)


class Place:
    """All nodes of a star.

    believed: the start of cam1 that each heard last. What is sent to cam1 comes to its latest start
    alone.
    """

    def __init__(self, star: Trained) -> None:
        self._star, bundle = star, star.bundle
        self._codec = Codec(bundle.topology, bundle.session, bundle.tables)
        self._network, self._now_s = MemoryNetwork(), 100.0
        self.running: dict[int, tuple[Node, Mailbox]] = {}
        self.believed: dict[str, int] = {}
        self._collector = self._mailbox(COLLECTOR, RUN)
        for boot, name in enumerate(bundle.topology.nodes):
            self.start(name, FIRST if name == "cam1" else boot)

    def _mailbox(self, name: str, boot: int) -> Mailbox:
        mailbox = Mailbox(
            name,
            self._codec,
            self._network.join(name),
            boot=boot,
            clock=lambda: self._now_s,
            patience_s=takeover_s(self._star.bundle.topology),
        )
        mailbox.join(RUN)
        return mailbox

    def start(self, name: str, boot: int) -> None:
        bundle, views = self._star.bundle, None
        if name in bundle.topology.devices:
            views = self._star.samples.views.arrays[bundle.topology.view_number(name)]
        node = build_node(name, bundle, views, Equipment(identity=Identity(boot=boot)))
        node.handle(COLLECTOR, Roll(RUN), self._now_s)
        self.running[boot] = node, self._mailbox(name, boot)

    def turn_for(self, seconds: float) -> None:
        end_s = self._now_s + seconds
        while self._now_s < end_s:
            self._now_s += TURN_S
            self._look(COLLECTOR, self._collector.receive(0))
            for boot, (node, mailbox) in self.running.items():
                is_deaf = boot == FIRST and SECOND in self.running
                received = [] if is_deaf else mailbox.receive(0)
                self._look(node.name, received)
                step(node, mailbox, received, self._now_s)

    def _look(self, name: str, received: list[Received]) -> None:
        for sender, message in received:
            if sender == "cam1" and isinstance(message, Heartbeat):
                self.believed[name] = message.boot


def test_a_second_start_of_a_device_is_believed_by_nobody_while_the_first_one_idles(star):
    place = Place(star)
    place.turn_for(5)
    place.start("cam1", SECOND)
    place.turn_for(5)
    assert place.believed == {"gateway": FIRST, "cloud": FIRST, COLLECTOR: FIRST}


def test_another_start_of_a_device_that_idled_and_died_is_soon_believed_by_all(star):
    place = Place(star)
    place.turn_for(5)
    del place.running[FIRST]
    place.start("cam1", SECOND)
    place.turn_for(0.8)
    assert place.believed == {"gateway": SECOND, "cloud": SECOND, COLLECTOR: SECOND}
