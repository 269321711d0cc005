"""Samples with all devices and with some lost: what thresholds are chosen on.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.model.joint import Joint
from ddnn.model.sections import SectionOutput
from ddnn.report.verdicts import Verdicts
from ddnn.training.payload import DevicePayload, device_payload, feature_bytes
from ddnn.training.predict import Logits, answer, fuse, perceive, taking_part

SETS = 10
"""Of lost devices, for each number of them, that thresholds are chosen on."""


class Patterns(NamedTuple):
    """Validation samples once for each set of devices that are there; the first `whole` rows are
    of the first set, all devices if they are among them.

    payload: of these rows. prior_class: the answer where nobody sees anything.
    """

    logits: Logits
    samples: MultiView
    present_NV: NDArray[np.bool_]
    whole: int
    payload: DevicePayload
    prior_class: int

    def rows(self, chosen: slice) -> Patterns:
        """Some of them; the payload is still that of all devices."""
        numbers = np.arange(len(self.samples))[chosen]
        return self._replace(
            logits={name: x_NK[chosen] for name, x_NK in self.logits.items()},
            samples=self.samples.take(numbers),
            present_NV=self.present_NV[chosen],
            whole=min(self.whole, len(numbers)),
        )

    def answer(self, rules: Mapping[str, ExitRule]) -> Verdicts:
        """What the rules make of them."""
        return answer(
            self.logits,
            rules,
            samples=self.samples,
            present_NV=self.present_NV,
            prior_class=self.prior_class,
        )


def loss_patterns(joint: Joint, samples: MultiView, *, prior_class: int) -> Patterns:
    """All devices, then each one lost: what a network is calibrated for.

    A single device is never lost.
    """
    views = joint.topology.views
    masks = [np.ones(views, dtype=bool), *(lost_masks(views, 1) if views > 1 else [])]
    return _masked(joint, perceive(joint, samples), samples, masks, prior_class=prior_class)


def lost_patterns(joint: Joint, samples: MultiView, *, prior_class: int) -> list[Patterns]:
    """With 1, 2 and so on devices lost, until one is left."""
    devices, views = perceive(joint, samples), joint.topology.views
    return [
        _masked(joint, devices, samples, lost_masks(views, lost), prior_class=prior_class)
        for lost in range(1, views)
    ]


def lost_masks(views: int, lost: int) -> list[NDArray[np.bool_]]:
    """Who is there, each (V,), for sets of so many lost devices: all sets, or SETS of them, evenly
    spread over all in their order."""
    sets = math.comb(views, lost)
    chosen = {place * sets // SETS for place in range(SETS)} if sets > SETS else range(sets)
    every = itertools.combinations(range(views), lost)
    return [~np.isin(np.arange(views), devices) for n, devices in enumerate(every) if n in chosen]


def _masked(
    joint: Joint,
    devices: Mapping[str, SectionOutput],
    samples: MultiView,
    masks: Sequence[NDArray[np.bool_]],
    *,
    prior_class: int,
) -> Patterns:
    """The samples once for each mask (V,). The payload is that of the first."""
    found = [fuse(joint, devices, np.tile(mask_V, (len(samples), 1))) for mask_V in masks]
    everything = samples.take(np.tile(np.arange(len(samples)), len(masks)))
    here_NV = np.repeat(np.stack(masks), len(samples), axis=0)
    present_NV = taking_part(joint.topology, everything, here_NV)
    whole_NV = present_NV[: len(samples)]
    return Patterns(
        logits={name: np.concatenate([logits[name] for logits in found]) for name in found[0]},
        samples=everything,
        present_NV=present_NV,
        whole=len(samples),
        payload=device_payload(joint.topology, whole_NV, feature_bytes(joint, devices, whole_NV)),
        prior_class=prior_class,
    )
