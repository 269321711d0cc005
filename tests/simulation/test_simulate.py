"""`ddnn.simulate`, as a program calls it."""

from pathlib import Path

import numpy as np
import pytest
from builders import star_topology

import ddnn
from ddnn.errors import ConfigError
from ddnn.yamlfile import to_yaml


@pytest.fixture
def places(train, tmp_path: Path) -> dict:
    """A bundle and a card of samples for it."""
    trained = train(star_topology(), 60)
    np.savez(tmp_path / "views.npz", X=trained.samples.views_NVCHW, y=trained.samples.labels_NV)
    card = {"kind": "npz", "path": "views.npz", "classes": list(trained.samples.classes)}
    path = tmp_path / "card.yaml"
    path.write_text(to_yaml(card | {"split": {"by": "sample"}}))
    return {"run": trained.bundle.folder, "data": path, "split": "all", "samples": 120}


def test_it_gives_what_a_launch_gives_and_whether_promises_held(places):
    found = ddnn.simulate(**places)
    assert (found.samples, found.degraded, found.broken) == (120, 0, None)
    assert set(found.shares) == {"local", "cloud"}
    assert found.virtual_s > 0
    assert found.figures()["promises"] == "held"
    assert len(found.to_pandas()) == 120


def test_the_same_seed_gives_the_same_and_another_does_not(places):
    def storm(seed: int) -> list:
        found = ddnn.simulate(**places, seed=seed, storm_per_s=50, latency_ms=1, jitter_ms=1)
        return [found.virtual_s, found.report["failures"]]

    assert storm(1) == storm(1)
    assert storm(1) != storm(2)


def test_a_device_is_killed_and_started_again(places):
    found = ddnn.simulate(**places, kill={"cam0": 30}, recover={"cam0": 60})
    present = found.to_pandas()["present"].str[0]
    assert (present[:20] == "1").all()
    assert (present[35:55] == "0").any()
    assert (present[-20:] == "1").all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"latency": 3}, "simulate: latency"),
        ({"loss": 2}, "simulate: loss"),
        ({"kill": {"cam9": 3}}, "cam9"),
        ({"devices": 20, "wire": True}, "wire: with devices there is nothing to parse"),
    ],
)
def test_what_does_not_fit_is_refused(places, options, said):
    with pytest.raises(ConfigError, match=said):
        ddnn.simulate(**places, **options)
