"""Puts a bundle on Kubernetes: a kustomize base, an overlay a site, and what images are made of.

    FOLDER/
      Dockerfile               an image a node: ddnn without torch, and the node's own part
      parts/NODE/              bundle/, views.npy where it is a device, data/ for the collector
      base/                    NODE.yaml a node, collector.yaml, kustomization.yaml
      overlays/SITE/           kustomization.yaml: namespace, image tags; keys/ with CURVE

Each node is a Deployment of one pod and a Service of its own name, so that its address stays when
the pod is made anew. Inside a pod its own name is the pod's address (`hostname`), which it binds.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ddnn.addresses import parse_endpoint
from ddnn.bundle.compose import MOUNT, READY_S, write_parts
from ddnn.bundle.split import new_folder
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import PUBLIC, KeyPair, write_keys
from ddnn.wire.routes import peers, senders
from ddnn.yamlfile import to_yaml

IMAGE, USER = "ddnn-{name}", 65532
KEYS = "/keys/own"
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""Of a Service: RFC 1035."""
MEMORY_MB = 128
"""Asked for where the topology sets no limit: a device's process takes 65 MB."""
DOCKERFILE = """\
# From a checkout of ddnn, for each NODE of parts/:
#   docker build -t ddnn-NODE --build-arg PART=THIS_FOLDER/parts/NODE -f THIS_FOLDER/Dockerfile .
# Then: kubectl apply -k THIS_FOLDER/overlays/SITE
FROM python:3.11-slim
COPY pyproject.toml README.md /source/
COPY ddnn /source/ddnn
COPY topologies /source/topologies
COPY datasets /source/datasets
RUN pip install --no-cache-dir /source && rm -r /source
ARG PART
COPY ${PART} /ddnn
ENV OMP_NUM_THREADS=1 HOME=/tmp
USER 65532:65532
ENTRYPOINT ["ddnn"]
"""


def kubernetes_folder(
    bundle: Path,
    samples: MultiView,
    out: Path,
    make_pair: Callable[[], KeyPair],
    *,
    sites: Sequence[str],
) -> Topology:
    """Writes `out`, whole or not at all, for the bundle and the samples to run through it.

    sites: a namespace each, with keys of their own. make_pair: makes keys.
    Raises ConfigError for a name that cannot be a Service's or a namespace's, DataError for samples
    that lack a class, BundleError for a damaged bundle or a place that is in use.
    """
    for site in sites:
        _check_name(f"--site {site}", site)
    with new_folder(out) as new, tempfile.TemporaryDirectory(prefix="ddnn-keys-") as temporary:
        topology = write_parts(bundle, samples, new / "parts")
        names = (COLLECTOR, *topology.nodes)
        check_names(topology)
        _write_base(new / "base", topology)
        for site in sites:
            keys = Path(temporary) / site
            if topology.security.curve:
                write_keys(keys, names, make_pair)
            _write_overlay(new, topology, site, keys)
        (new / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    return topology


def _write_base(base: Path, topology: Topology) -> None:
    base.mkdir()
    documents = {name: node_documents(topology, name) for name in (COLLECTOR, *topology.nodes)}
    documents["disruption-budgets"] = [disruption_budget(role) for role in roles(topology)]
    for name, parts in documents.items():
        text = "---\n".join(to_yaml(part) for part in parts)
        (base / f"{name}.yaml").write_text(text, encoding="utf-8")
    files = [f"{name}.yaml" for name in documents]
    text = to_yaml(_kustomization(resources=files))
    (base / "kustomization.yaml").write_text(text, encoding="utf-8")


def node_documents(topology: Topology, name: str) -> list[dict[str, Any]]:
    """What a node, or the collector, is on Kubernetes."""
    port = parse_endpoint(topology.endpoint(name)).port
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(topology, name),
        "spec": {
            "type": "ClusterIP",
            "selector": _selector(name),
            "ports": [{"name": "ddnn", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }
    workload = _job(topology, name) if name == COLLECTOR else _deployment(topology, name, port)
    return [workload, service, _network_policy(topology, name)]


def _deployment(topology: Topology, name: str, port: int) -> dict[str, Any]:
    command = ["node", f"{MOUNT}/bundle", name, *_access(topology)]
    if name in topology.devices:
        command += ["--views", f"{MOUNT}/views.npy"]
    listens = {"tcpSocket": {"port": port}}
    probes = {
        "startupProbe": listens | {"periodSeconds": 2, "failureThreshold": READY_S // 2},
        "readinessProbe": listens | {"periodSeconds": 5},
        "livenessProbe": listens | {"periodSeconds": 10, "failureThreshold": 3},
    }
    pod = _pod(topology, name, command, ports=[{"containerPort": port}], **probes)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(topology, name),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # two of one name would both answer
            "selector": {"matchLabels": _selector(name)},
            "template": pod,
        },
    }


def _job(topology: Topology, name: str) -> dict[str, Any]:
    """The collector: a launch that joins the nodes; its report is the pod's log."""
    command = ["launch", f"{MOUNT}/bundle", "--host", COLLECTOR, "--join", "--json"]
    command += ["--ready-timeout", str(READY_S), "--data", f"{MOUNT}/data/card.yaml"]
    command += ["--split", "all", "--out", "/tmp/report", *_access(topology)]
    pod = _pod(topology, name, command)
    pod["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(topology, name),
        "spec": {"backoffLimit": 0, "template": pod},
    }


def _pod(topology: Topology, name: str, command: list[str], **more: Any) -> dict[str, Any]:
    locked = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "ddnn",
        "image": IMAGE.format(name=name),
        "args": command,
        "resources": _resources(topology, name),
        "securityContext": locked,
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    } | more
    spec: dict[str, Any] = {
        "hostname": name,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"ddnn/role": _role(topology, name)}},
            }
        ],
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    if topology.security.curve:
        _add_keys(spec, name, locked)
    return {"metadata": {"labels": _labels(topology, name)}, "spec": spec}


