"""Recorded data in place of a camera."""

import pytest
from builders import star_topology
from networks import Trainer

from ddnn.api.live import live_of
from ddnn.errors import ConfigError


def test_a_card_that_is_not_there_is_named_with_the_device_that_wants_it(tmp_path):
    bundle = Trainer(tmp_path / "trained")(star_topology(2), 20).bundle
    path = tmp_path / "sources.yaml"
    device = "{kind: recorded, card: nowhere.yaml}"
    text = f"sample: {{every_ms: 100}}\ndevices: {{cam0: {device}, cam1: {device}}}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^{path}: devices\.cam0\.card: nowhere.yaml: no such"):
        live_of(bundle, path)
