"""A tiny task: three cameras, colours for classes; and a method that anybody could write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colours import write_card

from ddnn.comparison.task import Task, read_task


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return write_card(tmp_path)


@pytest.fixture
def task(card: Path) -> Task:
    return read_task(card)


@pytest.fixture
def views(task: Task) -> np.ndarray:
    return task.test.views_NVCHW
