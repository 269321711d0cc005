"""Promise 6 in one process: whatever else arrives, verdicts and bytes stay the same."""

import random

import numpy as np
import pytest
from builders import star_topology

from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import link_counts
from ddnn.wire.codec import EVENTS
from ddnn.wire.memory import MemoryNetwork

SAMPLES = 60


class HostileNetwork(MemoryNetwork):
    """Delivers each message, and with it copies that are damaged, cut, lengthened, repeated."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(0)

    def put(self, sender: str, receiver: str, data: bytes) -> bool:
        taken = super().put(sender, receiver, data)
        for copy in self._copies(data):
            super().put(sender, receiver, copy)
        return taken

    def _copies(self, data: bytes) -> list[bytes]:
        flipped = bytearray(data)
        flipped[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return [
            bytes(flipped),
            data[: self._random.randrange(len(data))],
            data + b"\0",
            data,
            self._random.randbytes(self._random.randrange(100)),
        ]


@pytest.fixture
def runs(train):
    """The same run undisturbed and on a hostile network."""
    _, bundle, samples = train(star_topology(), SAMPLES)
    quiet = run_inprocess(bundle, samples.views)
    return quiet, run_inprocess(bundle, samples.views, network=HostileNetwork())


def test_nothing_that_is_damaged_or_repeated_changes_a_verdict(runs):
    quiet, hostile = runs
    for name in ("predicted_N", "exit_N", "entropy_N", "present_NV", "degraded_N"):
        np.testing.assert_array_equal(getattr(quiet, name), getattr(hostile, name))


def test_what_is_refused_is_counted_by_reason_and_not_as_traffic(runs):
    quiet, hostile = runs
    data = [
        [(c.link, c.kind, c.rows, c.payload) for c in link_counts(run.accounts) if c.kind.is_data]
        for run in runs
    ]
    assert data[0] == data[1]
    assert not any(account.events for account in quiet.accounts.values())
    refused = {reason for account in hostile.accounts.values() for reason, _ in account.events}
    assert {"bad-length", "checksum", "replayed", "version"} <= refused <= set(EVENTS)
