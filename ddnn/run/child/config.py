"""What a node process is told, on its command line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildConfig:
    """All that a node process is told.

    origin: the bundle that `bundle` is a copy of, for a person who lists processes.
    views: .npy file of what a device's camera recorded. endpoints: those that differ from the
    topology's. data: digest of all cameras' samples, 0 where nobody knows it. seed: of the failure
    plan. tied: take orders on standard input, end when it closes. keys: folder of key files.
    insecure: listen to other machines without CURVE. sockets: folder of this machine's own
    sockets, which nodes use in place of their endpoints. others: further nodes of this process,
    each with its views. account_s: how often to tell the collector what was counted so far, None:
    at the end alone. sources: the file that says what a device sees through; passwords are looked
    up by the node itself. rules: threshold and temperature of exits, where others than the
    bundle's. takes_over: another process still holds the device's source, which is waited for.
    show_views: devices tell the collector what they see.
    """

    bundle: str
    node: str
    origin: str = ""
    views: str | None = None
    data: int = 0
    endpoints: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    tied: bool = True
    keys: str | None = None
    insecure: bool = False
    sockets: str | None = None
    others: dict[str, str | None] = field(default_factory=dict)
    account_s: float | None = None
    sources: str | None = None
    rules: dict[str, dict[str, float | None]] = field(default_factory=dict)
    takes_over: bool = False
    show_views: bool = False

    def to_argument(self) -> str:
        """The form in which the child takes it."""
        return json.dumps(asdict(self))
