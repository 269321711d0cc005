"""How long nodes wait: who waits above outlasts who waits below.

Below the cloud a node that misses a child answers at its own deadline. Whoever waits for that
answer must still be waiting then, or it goes on without what is about to come.
"""

from __future__ import annotations

from typing import Any

from ddnn.errors import ConfigError
from ddnn.topology_structure import Structure

STEP_MS = 100.0
"""By how much a deadline that is not given is longer than the one below it."""
ANSWER_MS = 1000.0
"""The collector's, where it is not given, unless twice the longest of the tiers' is longer."""


def with_deadlines(document: Any) -> Any:
    """A topology's document with the deadlines that it does not give.

    What is no topology is left as it is: the model says what is wrong with it.
    """
    if not isinstance(document, dict) or not _is_rows(document.get("tiers")):
        return document
    tiers, longest_ms = [], 0.0
    for number, tier in enumerate(document["tiers"]):
        filled, longest_ms = _tier_with_deadlines(tier, longest_ms, is_first=number == 0)
        tiers.append(filled)
    collector = document.get("collector")
    if isinstance(collector, dict):
        collector = {"answer_ms": max(ANSWER_MS, 2 * longest_ms)} | collector
    return document | {"tiers": tiers, "collector": collector}


def _is_rows(tiers: Any) -> bool:
    return isinstance(tiers, list | tuple) and all(isinstance(tier, dict) for tier in tiers)


def _tier_with_deadlines(
    tier: dict[str, Any], below_ms: float, *, is_first: bool
) -> tuple[dict[str, Any], float]:
    """The tier, and how long it waits. below_ms: how long the tier below does."""
    tier = {"deadline_ms": below_ms + STEP_MS} | tier
    longest_ms = 0.0 if is_first else _number(tier["deadline_ms"])  # a device waits for nobody
    if isinstance(tier.get("exit"), dict):
        tier["exit"] = {"deadline_ms": longest_ms + STEP_MS} | tier["exit"]
        if not is_first:
            longest_ms = _number(tier["exit"]["deadline_ms"])
    return tier, longest_ms


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def check_deadlines(topology: Structure) -> None:
    """Raises ConfigError for one that is not longer than another below it."""
    below_ms, below = 0.0, ""
    for number, tier in enumerate(topology.tiers[1:], start=1):
        where = f"tiers.{number}.deadline_ms"
        _check_longer(where, tier.deadline_ms, below, below_ms)
        below_ms, below = tier.deadline_ms, where
        if tier.exit is not None and len(topology.members(tier.name)) > 1:
            where = f"tiers.{number}.exit.deadline_ms"
            _check_longer(where, tier.exit.deadline_ms, below, below_ms)
            below_ms, below = tier.exit.deadline_ms, where
    _check_longer("collector.answer_ms", topology.collector.answer_ms, below, below_ms)


def _check_longer(where: str, got_ms: float, below: str, below_ms: float) -> None:
    if got_ms <= below_ms:
        raise ConfigError(
            f"{where}: got {got_ms:g}, want more than {below_ms:g}, the {below} that it waits for"
        )
