"""A table of cuts beside launches of three of them."""

import csv

import numpy as np
import pytest
from builders import patient, random_views, star
from click.testing import CliRunner
from networks import random_bundle, random_joint

from ddnn.cli.main import ddnn
from ddnn.model.measured import measured
from ddnn.run.launcher.launch import launch
from ddnn.run.launcher.start import Options
from ddnn.topology import Topology

pytestmark = pytest.mark.process
LAYERS = ("features.0", "features.2", "pool")
CLASSES = 3


def cut_at(layer: str) -> Topology:
    document = star(1)
    document["view"] = {"channels": 3, "height": 16, "width": 16}
    part = {"kind": "module", "factory": "ddnn.model.part:part"}
    for tier, key in zip(document["tiers"], ("upto", "after"), strict=True):
        args = {"of": "cut_nets:small", key: layer}
        tier["section"] = {"blocks": [part | {"args": args}]}
    document["tiers"][0]["section"]["feature_bits"] = 4
    return patient(measured(Topology.model_validate(document)))


def test_the_bytes_of_three_cuts_are_those_of_their_launches(tmp_path):
    topologies = {layer: cut_at(layer) for layer in LAYERS}
    samples = random_views(topologies["pool"], 40)
    np.savez(tmp_path / "views.npz", X=samples.views_NVCHW, y=samples.labels_NV)
    (tmp_path / "card.yaml").write_text(
        "kind: npz\npath: views.npz\nclasses: [car, bus, person]\nsplit: {by: sample}\n"
    )
    asked = ["cut", "cut_nets:small", "--data", tmp_path / "card.yaml", "--split", "all"]
    more = ["--bits", "4", "--out", tmp_path / "cut", "--link", "64"]
    done = CliRunner().invoke(ddnn, [*map(str, (*asked, *more))], catch_exceptions=False)
    assert "features.2" in done.output
    assert (tmp_path / "cut/cuts.png").stat().st_size > 5000
    with (tmp_path / "cut/cuts.csv").open() as file:
        rows = {row["layer"]: row for row in csv.DictReader(file)}
    sent = {}
    for layer, topology in topologies.items():
        bundle = random_bundle(tmp_path / layer, random_joint(topology, samples), samples)
        report = launch(bundle, samples, Options(free_ports=True)).report
        link = next(
            x for x in report["bytes"]["links"] if (x["from"], x["to"]) == ("cam0", "cloud")
        )
        asked_for = report["samples"] - report["exits"]["local"]["samples"]
        sent[layer] = link["payload"] / asked_for
        assert report["accuracy"] is not None
    assert sent == {layer: float(rows[layer]["raw_bytes"]) for layer in LAYERS}
    assert sent["pool"] < sent["features.2"]
