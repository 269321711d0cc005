"""What one host's cameras recorded, as files."""

import numpy as np
import pytest
from builders import random_views, star_topology

from ddnn.errors import ConfigError
from ddnn.run.launcher.seen import read_seen, write_seen

TOPOLOGY = star_topology(3)
SAMPLES = random_views(TOPOLOGY, 5)


def test_a_host_gets_its_own_cameras_views_and_the_digest_of_all(tmp_path):
    write_seen(tmp_path / "views", TOPOLOGY, SAMPLES, ["cam2", "gateway"])
    assert {path.name for path in (tmp_path / "views").iterdir()} == {"cam2.npy", "digest"}
    seen = read_seen(tmp_path / "views", TOPOLOGY, ["cam2", "gateway"])
    assert seen.digest == SAMPLES.digest
    assert list(seen.files) == ["cam2"]
    np.testing.assert_array_equal(np.load(seen.files["cam2"]), SAMPLES.views_NVCHW[:, 2])


def test_what_is_missing_is_named(tmp_path):
    write_seen(tmp_path / "views", TOPOLOGY, SAMPLES, ["cam2"])
    with pytest.raises(ConfigError, match=r"views/cam0\.npy: no such file, want what cam0 sees"):
        read_seen(tmp_path / "views", TOPOLOGY, ["cam0", "cam2"])
    (tmp_path / "views/digest").write_text("many")
    with pytest.raises(ConfigError, match=r"views/digest: .*want the samples' digest"):
        read_seen(tmp_path / "views", TOPOLOGY, ["cam2"])
