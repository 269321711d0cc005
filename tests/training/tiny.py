"""A tiny three-camera problem: the brighter channel tells the class; some views are absent."""

import numpy as np

from ddnn.data.multiview import MultiView
from ddnn.topology import Topology, read_topology

CLASSES = ("red", "green", "blue")


def make_samples(count: int, seed: int = 0, size: int = 8) -> MultiView:
    """N samples, 3 views; each sample is seen by at least one."""
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 3, count)
    views = rng.integers(0, 120, (count, 3, 3, size, size))
    views[np.arange(count), :, labels_N] += 90
    seen_NV = rng.random((count, 3)) > 0.3
    seen_NV[np.arange(count), rng.integers(0, 3, count)] = True
    views[~seen_NV] = 0
    return MultiView(
        views=views.astype(np.uint8),
        labels_NV=np.where(seen_NV, labels_N[:, None], -1),
        classes=CLASSES,
    )


def make_topology(name: str = "c-devices-cloud", size: int = 8, **device_tier: str) -> Topology:
    """A shipped one for these samples. device_tier: its options."""
    document = read_topology(name).model_dump(mode="json")
    document["classes"] = list(CLASSES)
    document["view"] = {"channels": 3, "height": size, "width": size}
    for tier in document["tiers"]:
        for block in tier["section"]["blocks"]:
            block["filters"] = 4
    document["tiers"][0] |= device_tier
    return Topology.model_validate(document)
