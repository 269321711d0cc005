"""How a deployment, or what runs on this machine, stands: versions and digests side by side.

A status is JSON: `nodes` (by name: host, state, ddnn, bundle_sha256), `differs` (lines that name
what is not as it should be) and, of a deployment, `version`, `bundle_sha256` and `hosts`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddnn import __version__
from ddnn.deploy.record import Deployment, read_record
from ddnn.deploy.together import tried_on_all
from ddnn.errors import ConfigError
from ddnn.run.launcher.control import about_launches

SHOWN = 12
"""Digits of a digest in a line."""


def deployment_status(folder: Path) -> dict[str, Any]:
    """Of all hosts of a deployment; those that cannot be reached are named in `differs`.

    Raises ConfigError for a folder that holds no deployment.
    """
    known = read_record(folder)
    looks = asyncio.run(tried_on_all(folder, known, "look"))
    wanted = next((v.bundle_sha256 for v in known.versions if v.name == known.current), None)
    nodes: dict[str, Any] = {}
    for look in looks.values():
        for name, node in ((look.get("running") or {}).get("nodes") or {}).items():
            if node["ddnn"] is not None:
                nodes[name] = node
    differs = [line for name, look in looks.items() for line in _differs(known, name, look, wanted)]
    return {
        "topology": known.topology,
        "version": known.current,
        "bundle_sha256": wanted,
        "hosts": {name: _without_said(look) for name, look in looks.items()},
        "nodes": nodes,
        "differs": differs,
    }


def _without_said(look: dict[str, Any]) -> dict[str, Any]:
    running = look.get("running")
    if running is None:
        return look
    return look | {"running": {key: running[key] for key in running if key != "said"}}


def _differs(
    known: Deployment, name: str, look: Mapping[str, Any], wanted: str | None
) -> list[str]:
    """What of a host is not as deployed, a line each."""
    if "error" in look:
        return [str(look["error"])]
    found = []
    if look["ddnn"] != __version__:
        found.append(f"host {name}: has ddnn {look['ddnn']}, here it is {__version__}")
    if known.current is None:
        return [
            *found,
            f"host {name}: not deployed: `ddnn deploy ssh` broke off, want it once more",
        ]
    if look["current"] != known.current:
        found.append(f"host {name}: has version {look['current']}, want {known.current}")
    running = look["running"]
    if running is None:
        if name in known.kept and look["service"] == "running":
            found.append(f"host {name}: is being started")
        elif name in known.kept:
            found.append(f"host {name}: its nodes are {look['service']}")
        return found
    if running["bundle_sha256"] != wanted:
        found.append(
            f"host {name}: runs bundle {running['bundle_sha256'][:SHOWN]}, want "
            f"{str(wanted)[:SHOWN]}"
        )
    if running["ddnn"] != look["ddnn"]:
        found.append(
            f"host {name}: runs ddnn {running['ddnn']} and has {look['ddnn']}, want a restart"
        )
    states = ((node, of["state"]) for node, of in running["nodes"].items())
    return found + [
        f"host {name}: {node} is {state}" for node, state in states if state != "running"
    ]


def local_status() -> dict[str, Any]:
    """Of every launch and live system of this user that runs on this machine. Of two that have a
    node of one name, the second one's is called by its topology or process, too.

    Raises ConfigError where none does.
    """
    nodes: dict[str, Any] = {}
    for launch in launches_here():
        topology = launch["topology"]
        for name, node in launch["nodes"].items():
            if name in nodes and nodes[name]["topology"] != topology:
                name = f"{name} of {topology}"  # noqa: PLW2901  # as it is called here
            if name in nodes and None not in (node["ddnn"], nodes[name]["ddnn"]):
                name = f"{name}, process {launch['pid']}"  # noqa: PLW2901
            if name not in nodes or node["ddnn"] is not None:
                nodes[name] = node | {"topology": topology}
    return {"nodes": nodes, "differs": _odd_ones(nodes) + _not_running(nodes)}


def launches_here() -> list[dict[str, Any]]:
    """What each launch and live system of this user says of itself.

    Raises ConfigError where none runs.
    """
    found = about_launches()
    if not found:
        raise ConfigError(
            "nothing of yours is running here, want one (ddnn launch, ddnn serve), or FOLDER of a "
            "deployment"
        )
    return found


def _odd_ones(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hosts that run another bundle or ddnn than most nodes of their topology."""
    lines = []
    for topology in dict.fromkeys(node["topology"] for node in nodes.values()):
        own = [node for node in nodes.values() if node["topology"] == topology]
        for key, what, shown in (("bundle_sha256", "bundle", SHOWN), ("ddnn", "ddnn", None)):
            found = [(node["host"], str(node[key])) for node in own if node[key] is not None]
            most = Counter(value for _, value in found).most_common(1)[0][0] if found else ""
            lines += [
                f"host {host}: runs {what} {value[:shown]}, others {most[:shown]}"
                for host, value in dict.fromkeys(found)
                if value != most
            ]
    return lines


def _not_running(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"host {node['host']}: {name} is {node['state']}"
        for name, node in nodes.items()
        if node["state"] != "running"
    ]
