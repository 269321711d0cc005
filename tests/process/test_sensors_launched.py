"""A topology whose views differ does the whole job: train, failures, launch, kill."""

import numpy as np
import pytest

import ddnn

pytestmark = pytest.mark.process
CARD = """\
kind: sensors
samples: 240
subjects: 6
split: {by: subject, validation: 0.17, test: 0.17}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ddnn.Run:
    folder = tmp_path_factory.mktemp("sensors")
    card = folder / "small.yaml"
    card.write_text(CARD, encoding="utf-8")
    return ddnn.train(ddnn.read_topology("sensors"), data=card, out=folder / "run", epochs=3)


def test_a_launch_gives_the_verdicts_of_the_trained_network(run):
    launched, offline = ddnn.launch(run).to_pandas(), ddnn.evaluate(run).to_pandas()
    for column in ("label", "predicted", "exit", "present"):
        assert launched[column].tolist() == offline[column].tolist()
    np.testing.assert_allclose(launched.entropy, offline.entropy, atol=1e-4)
    assert len(launched) == 40


def test_a_launch_without_a_sensor_is_the_evaluation_without_it(run):
    found = ddnn.launch(run, kill={"ankle": 0})
    (row,) = [line for line in ddnn.failures(run).subsets if line[0] == "ankle"]
    assert found.accuracy == pytest.approx(float(row[2 + len(found.shares)]), abs=1e-5)
    assert {views[1] for views in found.to_pandas().present} == {"0"}
