"""What each host of a deployment gets, and the command that starts it there."""

import subprocess
from pathlib import Path

import pytest
from launched import on_two_hosts
from networks import Trainer

from ddnn.deploy.parts import write_version
from ddnn.topology import Topology
from ddnn.wire.zeromq import make_key_pair


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A folder with a version of the collector's host and the link to it. Python is an echo."""
    trained = Trainer(tmp_path / "trained")(Topology.model_validate(on_two_hosts(seconds=10)), 8)
    folder = tmp_path / "de ployed"
    write_version(
        folder / "versions",
        trained.bundle,
        trained.samples,
        version="0001",
        pythons={"site": "/bin/echo", "far": "/bin/echo"},
        make_pair=make_key_pair,
    )
    (folder / "current").symlink_to("versions/site")
    return folder


def test_the_report_of_a_run_is_named_from_the_root_wherever_it_is_called(deployed: Path):
    done = subprocess.run(
        ["de ployed/current/run", "--rounds", "2"],
        cwd=deployed.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    bundle, report = deployed / "versions/site/bundle", deployed / "report"
    said = f"-m ddnn launch {bundle} --host site --join --data data/card.yaml --split all"
    assert done.stdout == f"{said} --out {report} --rounds 2\n"
    assert (deployed / "control").is_dir()


def test_only_the_collectors_host_has_a_report(deployed: Path):
    assert "--out" not in (deployed / "versions/far/run").read_text()
