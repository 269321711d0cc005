"""The job of a study: one network, trained with one seed, tried under sets of lost devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ddnn.data.checks import part_of
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet
from ddnn.errors import ConfigError, DataError, DdnnError
from ddnn.model.energy import DEFAULT, Constants, energy_of, read_constants
from ddnn.paths import text_to_path
from ddnn.runfolder import is_finished, is_run
from ddnn.study.job import DIGITS, code_version, digest
from ddnn.study.lock import locked
from ddnn.topology import Topology
from ddnn.training.calibrate import Goal, calibrate
from ddnn.training.epoch import accuracies
from ddnn.training.evaluate import Evaluation, evaluate
from ddnn.training.failures import OVERALL, present_without
from ddnn.training.predict import perceive
from ddnn.training.run import Run, open_run, resume_run, train_run
from ddnn.training.settings import Settings
from ddnn.yamlfile import check_values

FUNCTION = "ddnn.study.trainings:measure"
MICRO_A_PICO = 1e-6


def measure(inputs: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """The job. Trains, goes on with a training that was interrupted, or opens one that is done.

    Result: `rows`, one a set of lost devices, and the `run` folder's name.
    Raises DataError where the card holds other data.
    """
    card = text_to_path(places["card"])
    data = load(card)
    if data.digest != inputs["data"]:
        found, wanted = data.digest[:DIGITS], str(inputs["data"])[:DIGITS]
        raise DataError(f"{card}: sha256 {found}, this study is of {wanted}")
    run = _trained(inputs, Path(places["runs"]), card, data)
    if inputs.get("early_share") is not None:
        goal = Goal(early_share=inputs["early_share"])
        held_out = part_of(data, "validation", card=card)
        rules = calibrate(run.joint, held_out, goal, prior_class=run.prior_class).rules
        run = replace(run, rules=rules)
    samples = part_of(data, inputs["split"], card=card)
    devices = perceive(run.joint, samples)
    rows = []
    for lost in inputs["masks"]:
        present_NV = present_without(run.topology, tuple(lost), len(samples))
        rows.append({"lost": lost} | _figures(evaluate(run, samples, present_NV, devices)))
    return {"rows": rows, "run": run.folder.name}


def _trained(inputs: Mapping[str, Any], runs: Path, card: str, data: DataSet) -> Run:
    topology = check_values(inputs["topology"], Topology, source="job: topology")
    settings = check_values(inputs["settings"], Settings, source="job: settings")
    seed = inputs["seed"]
    key = digest([inputs["topology"], inputs["settings"], seed, data.digest, code_version()])
    folder = runs / f"{topology.name}-{seed}-{key[:DIGITS]}"
    with locked(folder):
        try:
            if is_run(folder):
                return open_run(folder) if is_finished(folder) else resume_run(folder, data=data)
        except DdnnError:  # of another ddnn, or damaged
            pass
        return train_run(folder, topology, card, settings, seed=seed, overwrite=True, data=data)


def _figures(found: Evaluation) -> dict[str, Any]:
    """Accuracies and shares of 1, payload bytes per device and sample."""
    here = accuracies(found.logits, found.samples, found.verdicts.present_NV, found.prior_class)
    shares = {
        name: float((found.verdicts.exit_N == number).mean())
        for number, name in enumerate(found.verdicts.exits)
    }
    return {
        "accuracy": here | {OVERALL: float(found.verdicts.correct_N.mean())},
        "shares": shares,
        "payload_bytes": found.payload_bytes,
        "energy_uj": _energy_uj(found.topology, shares),
        "samples": len(found.samples),
    }


def _energy_uj(topology: Topology, shares: Mapping[str, float]) -> float | None:
    """Of a sample in the whole system, by the constants of DEFAULT; None: a layer has none."""
    constants: Constants = read_constants(DEFAULT)
    try:
        spent = [sum(energy_of(topology, t.name, constants, shares)) for t in topology.tiers]
    except ConfigError:
        return None
    return sum(spent) * MICRO_A_PICO
