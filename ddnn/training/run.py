"""A run folder: what was asked for, what came out, and how to open it again.

RUN/
  config.json               settings, seed, topology, card, versions
  history.jsonl             one line an epoch
  checkpoint.safetensors    the last epoch and the chosen one, to go on
  bundle/                   the chosen epoch, also for the runtime (ddnn.bundle.manifest)
  report.json, verdicts.csv, thresholds.csv   the evaluation on the test split
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from ddnn import __version__
from ddnn.bundle.load import load_bundle, read_weights
from ddnn.bundle.manifest import WEIGHTS, ExitRule
from ddnn.bundle.write import write_bundle, write_exits
from ddnn.data.checks import (
    check_card_there,
    check_fits,
    check_trainable,
    check_unchanged,
    part_of,
)
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet
from ddnn.data.viewnames import as_trained
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.model.measured import measured
from ddnn.names import spelled
from ddnn.paths import path_to_text, text_to_path
from ddnn.plainfile import read_plain
from ddnn.report.files import write_json
from ddnn.runfolder import (
    BUNDLE,
    BUNDLED,
    CHECKPOINT,
    CONFIG,
    REPORTS,
    TRAINING,
    check_free,
    epochs_done,
    is_finished,
    remove,
)
from ddnn.topology import Model, Topology
from ddnn.training.calibrate import Calibration, Goal, calibrate_on
from ddnn.training.checkpoint import load_weights
from ddnn.training.epoch import OnEpoch
from ddnn.training.equality import check_equality, check_exports, is_traced
from ddnn.training.fit import Training, fit, prepare
from ddnn.training.parallel import current
from ddnn.training.payload import fit_tables
from ddnn.training.pretrained import starting_from
from ddnn.training.reference import write_reference
from ddnn.training.settings import Settings
from ddnn.training.widened import widened
from ddnn.yamlfile import check_values, read_json


class Config(Model):
    """config.json: everything a run follows from."""

    topology: Topology
    settings: Settings
    seed: int = Field(ge=0)
    card: str = Field(description="path or name of the data card")
    data_digest: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """A run that has a bundle, opened: `joint`, `rules`, prior and names are the bundle's.

    views: the names of those trained on; () where the bundle keeps none.
    calibrated_on: the split that the rules were chosen from, `train` where the card holds no
        validation samples out.
    """

    folder: Path
    config: Config
    joint: Joint
    rules: dict[str, ExitRule]
    prior_class: int
    calibrated_on: str
    bundle_sha256: str
    views: tuple[str, ...] = ()

    @property
    def topology(self) -> Topology:
        return self.config.topology

    def load_data(
        self, card: str | Path | None = None, view_map: Mapping[str, str] | None = None
    ) -> DataSet:
        """The data set of another card, or the one trained on; its views as the devices' are.

        view_map: by the network's name, the data's name of a view, where they differ.
        Raises ConfigError where it is not what the topology's devices see, or the one trained on
        has changed since.
        """
        own = text_to_path(self.config.card)
        if card is None:
            check_card_there(own, wanted_by=self.folder)
        data = load(own if card is None else card)
        check_fits(self.topology, data.samples, card=card or own, wanted_by=self.folder)
        if card is None:
            check_unchanged(data, self.config.data_digest, card=own, wanted_by=self.folder)
        samples = as_trained(
            data.samples, self.views, view_map, card=card or own, wanted_by=self.folder
        )
        return replace(data, samples=samples)


def train_run(
    folder: Path,
    topology: Topology,
    card: str | Path,
    settings: Settings,
    *,
    seed: int = 0,
    overwrite: bool = False,
    data: DataSet | None = None,
    on_epoch: OnEpoch = lambda _: None,
) -> Run:
    """Trains, calibrates and writes the bundle; what an earlier run has left here is removed.

    data: the card's data set where it is loaded already.
    Raises ConfigError when `folder` holds a run and `overwrite` is not set, or anything else,
    DataError when the card keeps nothing to test on.
    """
    check_free(folder, overwrite=overwrite)
    settings = starting_from(settings, folder)
    data = load(card) if data is None else data
    check_fits(topology, data.samples, card=card)
    if settings.preset == "accurate":
        topology = widened(topology)
    topology = measured(topology, try_out=check_exports)
    part_of(data, "test", card=card)  # what the network is to be tried on
    check_trainable(data, card=card)
    config = Config(
        topology=topology,
        settings=settings,
        seed=seed,
        card=_lasting(card),
        data_digest=data.digest,
        versions=versions(),
    )
    current().send(config.model_dump_json().encode(), b"")
    training = prepare(data, topology, settings, seed=seed)
    remove(folder, (*BUNDLED, *REPORTS, *TRAINING))
    write_json(folder / CONFIG, config.model_dump(mode="json"))
    return _finish(folder, config, data, training, on_epoch)


def resume_run(
    folder: Path,
    *,
    epochs: int | None = None,
    data: DataSet | None = None,
    on_epoch: OnEpoch = lambda _: None,
) -> Run:
    """Goes on after the last finished epoch; `epochs` changes how many there are in all.

    data: as in `train_run`.
    A run that has all of them is opened as it is; another keeps its bundle and reports until
    the new bundle is written.
    Raises DdnnError when the folder holds no run, its data is no longer the same, or more
    epochs are done than wanted, or the checkpoint is gone or damaged; then nothing is changed.
    """
    config = read_config(folder)
    done, wanted = epochs_done(folder), epochs or config.settings.epochs
    if wanted < done:
        raise ConfigError(f"--epochs {wanted}: {folder} has {done}, want at least as many")
    if wanted == config.settings.epochs and is_finished(folder):
        return open_run(folder)
    card = text_to_path(config.card)
    check_card_there(card, wanted_by=folder)
    data = load(card) if data is None else data
    check_unchanged(data, config.data_digest, card=card, wanted_by=folder)
    changed = config.settings.model_dump() | {"epochs": wanted}
    settings = check_values(changed, Settings, source=f"--epochs {wanted}")
    config = config.model_copy(update={"settings": settings})
    kept = read_plain(folder / CHECKPOINT) if done and current().world > 1 else b""
    current().send(config.model_dump_json().encode(), kept)
    training = prepare(
        data,
        config.topology,
        settings,
        seed=config.seed,
        checkpoint=folder / CHECKPOINT if done else None,
    )
    write_json(folder / CONFIG, config.model_dump(mode="json"))
    return _finish(folder, config, data, training, on_epoch)


def open_run(folder: Path) -> Run:
    """A run as its bundle is: see ddnn.runfolder for when that is of fewer epochs than wanted.

    Raises DdnnError naming the file that is missing or damaged.
    """
    config = read_config(folder)
    bundle = load_bundle(folder)
    joint = Joint(config.topology)
    load_weights(read_weights(bundle), joint, source=bundle.folder / WEIGHTS)
    return Run(
        folder=folder,
        config=config,
        joint=joint.eval(),
        rules={name: bundle.manifest.exits[name] for name in config.topology.exits},
        prior_class=bundle.manifest.prior_class,
        views=bundle.manifest.views or (),
        calibrated_on="train" if "train" in bundle.manifest.training else "validation",
        bundle_sha256=bundle.sha256,
    )


def calibrate_run(run: Run, goal: Goal) -> Calibration:
    """Chooses the rules again and writes them into the bundle's manifest."""
    data = run.load_data()
    calibration = calibrate_on(run.joint, data, goal, prior_class=run.prior_class)
    point: dict[str, Any] = {calibration.split: calibration.point._asdict()}
    write_exits(run.folder / BUNDLE, calibration.rules, point)
    _write_reference(open_run(run.folder), data)
    return calibration


