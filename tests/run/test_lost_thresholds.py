"""Nodes, the torch network, the masked reference and the simulator follow one threshold where all
views have a part, and another where one is lost.

N samples, V views.
"""

from dataclasses import replace

import numpy as np
import pytest
from builders import star_topology
from networks import Trained, Trainer, offline

from ddnn.nodes.masked import MaskedModel
from ddnn.report.verdicts import Answer
from ddnn.run.failures.plan import plan_of, presence
from ddnn.run.inprocess import run_inprocess
from ddnn.simulation.profile import Profile
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import Laboratory, simulate

SAMPLES = 80


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    """Half leave early while all are there, none after."""
    made = Trainer(tmp_path_factory.mktemp("bundles"))(star_topology(), SAMPLES)
    rule = made.bundle.manifest.exits["local"].model_copy(update={"threshold_lost": (0.0,)})
    exits = made.bundle.manifest.exits | {"local": rule}
    manifest = made.bundle.manifest.model_copy(update={"exits": exits})
    return made._replace(bundle=replace(made.bundle, manifest=manifest))


@pytest.fixture(scope="module")
def found(trained):
    plan = plan_of(trained.bundle.topology, kills=["cam1@40"])
    return run_inprocess(trained.bundle, trained.samples.views, plan=plan)


def test_after_a_loss_every_sample_goes_on(found):
    local_N = found.exit_N == 0
    assert 0.2 < local_N[:40].mean() < 0.8
    assert not local_N[40:].any()


def test_the_torch_network_says_the_same(trained, found):
    plan = plan_of(trained.bundle.topology, kills=["cam1@40"])
    wanted = offline(*trained, presence(plan, trained.bundle.topology, SAMPLES))
    assert np.array_equal(found.predicted_N, wanted.predicted_N)
    assert np.array_equal(found.exit_N, wanted.exit_N)


def test_the_masked_reference_wants_the_threshold_of_who_took_part(trained, found):
    model = MaskedModel(trained.bundle, trained.samples.views)
    answers = [
        Answer(
            sample=n,
            views=sum(1 << v for v in np.flatnonzero(found.present_NV[n])),
            predicted=int(found.predicted_N[n]),
            exit=int(found.exit_N[n]),
            entropy=float(found.entropy_N[n]),
            degraded=bool(found.degraded_N[n]),
            latency_s=0.0,
        )
        for n in range(SAMPLES)
    ]
    assert model.unequal(answers) == []
    early = next(a for a in answers if a.exit == 0 and not a.degraded)
    again = model.recompute("local", [early.sample], [0b101])
    lost = early._replace(
        views=0b101, predicted=int(again.predicted_N[0]), entropy=float(again.entropy_N[0])
    )
    assert model.unequal([lost]) == [lost]


def test_the_simulators_promises_hold(trained):
    laboratory = Laboratory(trained.bundle, trained.samples.views, Profile())
    plan = plan_of(trained.bundle.topology, kills=["cam1@40"])
    result = simulate(laboratory, Schedule(topology="star", samples=SAMPLES), plan=plan)
    assert result.broken is None
    assert not any(answer.exit == 0 for answer in result.answers[40:])
