"""A result beside simple answers to the same samples, and what may help where one is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Words(NamedTuple):
    """what: a baseline in words, with its chosen class or camera. remedy: where it is better."""

    what: str
    remedy: str


WORDS = {
    "commonest_class": Words(
        "always {name}",
        "the network has learned nothing: check the labels, then more epochs or more data",
    ),
    "nearest_pixels": Words(
        "nearest training sample, pixel by pixel",
        "more filters or bits in the topology, or more epochs; where it is right nearly always, "
        "copies of test samples may be trained on: split by object or by time",
    ),
    "linear": Words(
        "linear classifier on all pixels",
        "more filters or bits in the topology, or more training samples",
    ),
    "best_camera": Words(
        "{name} alone",
        "fusing costs more than it gives: another aggregator, or ddnn calibrate with an accuracy",
    ),
    "late_fusion": Words(
        "mean of the devices' own answers",
        "the maps add nothing: more filters above the devices, aggregator average at the local "
        "exit, or ddnn calibrate with an accuracy",
    ),
}


def in_words(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The report's baselines by what they are."""
    return {_what(name, part): part for name, part in report.get("baselines", {}).items()}


def advice(report: Mapping[str, Any]) -> list[str]:
    """A line for each baseline that is right more often than the overall rule."""
    return [
        f"{_what(name, part)} is right for {part['accuracy']:.1%}, the network for "
        f"{report['accuracy']:.1%}: {WORDS[name].remedy}"
        for name, part in report.get("baselines", {}).items()
        if part["accuracy"] > report["accuracy"]
    ]


def _what(name: str, part: Mapping[str, Any]) -> str:
    return WORDS[name].what.format(name=part.get("name", ""))
