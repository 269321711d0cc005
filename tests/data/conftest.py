"""Data tests keep their cache to themselves and see no data folder of the machine's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from data_samples import small_arrays


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DDNN_DATA", raising=False)


@pytest.fixture
def write_card(tmp_path: Path) -> Callable[..., Path]:
    """Writes a card of the given keys and returns its path."""

    def write(**keys: Any) -> Path:
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump(keys, sort_keys=False))
        return path

    return write


@pytest.fixture
def npz_card(tmp_path: Path, write_card: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a small npz, arrays replaced by those given, and a card for it."""

    def write(arrays: dict[str, Any] | None = None, **keys: Any) -> Path:
        content = {**small_arrays(), **(arrays or {})}
        with (tmp_path / "small.npz").open("wb") as file:
            np.savez(file, **{name: value for name, value in content.items() if value is not None})
        card = {"kind": "npz", "path": "small.npz", "classes": ["car", "bus"], "absent_label": 2}
        return write_card(**{**card, **keys})

    return write
