"""How many threads torch computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ddnn.model.joint import Joint

SMALL_WEIGHTS = 100_000
"""The six-camera network has 37,000 weights: two threads on two idle cores save a tenth of an
epoch (0.76 s against 0.85 s) and on busy cores cost many times one thread's, because torch's
threads wait for each other by spinning. A ResNet-20 has 270,000."""


@contextmanager
def threads_for(joint: Joint) -> Iterator[None]:
    """One thread for a small network, torch's own choice for a larger one."""
    before = torch.get_num_threads()
    if sum(weight.numel() for weight in joint.parameters()) < SMALL_WEIGHTS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
