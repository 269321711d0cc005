"""Where a page listens and what it may do, checked before anything starts."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from ddnn.errors import ConfigError
from ddnn.plainfile import read_plain

MIN_TOKEN = 16
"""Letters of a token at least."""
MAX_TOKEN_BYTES = 4096
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """host, port: where browsers find it. token: who reads the page must know it; None on
    loopback: whoever is on this machine may. cert, key: TLS files. allow_faults: whether buttons
    make nodes fail. show_views: whether it shows what devices see. act_token: what a request that
    changes something must carry.

    Raises ConfigError where other machines reach it and it is not protected."""

    host: str
    port: int
    token: str | None = field(default=None, repr=False)
    cert: Path | None = None
    key: Path | None = None
    allow_faults: bool = False
    show_views: bool = False
    act_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        if not self.is_loopback and (self.token is None or self.cert is None):
            raise ConfigError(
                f"--page {_in_url(self.host)}:{self.port}: other machines reach it, want "
                "--page-token, --page-cert and --page-key, or an address such as 127.0.0.1:8080"
            )

    @property
    def scheme(self) -> str:
        """http or https."""
        return "http" if self.cert is None else "https"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody else's machine reaches it."""
        return is_loopback(self.host)

    def hosts(self, port: int) -> frozenset[str]:
        """What a request's Host may say, of the port it really listens at."""
        names = {_in_url(self.host), *(LOOPBACK_NAMES if self.is_loopback else ())}
        bare = {80: "http", 443: "https"}.get(port) == self.scheme
        return frozenset({f"{name}:{port}" for name in names} | (names if bare else set()))

    def url(self, port: int) -> str:
        """For a person."""
        return f"{self.scheme}://{_in_url(self.host)}:{port}/"


def page_options(
    address: str,
    *,
    token_file: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    allow_faults: bool = False,
    show_views: bool = False,
) -> PageOptions:
    """Of the command line's options. Raises ConfigError where a page of others' machines is not
    protected, or something is no address, token or file."""
    host, port = _parse(address)
    if (cert is None) != (key is None):
        raise ConfigError("--page-cert and --page-key: got one of them, want both or none")
    for name, path in (("--page-cert", cert), ("--page-key", key)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{name} {path}: no such file, want one in PEM format")
    token = None if token_file is None else _read_token(token_file)
    options = PageOptions(
        host=host,
        port=port,
        token=token,
        cert=cert,
        key=key,
        allow_faults=allow_faults,
        show_views=show_views,
    )
    _check_tls(cert, key)
    return options


def _check_tls(cert: Path | None, key: Path | None) -> None:
    """Raises ConfigError for files that do not go together."""
    if cert is None or key is None:
        return
    import ssl  # noqa: PLC0415  # large, and wanted by few

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except OSError as error:  # SSLError is one
        raise ConfigError(
            f"--page-cert {cert}, --page-key {key}: {error.strerror or error}, want a certificate "
            "and its key in PEM format"
        ) from error


def listening_socket(options: PageOptions) -> socket.socket:
    """Bound. Raises ConfigError for an address that cannot be had."""
    try:
        found = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, _, _, address = found[0]
        sock = socket.socket(family, kind)
    except OSError as error:
        raise ConfigError(f"--page {options.host}: unknown here, {error.strerror}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(64)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"--page {options.host}:{options.port}: {error.strerror}, want a free port of an "
            "address of this machine"
        ) from error
    return sock


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse(address: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})", address)
    if match is None or int(match[3]) > 65535:
        raise ConfigError(f"--page: got {address!r}, want HOST:PORT, for example 127.0.0.1:8080")
    host = match[1] or match[2]
    if host in ("0.0.0.0", "::"):
        raise ConfigError(
            f"--page {address}: want the address or name that browsers use, which is checked"
        )
    return host.lower(), int(match[3])


def _read_token(path: Path) -> str:
    try:
        token = read_plain(path, MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--page-token {path}: cannot be read, want one line of ASCII") from error
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"--page-token {path}: others can read it, want mode 0600")
    if len(token) < MIN_TOKEN or not token.isprintable():
        raise ConfigError(
            f"--page-token {path}: got {len(token)} letters, want {MIN_TOKEN} or more, for example "
            "of `openssl rand -hex 24`"
        )
    return token


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
