"""The Helm chart: filled in by Helm's own engine, its manifests are those of kustomize."""

import base64
import re

import pytest
import yaml
from networks import Trainer
from test_kubernetes import NODES, make_pair, topology

from ddnn.bundle.compose import in_containers
from ddnn.bundle.helm import helm_folder
from ddnn.bundle.kubernetes import node_documents

helm = pytest.importorskip("helm_python.chart", reason="needs helm-python-sdk")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    folder = tmp_path_factory.mktemp("helm")
    trained = Trainer(folder / "trained")(topology(), 30)
    helm_folder(trained.bundle.folder, trained.samples, folder / "out", make_pair)
    return folder / "out/chart"


def test_helm_finds_nothing_wrong_with_the_chart(chart):
    found = helm.lint(str(chart), strict=True)
    assert found["errors"] == []
    assert [said["error"] for said in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("registry", ["registry.example", "registry.example/"])
def test_the_manifests_are_valid_and_those_of_kustomize_but_for_their_images(chart, registry):
    placed = in_containers(topology())
    release = helm.Chart.load(str(chart)).render({"registry": registry, "tag": "7"})
    assert len(release) == len(NODES) + 2  # collector, and who may speak to whom
    for name in ("collector", *NODES):
        text = next(text for path, text in release.items() if path.endswith(f"/{name}.yaml"))
        *found, secret = yaml.safe_load_all(text)
        for document in (*found, secret):
            kubernetes_validate.validate(
                document, kubernetes_validate.latest_version(), strict=True
            )
        plain = text.replace("registry.example/", "").replace(":7'", "'")
        assert list(yaml.safe_load_all(plain))[:-1] == node_documents(placed, name)
        assert f"registry.example/ddnn-{name}:7" in text
        keys = {file: base64.b64decode(content) for file, content in secret["data"].items()}
        own = {path.name: path.read_bytes() for path in (chart / "keys").iterdir()}
        assert keys == {file: own[file] for file in (f"{name}.key", "public.json")}


def test_the_chart_has_its_keys_and_values(chart):
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert re.fullmatch(r"[a-z][a-z0-9-]*", about["name"])
    assert yaml.safe_load((chart / "values.yaml").read_text()) == {"registry": "", "tag": "latest"}
    assert {path.name for path in (chart / "keys").glob("*.key")} == {
        f"{name}.key" for name in (*NODES, "collector")
    }
