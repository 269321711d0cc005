"""How nodes and links stand, from the events of a feed alone: dead ones stay in the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ddnn.live.events import FailureEvent, NodesEvent
from ddnn.report.tables import with_values
from ddnn.run.failures.failure import FAILURE_KINDS
from ddnn.topology import Restart, Topology

ALIVE, SILENT, FAILED, RESTARTING, STARTING = "alive", "silent", "failed", "restarting", "starting"
ENDS = " ends"


@dataclass(slots=True)
class NodeHealth:
    """Of one node. seen: its state by the last NodesEvent, empty before the first. starts: how
    often it was started again."""

    restart: Restart
    seen: str = ""
    resident_mb: float | None = None
    starts: int = 0

    @property
    def state(self) -> str:
        """alive, silent, failed, restarting or starting."""
        if self.seen in ("killed", "stopped"):
            return RESTARTING if self._returns else FAILED
        return {"running": ALIVE, "silent": SILENT}.get(self.seen, STARTING)

    @property
    def _returns(self) -> bool:
        if isinstance(self.restart, int):
            return self.starts < self.restart
        return self.restart == "always"


@dataclass(slots=True)
class Health:
    """Of all nodes. faults: failures in force, in words by kind, by node or `from:to` link."""

    nodes: dict[str, NodeHealth]
    faults: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, topology: Topology) -> Health:
        """Nothing is known yet."""
        return cls({name: NodeHealth(node.restart) for name, node in topology.nodes.items()})

    def see(self, event: NodesEvent) -> None:
        """How the launcher sees its nodes now."""
        for name, state in event["nodes"].items():
            node = self.nodes.get(name)
            if node is not None:
                node.seen, node.resident_mb = state["state"], state["resident_mb"]

    def note(self, event: FailureEvent) -> None:
        """Something was done to a node or link, or happened to it."""
        where, what = event["node"], event["what"]
        node = self.nodes.get(where)
        if node is not None and what in ("kill", "stopped"):
            node.seen = "killed" if what == "kill" else "stopped"
        if what == "recover":
            self.faults.pop(where, None)
        elif what == "restarted":
            self._forget(where, ("kill", "hang"))
            if node is not None:
                node.seen, node.starts = "silent", node.starts + 1
        elif what.endswith(ENDS):
            self._forget(where, (what.removesuffix(ENDS),))
        elif what in FAILURE_KINDS and event["applied"]:
            self.faults.setdefault(where, {})[what] = with_values(what, event["values"])

    def faults_at(self, where: str) -> list[str]:
        """Failures in force there, in words."""
        return list(self.faults.get(where, {}).values())

    def _forget(self, where: str, kinds: Iterable[str]) -> None:
        here = self.faults.get(where, {})
        for kind in kinds:
            here.pop(kind, None)
        if not here:
            self.faults.pop(where, None)

    def snapshot(self, missing: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """For JSON. missing: verdicts without a device."""
        return {
            name: {
                "state": node.state,
                "faults": self.faults_at(name),
                "starts": node.starts,
                "resident_mb": node.resident_mb,
                "missing": missing.get(name, 0),
            }
            for name, node in self.nodes.items()
        }
