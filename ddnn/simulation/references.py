"""Views and features by reference: what a section gives is computed once and then looked up.

The nodes of a simulation handle numbers in place of images and feature maps: a view is the number
of its recording, features are the place of what would travel, as packed bytes, in a Store. Scores
stay what they are. Nothing is assumed of what a node does with them: an engine is asked for what
it is given, row by row, and answers with what the bundle's ONNX file makes of just that.

Axes: N samples (rows), M members or children, V views, K classes, F filters, H, W, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.data.views import Views
from ddnn.nodes.engine import Engine
from ddnn.simulation.profile import Meter, Profile
from ddnn.topology import DEVICE, Shape, Topology, View
from ddnn.wire.payloads import Payloads

NOTHING = 0
"""The reference of features that are all zeros, and of a black view."""
BATCH = 256
"""Rows computed at once."""


class Referring(Topology):
    """A topology as its nodes see it where views and features are references of 4 bytes."""

    def view_of(self, device: str) -> View:
        """A reference, whatever the device sees."""
        return self.view

    def feature_shape(self, name: str) -> Shape:
        """One number, of the size of a float32."""
        return Shape(1, 1, 1)


def referring(bundle: Bundle) -> Bundle:
    """The same bundle for nodes that handle references."""
    fields = {name: getattr(bundle.topology, name) for name in Topology.model_fields}
    fields["view"] = View(channels=4, height=1, width=1)
    topology = Referring.model_construct(**fields)
    return Bundle(
        bundle.folder, bundle.manifest.model_copy(update={"topology": topology}), bundle.sha256
    )


def view_references(views_NCHW: NDArray[Any]) -> NDArray[np.uint8]:
    """(N, 4, 1, 1): in place of each view its number, from 1; NOTHING for a black one."""
    numbers_N = np.arange(1, len(views_NCHW) + 1, dtype="<i4")
    numbers_N[~views_NCHW.any(axis=(1, 2, 3))] = NOTHING
    return numbers_N.view(np.uint8).reshape(-1, 4, 1, 1)


class Store(Payloads):
    """The payloads of a topology, and each node's features in the form in which they travel."""

    def __init__(self, topology: Topology, tables: Mapping[str, bytes] | None) -> None:
        super().__init__(topology, tables)
        self._packed: dict[str, list[bytes]] = {name: [b""] for name in topology.section_nodes}
        for name, node in topology.nodes.items():
            if node.replica_of in self._packed:  # they run the same engine
                self._packed[name] = self._packed[node.replica_of]

    def put(self, node: str, features_NFHW: NDArray[np.float32]) -> NDArray[np.int32]:
        """Keeps the rows for good; returns their references."""
        packed, first = self._packed[node], len(self._packed[node])
        packed += [super(Store, self).pack_features(node, row[None]) for row in features_NFHW]
        return np.arange(first, len(packed), dtype=np.int32)

    def get(self, node: str, references_N: NDArray[np.int32]) -> NDArray[np.float32]:
        """(N, F, H, W): the features as they arrive, zeros for NOTHING."""
        features_NFHW = np.zeros((len(references_N), *self._shapes[node]), np.float32)
        for row in np.flatnonzero(references_N):
            packed = memoryview(self._packed[node][references_N[row]])
            features_NFHW[row] = self.unpack_features(node, packed, 1)[0]
        return features_NFHW

    def pack_features(self, sender: str, features_RFHW: NDArray[np.float32]) -> bytes:
        """See Payloads; of references."""
        packed = self._packed[sender]
        return b"".join([packed[place] for place in as_references(features_RFHW).tolist()])


