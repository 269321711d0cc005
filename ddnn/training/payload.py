"""Payload bytes of every link, predicted offline from what each device sees and each exit answers.

Equation 1 of the paper, sample by sample, for what it leaves out: devices that see nothing,
features whose size depends on their content. What a launched system counts must equal it.
Axes: N samples, V views.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.coding.coders import coder_of
from ddnn.coding.entropy import fit_table
from ddnn.data.multiview import MultiView
from ddnn.model.joint import Joint
from ddnn.model.sections import SectionOutput
from ddnn.report.verdicts import Verdicts
from ddnn.topology import DEVICE, Topology
from ddnn.training.predict import perceive, taking_part

FeatureBytes = Mapping[str, NDArray[np.int64]]
"""By node name, (N,): payload of its features of each sample, should they be sent."""
TABLE_SAMPLES = 2000
"""A table has 64 columns a bit plane: each sees far more bits of them than it has."""


class DevicePayload(NamedTuple):
    """Payload bytes a device, the mean over all devices, of each sample."""

    scores_N: NDArray[np.float64]
    features_N: NDArray[np.float64]

    def mean(self, local_N: NDArray[np.bool_]) -> float:
        """Per device and sample, when the local exit answers these samples."""
        return float((self.scores_N + np.where(local_N, 0.0, self.features_N)).mean())


def device_payload(
    topology: Topology, present_NV: NDArray[np.bool_], feature_bytes: FeatureBytes
) -> DevicePayload:
    """What the devices that take part send. One that holds the exit itself sends no scores."""
    rule = topology.tier(DEVICE).exit
    scores_N, features_N = np.zeros((2, len(present_NV)), dtype=np.int64)
    for view, name in enumerate(topology.devices):
        if rule is not None and rule.at != name:
            scores_N += present_NV[:, view] * topology.score_bytes(name)
        features_N += present_NV[:, view] * feature_bytes[name]
    return DevicePayload(scores_N / topology.views, features_N / topology.views)


def link_payload(
    topology: Topology, verdicts: Verdicts, feature_bytes: FeatureBytes
) -> dict[tuple[str, str], int]:
    """Payload bytes of every data link (sender, receiver), over a whole run.

    A node sends scores of the samples that reach its tier and in which one of its views has a
    part, and features of those that its tier's exit leaves open.
    """
    links: dict[tuple[str, str], int] = {}
    exits = list(topology.exits.values())
    open_N = verdicts.exit_N >= 0
    for tier in topology.tiers:
        here = exits.index(tier) if tier in exits else None
        above_N = open_N if here is None else open_N & (verdicts.exit_N != here)
        for name in topology.members(tier.name):
            views = sorted(topology.views_below(name))
            part_N = open_N & verdicts.present_NV[:, views].any(axis=1)
            parent = topology.nodes[name].parent
            if tier.exit is not None and tier.exit.at != name:
                link = (name, tier.exit.at)
                scores = int(part_N.sum()) * topology.score_bytes(name)
                links[link] = links.get(link, 0) + scores
            if parent is not None:
                link = (name, parent)
                features = int(feature_bytes[name][part_N & above_N].sum())
                links[link] = links.get(link, 0) + features
        open_N = above_N
    return links


def feature_bytes(
    joint: Joint, devices: Mapping[str, SectionOutput], present_NV: NDArray[np.bool_]
) -> FeatureBytes:
    """What each node's features take; `devices` comes from `perceive`."""
    topology = joint.topology
    sizes = {
        name: np.full(len(present_NV), topology.feature_bytes(name))
        for name in topology.section_nodes
    }
    for name, features_NFHW in coded_features(joint, devices, present_NV).items():
        coder = coder_of(topology, name, joint.sections[name].code_table)
        if coder is not None:
            sizes[name] = np.array([len(code) for code in coder.encode(features_NFHW)])
    return sizes


def fit_tables(joint: Joint, samples: MultiView) -> None:
    """Fits the tables of all nodes whose features are entropy-coded to what they send.

    Of more than TABLE_SAMPLES as many, evenly spaced, are enough.
    """
    topology = joint.topology
    if all(topology.feature_code(name) != "entropy-coded" for name in topology.section_nodes):
        return
    if len(samples) > TABLE_SAMPLES:
        chosen = np.linspace(0, len(samples) - 1, TABLE_SAMPLES).astype(np.int64)
        samples = samples.take(chosen)
    present_NV = taking_part(topology, samples)
    found = coded_features(joint, perceive(joint, samples), present_NV)
    for name, features_NFHW in found.items():
        if topology.feature_code(name) == "entropy-coded":
            sent_N = present_NV[:, sorted(topology.views_below(name))].any(axis=1)
            bits = topology.section(name).sent_bits
            joint.sections[name].code_table = fit_table(features_NFHW[sent_N], bits)


@torch.no_grad()
def coded_features(
    joint: Joint, devices: Mapping[str, SectionOutput], present_NV: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """The features of all nodes whose features are coded, (N, F, H, W)."""
    topology = joint.topology
    coded = [name for name in topology.section_nodes if topology.feature_code(name) != "raw-bits"]
    if not coded:
        return {}
    joint.eval()
    torch_device = next(joint.parameters()).device
    output = joint.fuse(devices, torch.from_numpy(present_NV).to(torch_device))
    return {name: output.features[name].cpu().numpy() for name in coded}