def read_config(folder: Path) -> Config:
    """Raises ConfigError naming the file when it is missing or damaged."""
    path = folder / CONFIG
    try:
        return read_json(path, Config)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}, want a folder of ddnn train") from error


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {
        "ddnn": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def _finish(
    folder: Path, config: Config, data: DataSet, training: Training, on_epoch: OnEpoch
) -> Run:
    joint = fit(training, folder, on_epoch)
    fit_tables(joint, data.part("train"))
    prior_class = int(np.bincount(data.part("train").fused_labels_N).argmax())
    calibration = calibrate_on(joint, data, Goal(), prior_class=prior_class)
    write_bundle(
        folder / BUNDLE,
        joint,
        exits=calibration.rules,
        prior_class=prior_class,
        views=data.view_names,
        data={"card": config.card, "name": data.name, "digest": data.digest},
        training={
            "settings": config.settings.model_dump(mode="json"),
            "seed": config.seed,
            calibration.split: calibration.point._asdict(),
        },
        versions=config.versions,
        check=lambda new: _equality(new, joint, data, calibration, prior_class),
    )
    remove(folder, REPORTS)
    run = open_run(folder)
    _write_reference(run, data)
    return run


def _write_reference(run: Run, data: DataSet) -> None:
    """What the samples that thresholds were chosen on look like, for a live system."""
    write_reference(
        run.folder,
        run.joint,
        data.part(run.calibrated_on),
        run.rules,
        prior_class=run.prior_class,
        split=run.calibrated_on,
        bundle_sha256=run.bundle_sha256,
    )


def _equality(
    folder: Path, joint: Joint, data: DataSet, calibration: Calibration, prior_class: int
) -> dict[str, Any]:
    """What the manifest says of it; nothing where all graphs are ddnn's own."""
    if not is_traced(joint):
        return {}
    samples = data.part(calibration.split)
    found = check_equality(folder, joint, samples, calibration.rules, prior_class)
    return {"equality": asdict(found)}


def _lasting(card: str | Path) -> str:
    """A card file by its absolute path, so that the run opens from anywhere; a name as it is.

    Links are not followed: what a card names lies beside the link, also later.
    """
    path = spelled(Path(card))
    return path_to_text(path.absolute()) if path.is_file() else str(card)
