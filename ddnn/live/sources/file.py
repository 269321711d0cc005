"""The sources file: which camera each device sees through, and when samples are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ddnn.addresses import parse_endpoint
from ddnn.blocks import Model
from ddnn.errors import ConfigError
from ddnn.live.sources.secrets import check_secrets, has_password, names_in, shown
from ddnn.topology import Topology
from ddnn.yamlfile import read_yaml

Crop = Annotated[tuple[int, int, int, int], Field(strict=False)]


def local_address(what: str, address: str) -> str:
    """HOST:PORT of this machine alone. Raises ConfigError, naming what it is of, for another."""
    try:
        endpoint = parse_endpoint(f"tcp://{address}")
    except ConfigError as error:
        raise ConfigError(
            f"{what}: got {address!r}, want HOST:PORT, a port from 1 to 65535"
        ) from error
    if not endpoint.is_loopback:
        raise ConfigError(f"{what}: got {address!r}, want a loopback address")
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def _listens_here(address: str) -> str:
    try:
        return local_address("", address)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix(": ")) from error


def _without_password(url: str) -> str:
    if has_password(url):
        raise ValueError("a password in the file, want ${NAME} in its place")
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"got {shown(url)!r}: {error}") from error
    return url


class Sampling(Model):
    """When samples are taken: by clock, by event, or by both."""

    every_ms: float | None = Field(
        None, ge=0, le=86_400_000, description="by clock; 0: whenever there is room"
    )
    events_of: tuple[str, ...] = Field(
        (), strict=False, description="by event: whenever one of these devices gets a new view"
    )
    apart_ms: float = Field(
        20, ge=0, le=86_400_000, description="between two samples by event, at least"
    )


class _Source(Model):
    """What all sources have."""

    latency_ms: float = Field(
        0, ge=0, le=60_000, description="how old a view is when it arrives, subtracted"
    )
    crop: Crop | None = Field(None, description="x, y, width, height in pixels, before resizing")
    frozen_after: int = Field(
        10,
        ge=2,
        le=100_000,
        description="after so many equal pictures in a row the view is reported as frozen",
    )


class VideoSource(_Source):
    """A camera or a film, read with PyAV."""

    kind: Literal["video"]
    url: Annotated[str, AfterValidator(_without_password)] = Field(
        min_length=1, description="rtsp://, http:// (MJPEG), /dev/video0, or a file"
    )
    transport: Literal["tcp", "udp"] = Field("tcp", description="of RTSP")
    open_s: float = Field(10, gt=0, le=60, description="how long opening may take")
    read_s: float = Field(1, gt=0, le=60, description="how long the next picture may take")
    loop: bool = Field(True, description="a file begins again at its end")


class FolderSource(_Source):
    """PNG and JPEG files that appear in a folder."""

    kind: Literal["folder"]
    path: str = Field(min_length=1, description="the folder; relative to this file")
    every_ms: float = Field(20, ge=1, le=60_000, description="between two looks")


class PushSource(_Source):
    """The user's own program hands views over, by HTTP."""

    kind: Literal["push"]
    listen: Annotated[str, AfterValidator(_listens_here)] = Field(
        description="HOST:PORT on this machine, where POST /push/DEVICE is served"
    )
    once: bool = Field(
        False, description="a view is for one sample alone, and a sample waits for none"
    )


class RecordedSource(Model):
    """A data set in place of a camera: sample s is its row s, over and over."""

    kind: Literal["recorded"]
    card: str | None = Field(
        None, min_length=1, description="data card, a file or a shipped name; default: the run's"
    )
    split: Literal["train", "validation", "test", "all"] = Field(
        "test", description="the part of the data set"
    )
    loop: bool = Field(True, description="begins again at its end; else nothing comes any more")


LiveSource = VideoSource | FolderSource | PushSource
Source = Annotated[LiveSource | RecordedSource, Field(discriminator="kind")]


class SourcesFile(Model):
    """The sources of the devices on one host."""

    sample: Sampling = Field(
        Sampling(every_ms=None), description="when samples are taken: see below"
    )
    match_ms: float = Field(
        60, gt=0, le=60_000, description="a view may be so far from the sample's instant"
    )
    delay_ms: float = Field(
        0, ge=0, le=60_000, description="a sample's instant lies so far back when it is asked for"
    )
    secrets: str | None = Field(None, description="file of NAME=VALUE lines, of mode 0600")
    devices: dict[str, Source] = Field({}, description="each of this host, by name: its source")


