"""Writes a bundle: the folder that carries a trained network from torch to the runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save

from ddnn.bundle.graph import exit_graph, section_graph
from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import (
    MANIFEST,
    WEIGHTS,
    ExitRule,
    Manifest,
    exit_file,
    section_file,
)
from ddnn.bundle.split import new_folder
from ddnn.model.joint import Joint
from ddnn.report.files import write_bytes
from ddnn.topology import DEVICE


def write_bundle(
    folder: Path,
    joint: Joint,
    *,
    exits: Mapping[str, ExitRule],
    prior_class: int,
    views: Sequence[str] | None = None,
    data: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
    check: Callable[[Path], Mapping[str, Any]] = lambda _folder: {},
) -> Manifest:
    """Exports the network as it would be evaluated; replaces the bundle at `folder`, if any.

    exits: by exit name, how each decides. check: looks at the new files before they count, and
    adds to the summary of the training. Other arguments: see Manifest.
    Raises BundleError when the folder cannot be written, and what `check` raises; the bundle
    before then still stands.
    """
    files = bundle_files(joint)
    with new_folder(folder, replace=True) as new:
        for path, content in files.items():
            write_bytes(new / path, content)
        manifest = Manifest(
            topology=joint.topology,
            exits=dict(exits),
            prior_class=prior_class,
            views=None if views is None else tuple(views),
            data=dict(data or {}),
            training=dict(training or {}) | dict(check(new)),
            versions=dict(versions or {}),
            tables=code_tables(joint),
            sha256={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        )
        write_bytes(new / MANIFEST, manifest.to_bytes())
    return manifest


def code_tables(joint: Joint) -> dict[str, str]:
    """Of every node whose features are entropy-coded, hexadecimal."""
    tables = {name: joint.sections[name].code_table for name in joint.topology.section_nodes}
    return {name: table.hex() for name, table in tables.items() if table is not None}


def bundle_files(joint: Joint) -> dict[str, bytes]:
    """Every file of the bundle but the manifest, by its path."""
    topology = joint.topology
    files = {}
    for name in topology.section_nodes:
        role, children = topology.nodes[name].role, topology.children(name)
        inputs = (
            [topology.view_of(name).shape]
            if role == DEVICE
            else [topology.feature_shape(child) for child in children]
        )
        files[section_file(name)] = section_graph(
            joint.sections[name],
            name=name,
            inputs=inputs,
            features=topology.feature_shape(name),
            classes=len(topology.classes),
        )
    for name in topology.exits:
        files[exit_file(name)] = exit_graph(
            joint.exits[name],
            name=name,
            members=len(joint.exit_members(name)),
            classes=len(topology.classes),
        )
    state = {key: value.cpu().contiguous() for key, value in joint.state_dict().items()}
    files[WEIGHTS] = save(state)
    return files


def write_exits(
    folder: Path, exits: Mapping[str, ExitRule], point: Mapping[str, Any] | None = None
) -> Manifest:
    """Changes only how the exits of a bundle decide; its other files and hashes stay.

    point: by split, what the rules cost and give there, in the summary of the training.
    Raises BundleError when the bundle is damaged.
    """
    manifest = load_bundle(folder).manifest
    training = manifest.training | dict(point or {})
    manifest = manifest.model_copy(update={"exits": dict(exits), "training": training})
    write_bytes(folder / MANIFEST, manifest.to_bytes())
    return manifest
