"""A device that answers what it is sure of and sends the picture of the rest, from the weights of a
network that was trained to send features.

The exit's own blocks are then the whole of what the device computes, and the cloud begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ddnn.bundle.write import write_bundle
from ddnn.model.joint import Joint
from ddnn.model.scaling import PIXEL_SCALE, RAW_SCALE
from ddnn.topology import Topology
from ddnn.training.run import BUNDLE, Run
from experiments.shared.launches import Rules

DEVICE, EDGE, CLOUD = "cam0", "edge0", "cloud"


def early_file(topology: Topology) -> Topology:
    """eeoi-resnet20 as a device with an exit of its own, whose views travel as JPEG files, and a
    cloud with the whole network."""
    document = topology.model_dump(mode="json")
    device, edge, cloud = document["tiers"]
    blocks = device["section"]["blocks"]
    above = blocks + edge["section"]["blocks"] + cloud["section"]["blocks"]
    tiers = [
        device
        | {
            "features": "jpeg",
            "section": {"feature_bits": 8},
            "exit": device["exit"] | {"blocks": blocks + device["exit"]["blocks"]},
        },
        cloud | {"section": cloud["section"] | {"blocks": above}},
    ]
    nodes = {name: node for name, node in document["nodes"].items() if name != EDGE}
    nodes[DEVICE] |= {"parent": CLOUD}
    name = f"{topology.name}-early-file"
    return Topology.model_validate(document | {"name": name, "tiers": tiers, "nodes": nodes})


def weights_of(topology: Topology, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of `early_file(topology)`, from those of the network of `topology`.

    A view that travels is in 255ths where blocks see 256ths: the first convolution takes it up.
    """
    stage, edge = (len(topology.section(name).blocks) for name in (DEVICE, EDGE))
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        _, owner, part, *rest = key.split(".")
        if owner == EDGE and part == "blocks":
            found |= {_block(CLOUD, "blocks", rest, stage): value}
        elif owner == DEVICE and part == "blocks":
            factor = RAW_SCALE / PIXEL_SCALE if ".".join(rest) == "0.conv.weight" else 1
            found |= {
                _block(DEVICE, "head.blocks", rest, 0): value * factor,
                _block(CLOUD, "blocks", rest, 0): value * factor,
            }
        elif owner == DEVICE and rest[0] == "blocks":
            found |= {_block(DEVICE, "head.blocks", rest[1:], stage): value}
        elif owner == CLOUD and part == "blocks":
            found |= {_block(CLOUD, "blocks", rest, stage + edge): value}
        elif owner not in (EDGE, "edge"):
            found |= {key: value}
    return found


def _block(node: str, part: str, rest: list[str], further: int) -> str:
    return ".".join(["sections", node, part, str(int(rest[0]) + further), *rest[1:]])


def with_files(run: Run, rules: Rules, folder: Path) -> Run:
    """The run's network as `early_file`, its bundle in `folder`."""
    topology = early_file(run.topology)
    joint = Joint(topology)
    joint.load_state_dict(weights_of(run.topology, run.joint.state_dict()))
    chosen = {name: rules[name] for name in topology.exits}
    write_bundle(folder / BUNDLE, joint.eval(), exits=chosen, prior_class=run.prior_class)
    config = run.config.model_copy(update={"topology": topology})
    return replace(run, folder=folder, config=config, joint=joint, rules=chosen)
