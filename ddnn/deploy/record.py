"""What is known of a deployment on the machine that deploys: FOLDER/deployment.json."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from ddnn.blocks import Model
from ddnn.deploy.hostsfile import Host
from ddnn.errors import ConfigError
from ddnn.report.files import write_json
from ddnn.yamlfile import read_json

FILE = "deployment.json"


class Version(Model):
    """One version that all hosts have, or had."""

    name: str
    bundle_sha256: str
    samples: int
    written: str
    before: str | None = Field(None, description="the version that was current when it was made")


class Deployment(Model):
    """Hosts and versions, the oldest first; `current` is what all hosts start."""

    topology: str
    collector: str = Field(description="the host where the collector is")
    hosts: dict[str, Host]
    sources: dict[str, str] = Field({}, description="of a live one: sources files, by host")
    versions: tuple[Version, ...] = Field((), strict=False)
    current: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all hosts, the collector's first."""
        return tuple(dict.fromkeys((self.collector, *self.hosts)))

    @property
    def kept(self) -> tuple[str, ...]:
        """Hosts whose nodes are kept running: all but the collector's."""
        return tuple(name for name in self.hosts if name != self.collector)

    def next_version(self, bundle_sha256: str, samples: int, there: Iterable[str]) -> Version:
        """After all that there were, and those that hosts have of tries that broke off. No two
        have one name, also where two are made at once."""
        names = (*(version.name for version in self.versions), *there)
        numbers = (name.partition("-")[0] for name in names)
        number = max((int(number) for number in numbers if number.isdecimal()), default=0)
        return Version(
            name=f"{number + 1:04}-{bundle_sha256[:12]}-{secrets.token_hex(2)}",
            bundle_sha256=bundle_sha256,
            samples=samples,
            written=datetime.now(UTC).isoformat(timespec="seconds"),
            before=self.current,
        )

    def with_version(self, version: Version) -> Deployment:
        """The same hosts with one more version, the current one."""
        versions = (*self.versions, version)
        return self.model_copy(update={"versions": versions, "current": version.name})

    def before_current(self) -> str:
        """The version that the current one took the place of, never one that was rolled back from.

        Raises ConfigError where there is none.
        """
        (found,) = [each.before for each in self.versions if each.name == self.current] or [None]
        if found is None:
            raise ConfigError(f"{self.topology}: no version before {self.current}, want an upgrade")
        return found

    def kept_versions(self, newest: int) -> list[str]:
        """The newest versions, and those that `rollback` goes to from the current one on."""
        names = [version.name for version in self.versions]
        befores = {version.name: version.before for version in self.versions}
        kept, name = set(names[-newest:]), self.current
        for _ in range(newest):
            if name is not None:
                kept.add(name)
                name = befores.get(name)
        return [name for name in names if name in kept]


def read_record(folder: Path) -> Deployment:
    """Raises ConfigError for a folder that holds no deployment."""
    try:
        return read_json(folder / FILE, Deployment)
    except OSError as error:
        raise ConfigError(
            f"{folder}: {error.strerror or error}, want a folder made by `ddnn deploy ssh`"
        ) from error


def write_record(folder: Path, deployment: Deployment) -> None:
    """Replaces it in one step. Raises DdnnError where it cannot be written."""
    write_json(folder / FILE, deployment.model_dump(mode="json"))
