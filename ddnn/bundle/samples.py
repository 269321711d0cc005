"""Samples as a data card of their own, for whoever runs a bundle elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ddnn.data.multiview import MultiView
from ddnn.yamlfile import to_yaml

CARD = "card.yaml"


def write_card(folder: Path, samples: MultiView) -> None:
    """Writes a new folder with all samples and their labels, to be read with `--split all`."""
    folder.mkdir()
    arrays = {f"view{v}": array for v, array in enumerate(samples.views.arrays)}
    np.savez_compressed(folder / "samples.npz", y=samples.labels_NV, **arrays)  # type: ignore[arg-type] # no array is named allow_pickle
    card = {
        "kind": "npz",
        "path": "samples.npz",
        "classes": list(samples.classes),
        "arrays": dict(zip(samples.view_names, arrays, strict=True)),
    }
    (folder / CARD).write_text(to_yaml(card), encoding="utf-8")
