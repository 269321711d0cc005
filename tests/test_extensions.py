"""What installed packages add. The example package is really built and installed, elsewhere."""

import sys

import pytest

from ddnn.errors import ConfigError
from ddnn.extensions import known, load


def test_nothing_is_added_where_nothing_is_installed():
    assert known("trackers") == ()
    with pytest.raises(ConfigError, match=r"^x: no .* adds 'shuffle' to ddnn.blocks \(known: "):
        load("blocks", "shuffle", where="x")


@pytest.mark.usefixtures("example_package")
class TestInstalled:
    def test_names_are_known_without_importing_anything(self):
        assert set(known("blocks")) == {"bottleneck", "broken", "number"}
        assert "ddnn_example.nets" not in sys.modules

    def test_what_it_adds_can_be_called(self):
        bottleneck = load("blocks", "bottleneck", where="x")
        assert bottleneck(channels=3, filters=2)[0].weight.shape == (2, 3, 1, 1)

    def test_what_cannot_be_imported_or_called_is_named(self):
        with pytest.raises(ConfigError, match=r"^x: 'broken' is ddnn_example.absent:nothing: Mod"):
            load("blocks", "broken", where="x")
        with pytest.raises(ConfigError, match=r"^x: 'number' is ddnn_example:NUMBER, want some"):
            load("blocks", "number", where="x")