def _add_keys(spec: dict[str, Any], name: str, locked: dict[str, Any]) -> None:
    """A Secret's files can be read by the group; ddnn takes none that others than the owner can
    read, so they are copied."""
    copied = f"umask 077; mkdir -p {KEYS} && cp /secret/* {KEYS}/ && chmod 600 {KEYS}/*"
    spec["initContainers"] = [
        {
            "name": "keys",
            "image": IMAGE.format(name=name),
            "command": ["sh", "-c", copied],
            "securityContext": locked,
            "resources": {"limits": {"memory": "32M"}, "requests": {"memory": "32M"}},
            "volumeMounts": [
                {"name": "secret", "mountPath": "/secret", "readOnly": True},
                {"name": "keys", "mountPath": "/keys"},
            ],
        }
    ]
    spec["containers"][0]["volumeMounts"].append({"name": "keys", "mountPath": "/keys"})
    spec["volumes"] += [
        {"name": "secret", "secret": {"secretName": f"keys-{name}", "defaultMode": 0o440}},
        {"name": "keys", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]


def _resources(topology: Topology, name: str) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if name != COLLECTOR:
        own = topology.nodes[name].limits
        if own.cpu is not None:
            limits["cpu"] = f"{round(1000 * own.cpu)}m"
        if own.memory_mb is not None:
            limits["memory"] = f"{own.memory_mb}M"
    asked = {"cpu": "50m", "memory": f"{MEMORY_MB}M"} | limits
    return {"requests": asked} | ({"limits": limits} if limits else {})


def _network_policy(topology: Topology, name: str) -> dict[str, Any]:
    """Who sends to whom follows from the topology; names are asked for at any DNS server."""
    own = parse_endpoint(topology.endpoint(name)).port
    outward = [
        {"to": [_pods(other)], "ports": [_port(parse_endpoint(topology.endpoint(other)).port)]}
        for other in peers(topology, name)
    ]
    names = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
    inward = {"from": [_pods(other) for other in senders(topology, name)], "ports": [_port(own)]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(topology, name),
        "spec": {
            "podSelector": {"matchLabels": _selector(name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [inward],
            "egress": [*outward, names],
        },
    }


def disruption_budget(role: str) -> dict[str, Any]:
    """A drained machine gives up one node of a role at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"role-{role}", "labels": {"app.kubernetes.io/part-of": "ddnn"}},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"ddnn/role": role}}},
    }


def _kustomization(**parts: Any) -> dict[str, Any]:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return head | parts


def _write_overlay(folder: Path, topology: Topology, site: str, keys: Path) -> None:
    """Namespace, image tags and, with CURVE, each node's Secret of a site."""
    overlay = folder / "overlays" / site
    overlay.mkdir(parents=True)
    names = (COLLECTOR, *topology.nodes)
    images = [{"name": IMAGE.format(name=name), "newTag": "latest"} for name in names]
    parts: dict[str, Any] = {"namespace": site, "resources": ["../../base"], "images": images}
    if topology.security.curve:
        secrets = []
        for name in names:
            own = overlay / "keys" / name
            own.mkdir(parents=True, mode=0o700)
            for file in (PUBLIC, f"{name}.key"):
                shutil.copy(keys / file, own / file)
            files = [f"keys/{name}/{file}" for file in (PUBLIC, f"{name}.key")]
            secrets.append({"name": f"keys-{name}", "files": files})
        parts["secretGenerator"] = secrets
        parts["generatorOptions"] = {"disableNameSuffixHash": True}
    text = to_yaml(_kustomization(**parts))
    (overlay / "kustomization.yaml").write_text(text, encoding="utf-8")


def roles(topology: Topology) -> list[str]:
    """Of the nodes, each once."""
    return list(dict.fromkeys(node.role for node in topology.nodes.values()))


def check_names(topology: Topology) -> None:
    """Raises ConfigError for a node whose name can be no Service's."""
    for name in topology.nodes:
        _check_name(f"nodes.{name}", name)


def _metadata(topology: Topology, name: str) -> dict[str, Any]:
    return {"name": name, "labels": _labels(topology, name)}


def _labels(topology: Topology, name: str) -> dict[str, str]:
    part = {"app.kubernetes.io/part-of": "ddnn", "ddnn/topology": topology.name}
    return _selector(name) | part | {"ddnn/role": _role(topology, name)}


def _selector(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def _role(topology: Topology, name: str) -> str:
    return COLLECTOR if name == COLLECTOR else topology.nodes[name].role


def _access(topology: Topology) -> list[str]:
    return ["--keys", KEYS] if topology.security.curve else ["--insecure"]


def _pods(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": _selector(name)}}


def _port(number: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": number}


def _check_name(where: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: no Service or namespace can have this name, want small letters, digits and "
            "'-', a letter first"
        )
