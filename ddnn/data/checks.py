"""Whether a data set is what a topology's devices see, and what a network was trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ddnn.data.multiview import DataSet, MultiView
from ddnn.errors import ConfigError, DataError
from ddnn.topology import Topology


def check_fits(
    topology: Topology,
    samples: MultiView,
    *,
    card: object = "the data set",
    wanted_by: object | None = None,
) -> None:
    """Raises ConfigError when the data set is not what the topology's devices see.

    card: where the samples are from; wanted_by: the topology's file, or the run that it is of.
    Raises DataError when there is no sample at all.
    """
    wanted_by = wanted_by or f"topology {topology.name}"
    _check_views(topology, samples, card=card, wanted_by=wanted_by)
    if samples.classes != topology.classes:
        raise ConfigError(
            f"{card}: has classes {list(samples.classes)}, {wanted_by} wants "
            f"{list(topology.classes)}"
        )
    if not len(samples):
        raise DataError(f"{card}: no samples in this split, want at least one")


def _check_views(
    topology: Topology, samples: MultiView, *, card: object, wanted_by: object
) -> None:
    views = samples.views
    kinds = [topology.view_of(device) for device in topology.devices]
    wanted = [(tuple(kind.shape), kind.type) for kind in kinds]
    got = list(zip(views.shapes, views.types, strict=True))
    if got == wanted:
        return
    if {*got} == {got[0]} and {*wanted} == {wanted[0]} and got[0][1] == wanted[0][1]:
        raise ConfigError(
            f"{card}: has views x channels x height x width {_sizes((len(got), *got[0][0]))}, "
            f"{wanted_by} wants {_sizes((len(wanted), *wanted[0][0]))}"
        )
    if len(got) != len(wanted):
        raise ConfigError(f"{card}: has {len(got)} views, {wanted_by} wants {len(wanted)}")
    v = next(v for v in range(len(got)) if got[v] != wanted[v])
    raise ConfigError(
        f"{card}: view {samples.view_names[v]} is {got[v][1]} {_sizes(got[v][0])}, {wanted_by} "
        f"wants {wanted[v][1]} {_sizes(wanted[v][0])} (channels x height x width) for "
        f"{topology.devices[v]}"
    )


def part_of(data: DataSet, split: str, *, card: object) -> MultiView:
    """The samples of `train`, `validation`, `test` or `all`.

    Raises DataError naming card and split where there is none.
    """
    samples = data.part(split)
    if not len(samples):
        raise DataError(f"{card}: no samples in its split {split!r}, want at least one")
    return samples


def check_trainable(data: DataSet, *, card: object) -> None:
    """Raises DataError for a class without a training sample: no network can learn it."""
    for name in _lacking(data, "train"):
        raise DataError(
            f"{card}: class {name!r} has no sample in the train part, want at least one"
        )


def gaps(data: DataSet) -> list[str]:
    """What a training goes on without, a line each: classes that a part does not show."""
    uses = {"validation": "thresholds are chosen", "test": "accuracies are measured"}
    return [
        f"no {part} sample of class {name!r}: {use} without it"
        for part, use in uses.items()
        if len(getattr(data.split, part))
        for name in _lacking(data, part)
    ]


def seen_by_whom(topology: Topology, samples: MultiView) -> str:
    """Which device is trained on which view: by number, so it is said before it is too late."""
    pairs = zip(topology.devices, samples.view_names, strict=True)
    return "views " + ", ".join(f"{name} of {device}" for device, name in pairs)


def check_card_there(card: str, *, wanted_by: object) -> None:
    """Raises ConfigError where the card file that a run was trained on is gone."""
    if Path(card).is_absolute() and not Path(card).exists():
        raise ConfigError(
            f"{card}: gone, {wanted_by} was trained on this card; want it there, or another "
            "with --data CARD"
        )


def _lacking(data: DataSet, part: str) -> list[str]:
    labels_N = data.samples.fused_labels_N[getattr(data.split, part)]
    return [name for k, name in enumerate(data.samples.classes) if k not in labels_N]


def check_unchanged(data: DataSet, digest: str, *, card: object, wanted_by: object) -> None:
    """Raises ConfigError where data or split are no longer those of this digest.

    Then a test sample may be one that was trained on. card, wanted_by: as above.
    """
    if data.digest != digest:
        raise ConfigError(
            f"{card}: the data's digest is {data.digest[:12]}…, {wanted_by} was trained on "
            f"{digest[:12]}…"
        )


def _sizes(sizes: Iterable[int]) -> str:
    return " x ".join(map(str, sizes))
