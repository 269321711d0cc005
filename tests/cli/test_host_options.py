"""ddnn keys, ddnn bundle split, and launch options that do not fit the topology's hosts."""

import stat
from pathlib import Path

import pytest
from builders import star
from click.testing import CliRunner, Result
from networks import Trainer

from ddnn.cli.main import ddnn
from ddnn.errors import DdnnError
from ddnn.topology import Topology


def two_hosts(address: str = "127.0.0.1") -> Topology:
    document = star(2, security={"curve": True})
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cloud" else "site"
        node["endpoint"] = node["endpoint"].replace("127.0.0.1", address)
    document["collector"] = {"endpoint": f"tcp://{address}:20000", "host": "site"}
    return Topology.model_validate(document)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return Trainer(tmp_path_factory.mktemp("run"))(two_hosts("10.0.0.1"), 8).bundle.folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(ddnn, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    result = invoke(*arguments)
    assert isinstance(result.exception, DdnnError)
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_keys_are_made_and_handed_out_by_host(tmp_path):
    result = invoke("keys", "two-hosts", "--out", tmp_path / "keys")
    assert result.exit_code == 0
    assert "host cloud needs: public.json cloud.key" in result.output
    files = {path.name for path in (tmp_path / "keys").iterdir()}
    assert files >= {"collector.key", "cam5.key", "gateway.key", "public.json"}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    secret = (tmp_path / "keys/cam0.key").read_text().split('"')[-2]
    assert secret not in result.output
    assert "exists, want a new folder" in refused("keys", "two-hosts", "--out", tmp_path / "keys")


def test_a_hosts_part_of_a_bundle_is_written(run, tmp_path):
    result = invoke("bundle", "split", run, "--host", "site", "--out", tmp_path / "part")
    assert result.exit_code == 0
    assert "cam0, cam1, gateway; 3 files and the manifest" in result.output
    message = refused("bundle", "split", run, "--host", "moon", "--out", tmp_path / "other")
    assert message == "--host: no host named 'moon' (known: site, far)"
    assert invoke("bundle", "split", run, "--out", tmp_path / "other").exit_code == 2


MISFITS = {
    "no host": ((), "want --host NAME, or loopback addresses throughout"),
    "unknown host": (("--host", "moon"), "--host: no host named 'moon' (known: site, far)"),
    "no join": (("--host", "site"), "--host site: there are nodes on far, want --join"),
    "join elsewhere": (("--host", "far", "--join"), "--join: with --host site, which has"),
    "free ports": (("--host", "far", "--free-ports"), "--free-ports: other hosts could not know"),
}


@pytest.mark.parametrize(("options", "said"), MISFITS.values(), ids=MISFITS)
def test_options_that_do_not_fit_the_hosts_are_refused(run, options, said):
    assert said in refused("launch", run, *options)


def test_a_topology_with_curve_wants_keys(tmp_path):
    run = Trainer(tmp_path / "run")(two_hosts(), 8).bundle.folder
    assert "has security.curve: want --keys FOLDER" in refused("node", run, "gateway")
    message = refused("node", run, "gateway", "--keys", tmp_path / "gone")
    assert message == f"{tmp_path / 'gone'}: no such folder, want one made by `ddnn keys`"
    assert "did not start" not in message


def test_a_node_without_a_camera_takes_no_views(run, tmp_path):
    message = refused("node", run, "gateway", "--views", tmp_path / "views.npy")
    assert message == f"gateway: is no device, want no views; got {tmp_path / 'views.npy'}"


def test_what_one_machine_cannot_play_is_not_measured(run, tmp_path):
    assert "has hosts site, far" in refused("bench", "runtime", run)
    local = Trainer(tmp_path)(two_hosts(), 8).bundle.folder
    assert refused("bench", "runtime", local).endswith("has security.curve, want one without")


@pytest.mark.parametrize(
    "command",
    [
        ("launch", "RUN", "--host", "site", "--join"),
        ("serve", "RUN", "--host", "site", "--join", "--sources", "none.yaml"),
        ("demo", "--out", "none"),
    ],
    ids=lambda command: command[0],
)
def test_views_are_shown_to_nobody_without_a_page(run, command):
    """On a host without the collector the option alone says that its devices may show theirs."""
    words = [run if word == "RUN" else word for word in command]
    message = refused(*words, "--show-views")
    assert message == "--show-views: there is no page, want --page HOST:PORT"
    if command[0] != "demo":
        assert "--show-views" not in refused("launch", run, "--host", "far", "--show-views")
