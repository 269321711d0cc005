"""Whether a live system may go on with other thresholds, or with another bundle."""

from __future__ import annotations

from ddnn.addresses import is_loopback
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import BundleError, ConfigError
from ddnn.topology import COLLECTOR, Topology


def new_rules(bundle: Bundle) -> dict[str, ExitRule]:
    """How the exits of the bundle in the same folder decide now.

    Raises BundleError where it is no longer of the same models.
    """
    now = load_bundle(bundle.folder, ())
    if now.manifest.sha256 != bundle.manifest.sha256:
        raise BundleError(f"{bundle.folder}: other models than those that run, want --swap")
    return now.manifest.exits


def check_alike(old: Topology, new: Topology) -> None:
    """Raises ConfigError where the same cameras and readers of verdicts could not go on."""
    for what, one, other in (
        ("classes", old.classes, new.classes),
        ("devices", old.devices, new.devices),
        ("views", _views(old), _views(new)),
    ):
        if one != other:
            raise ConfigError(f"--swap: {what} are {list(other)}, want {list(one)}")
    for topology in (old, new):
        names = (COLLECTOR, *topology.nodes)
        if not all(is_loopback(topology.endpoint(name)) for name in names):
            raise ConfigError(
                "--swap: nodes of several machines cannot run twice, want one machine"
            )


def _views(topology: Topology) -> tuple[str, ...]:
    return tuple(str(topology.view_of(name)) for name in topology.devices)
