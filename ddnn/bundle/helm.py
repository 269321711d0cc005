"""The manifests of `ddnn.bundle.kubernetes` as a Helm chart, for who installs everything by Helm.

    FOLDER/
      Dockerfile, parts/NODE/   as for kustomize
      chart/                    Chart.yaml, values.yaml (registry, tag), templates/, keys/

A release is a site; each is written on its own, so that it has its own keys.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ddnn import __version__
from ddnn.bundle.compose import write_parts
from ddnn.bundle.kubernetes import (
    DOCKERFILE,
    IMAGE,
    check_names,
    disruption_budget,
    node_documents,
    roles,
)
from ddnn.bundle.split import new_folder
from ddnn.data.multiview import MultiView
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import PUBLIC, KeyPair, write_keys
from ddnn.yamlfile import to_yaml

VALUES = {"registry": "", "tag": "latest"}
_REGISTRY = '{{ with .Values.registry }}{{ trimSuffix "/" . }}/{{ end }}'
_APPLY = "kubectl apply -k THIS_FOLDER/overlays/SITE"
_INSTALL = "helm install SITE THIS_FOLDER/chart --namespace SITE --create-namespace"
_SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: keys-{name}
data:
{{{{ ((.Files.Glob "keys/{name}.key").AsSecrets) | indent 2 }}}}
{{{{ ((.Files.Glob "keys/{public}").AsSecrets) | indent 2 }}}}
"""


def helm_folder(
    bundle: Path, samples: MultiView, out: Path, make_pair: Callable[[], KeyPair]
) -> Topology:
    """Writes `out`, whole or not at all. Arguments and errors as in `kubernetes_folder`."""
    with new_folder(out) as new:
        topology = write_parts(bundle, samples, new / "parts")
        check_names(topology)
        chart = new / "chart"
        (chart / "templates").mkdir(parents=True)
        for name, text in templates(topology).items():
            (chart / "templates" / f"{name}.yaml").write_text(text, encoding="utf-8")
        about = {
            "apiVersion": "v2",
            "name": topology.name.lower(),
            "description": f"ddnn, topology {topology.name}",
            "version": __version__,
        }
        (chart / "Chart.yaml").write_text(to_yaml(about), encoding="utf-8")
        (chart / "values.yaml").write_text(to_yaml(VALUES), encoding="utf-8")
        if topology.security.curve:
            write_keys(chart / "keys", (COLLECTOR, *topology.nodes), make_pair)
        text = DOCKERFILE.replace(_APPLY, _INSTALL)
        (new / "Dockerfile").write_text(text, encoding="utf-8")
    return topology


def templates(topology: Topology) -> dict[str, str]:
    """By file name: the manifests, images by the chart's values, keys from its files."""
    found = {}
    for name in (COLLECTOR, *topology.nodes):
        plain = IMAGE.format(name=name)
        chosen = f"'{_REGISTRY}{plain}:{{{{ .Values.tag }}}}'"
        texts = [to_yaml(document) for document in node_documents(topology, name)]
        if topology.security.curve:
            texts.append(_SECRET.format(name=name, public=PUBLIC))
        found[name] = "---\n".join(texts).replace(f"image: {plain}\n", f"image: {chosen}\n")
    budgets = [to_yaml(disruption_budget(role)) for role in roles(topology)]
    return found | {"disruption-budgets": "---\n".join(budgets)}