def as_references(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """(N,): the references that stand in the place of features (N, 1, 1, 1)."""
    return np.ascontiguousarray(values).view(np.int32).reshape(-1)


class MeteredEngine(Engine):
    """An engine whose runs take virtual time."""

    def __init__(self, path: Path, meter: Meter, cost: tuple[float, float]) -> None:
        """cost: seconds that a run takes, at all and for each row."""
        super().__init__(path)
        self._meter = meter
        self._fixed_s, self._row_s = cost

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        self._meter.spend(self._fixed_s + self._row_s * len(next(iter(inputs.values()))))
        return self._compute(inputs)

    def _compute(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        return super().run(inputs)


class RecalledEngine(MeteredEngine):
    """An engine that computes each distinct row once."""

    def __init__(self, path: Path, meter: Meter, cost: tuple[float, float]) -> None:
        super().__init__(path, meter, cost)
        self._known: dict[str, dict[bytes, bytes]] = {name: {} for name in self.outputs}
        self._shape_of: dict[str, tuple[int, ...]] = {}

    def check(
        self, *, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Shapes of references tell nothing of the model."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        keys = self._keys(inputs)
        self._meter.spend(self._fixed_s + self._row_s * len(keys))
        some = self._known[self.outputs[0]]
        for row, key in enumerate(keys):
            if key not in some:
                self._learn(keys, {n: values[row : row + 1] for n, values in inputs.items()}, row)
        return {name: self._recall(name, keys) for name in self.outputs}

    def _recall(self, name: str, keys: Sequence[bytes]) -> NDArray[np.float32]:
        known = self._known[name]
        rows = np.frombuffer(b"".join([known[key] for key in keys]), np.float32)
        return rows.reshape(len(keys), *self._shape_of[name])

    def _learn(
        self, keys: Sequence[bytes], inputs: Mapping[str, NDArray[Any]], first: int = 0
    ) -> None:
        """inputs: of the rows from `first` on. One at a time, what comes out does not depend on
        what was asked before."""
        for name, values in self._compute(inputs).items():
            self._shape_of[name] = values.shape[1:]
            for row, value in enumerate(values):
                self._known[name][keys[first + row]] = value.tobytes()

    def _keys(self, inputs: Mapping[str, NDArray[Any]]) -> list[bytes]:
        """What each row is, as bytes."""
        parts = [
            np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
            for values in inputs.values()
        ]
        rows_NB = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        data, size = rows_NB.tobytes(), rows_NB.shape[1]
        return [data[i : i + size] for i in range(0, len(data), size)]


class RecalledSection(RecalledEngine):
    """A section that takes references and, for its features, gives them."""

    def __init__(
        self,
        node: str,
        path: Path,
        meter: Meter,
        cost: tuple[float, float],
        *,
        store: Store,
        children: Sequence[str],
        views_NCHW: NDArray[Any] | None,
    ) -> None:
        """views_NCHW: what a device recorded."""
        super().__init__(path, meter, cost)
        self._node = node
        self._store = store
        self._children = children
        self._views_NCHW = views_NCHW
        if views_NCHW is not None:
            self._learn_all(len(views_NCHW))

    def _learn_all(self, recorded: int) -> None:
        """All that a device saw, and nothing."""
        for start in range(0, recorded + 1, BATCH):
            numbers_N = np.arange(start, min(start + BATCH, recorded + 1), dtype="<i4")
            inputs = {"views": numbers_N.view(np.uint8).reshape(-1, 4, 1, 1)}
            self._learn(self._keys(inputs), inputs)

    def _compute(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        outputs = super()._compute(self._resolved(inputs))
        if "features" in outputs:
            references_N = self._store.put(self._node, outputs["features"])
            outputs["features"] = references_N.view(np.float32).reshape(-1, 1, 1, 1)
        return outputs

    def _resolved(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if self._views_NCHW is not None:
            numbers_N = np.ascontiguousarray(inputs["views"]).reshape(-1).view("<i4")
            views_NCHW = self._views_NCHW[np.maximum(numbers_N, 1) - 1].copy()
            views_NCHW[numbers_N == NOTHING] = 0
            return {"views": views_NCHW}
        children: dict[str, NDArray[Any]] = {
            f"features_{place}": self._store.get(child, as_references(inputs[f"features_{place}"]))
            for place, child in enumerate(self._children)
        }
        return children | {"present": inputs["present"]}


class Loads(Protocol):
    """Engines that share a meter."""

    meter: Meter

    def load(self, path: Path) -> Engine: ...


class Engines:
    """The engines of a bundle by their files: restarted nodes share what is known already."""

    def __init__(
        self,
        bundle: Bundle,
        views: Views,
        store: Store,
        profile: Profile,
        *,
        wire: bool,
    ) -> None:
        """wire: engines take and give what those of a launch do."""
        self.meter = Meter()
        self._known: dict[Path, Engine] = {}
        if wire:
            self._load_whole(bundle, profile)
        else:
            self._load_recalled(bundle, views, store, profile)

    def _load_whole(self, bundle: Bundle, profile: Profile) -> None:
        topology = bundle.topology
        paths = {name: bundle.section_path(name) for name in topology.section_nodes}
        paths |= {f"exit:{name}": bundle.exit_path(name) for name in topology.exits}
        for name, path in paths.items():
            self._known[path] = MeteredEngine(path, self.meter, profile.engine(name))

    def _load_recalled(self, bundle: Bundle, views: Views, store: Store, profile: Profile) -> None:
        topology = bundle.topology
        for name in topology.section_nodes:
            is_device = topology.nodes[name].role == DEVICE
            path = bundle.section_path(name)
            self._known[path] = RecalledSection(
                name,
                path,
                self.meter,
                profile.engine(name),
                store=store,
                children=topology.children(name),
                views_NCHW=views.arrays[topology.view_number(name)] if is_device else None,
            )
        for name in topology.exits:
            path = bundle.exit_path(name)
            self._known[path] = RecalledEngine(path, self.meter, profile.engine(f"exit:{name}"))

    def load(self, path: Path) -> Engine:
        """As ddnn.nodes.build.LoadEngine."""
        return self._known[path]