def read_sources(
    path: Path, topology: Topology, devices: tuple[str, ...], *, is_here: bool = True
) -> SourcesFile:
    """The file, checked against the topology. devices: those that run where it is used. is_here:
    that is this machine; on another its folders, films and secrets cannot be looked at.

    Raises ConfigError naming file, key, what was found and what is wanted; never a password.
    """
    found = read_yaml(path, SourcesFile)
    try:
        _check_devices(found, topology, devices)
        _check_sampling(found, topology)
        for name, source in found.devices.items():
            _check_crop(name, source)
            _check_view(name, source, topology)
        if is_here:
            _check_places(found, path)
        else:
            _check_absolute(found)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return found


def secrets_of(path: Path, found: SourcesFile) -> Path | None:
    """The file that `secrets` names, relative to the sources file."""
    return None if found.secrets is None else path.parent / found.secrets


def folder_of(path: Path, source: FolderSource) -> Path:
    """The folder that a source watches."""
    return path.parent / source.path


def _check_devices(found: SourcesFile, topology: Topology, devices: tuple[str, ...]) -> None:
    strange = [name for name in found.devices if name not in topology.devices]
    known = ", ".join(topology.devices)
    if strange:
        raise ConfigError(
            f"devices.{strange[0]}: topology {topology.name} has no such device (known: {known})"
        )
    elsewhere = [name for name in found.devices if name not in devices]
    if elsewhere:
        raise ConfigError(
            f"devices.{elsewhere[0]}: runs on host {topology.host(elsewhere[0])}, want it in that "
            "host's sources file"
        )
    missing = [name for name in devices if name not in found.devices]
    if missing:
        raise ConfigError(f"devices: no {missing[0]}, want a source for each of {known}")


def _check_sampling(found: SourcesFile, topology: Topology) -> None:
    for name in found.sample.events_of:
        if name not in topology.devices:
            known = ", ".join(topology.devices)
            raise ConfigError(f"sample.events_of: no device named {name!r} (known: {known})")
        source = found.devices.get(name)
        if isinstance(source, RecordedSource):
            raise ConfigError(
                f"sample.events_of: {name} is recorded, which no event tells of; want every_ms"
            )


def is_file(url: str) -> bool:
    """Whether it is a film's, and no camera's, which may come later."""
    return "://" not in url and not url.startswith("/dev/")


def _check_view(name: str, source: LiveSource | RecordedSource, topology: Topology) -> None:
    wanted = topology.view_of(name).type
    if wanted != "uint8" and not isinstance(source, RecordedSource):
        raise ConfigError(
            f"devices.{name}: sees values of {wanted}, which no {source.kind} gives; want recorded"
        )


def _check_crop(name: str, source: LiveSource | RecordedSource) -> None:
    crop = None if isinstance(source, RecordedSource) else source.crop
    if crop is not None and (min(crop) < 0 or 0 in crop[2:]):
        raise ConfigError(f"devices.{name}.crop: got {list(crop)}, want [x, y, width, height]")


def _check_places(found: SourcesFile, path: Path) -> None:
    """Folders, films and secrets are there."""
    for name, source in found.devices.items():
        place = f"devices.{name}"
        if isinstance(source, FolderSource) and not folder_of(path, source).is_dir():
            raise ConfigError(f"{place}.path: {folder_of(path, source)}: no such folder")
        if isinstance(source, VideoSource) and is_file(source.url):
            file = path.parent / source.url
            if not file.exists():
                raise ConfigError(
                    f"{place}.url: {file}: no such file; want rtsp://..., http://..., /dev/video0 "
                    "or a film that is there"
                )
    urls = {n: s.url for n, s in found.devices.items() if isinstance(s, VideoSource)}
    check_secrets({name: names_in(url) for name, url in urls.items()}, secrets_of(path, found))


def _check_absolute(found: SourcesFile) -> None:
    """Files of another machine are named by whole paths: nobody is to guess from where."""
    named = {"secrets": found.secrets}
    for name, source in found.devices.items():
        if isinstance(source, FolderSource):
            named[f"devices.{name}.path"] = source.path
        if isinstance(source, VideoSource) and is_file(source.url):
            named[f"devices.{name}.url"] = source.url
    for key, file in named.items():
        if file is not None and not file.startswith("/"):
            raise ConfigError(f"{key}: got {file!r}, want a whole path on that host")
