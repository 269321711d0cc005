"""What an endpoint says: which machine, by address or name, and which port. Asks no network.

Every endpoint is listened at by its node and connected to by others: an address that can only be
listened at, or that names no single machine, is none.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ddnn.errors import ConfigError

WANTED = "want tcp://ADDRESS:PORT"
LOCALHOST = "localhost"
MAX_PORT = 65535
_ENDPOINT = re.compile(r"tcp://(\*|[A-Za-z0-9.-]+|\[[^\[\]]*\]):([0-9]{1,9})")
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9-]{1,63})*")
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""What a resolver may take for an IPv4 address in an old form: 127.1, 0x7f000001, 010.0.0.1."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Address:
    """A machine and a port in one spelling: 06601 is 6601, LocalHost. is localhost."""

    host: str
    port: int

    @property
    def is_wildcard(self) -> bool:
        """Stands for every address of a machine: it can be listened at and not connected to."""
        ip = _ip(self.host)
        return ip is not None and ip.is_unspecified

    @property
    def is_loopback(self) -> bool:
        """Only its own machine reaches it; a name but localhost counts as others'."""
        ip = _ip(self.host)
        return self.host == LOCALHOST if ip is None else ip.is_loopback

    def overlaps(self, other: Address) -> bool:
        """Whether one machine cannot listen at both."""
        if self.port != other.port:
            return False
        both = {self.host, other.host}
        if self.is_wildcard or other.is_wildcard or len(both) == 1:
            return True
        return LOCALHOST in both and bool(both & {"127.0.0.1", "::1"})


def parse_endpoint(endpoint: str) -> Address:
    """The address of `tcp://ADDRESS:PORT`. Raises ConfigError for what can be none."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None:
        raise ConfigError(f"got {endpoint!r}, {WANTED}")
    host, port = match[1], int(match[2])
    if not 1 <= port <= MAX_PORT:
        raise ConfigError(f"got {endpoint!r}, want a port from 1 to {MAX_PORT}")
    try:
        return Address(_host(host), port)
    except ValueError as error:
        raise ConfigError(f"got {endpoint!r}, {error}") from None


def is_loopback(endpoint: str) -> bool:
    """Whether only this machine reaches the endpoint; a name but localhost counts as others'."""
    return parse_endpoint(endpoint).is_loopback


def _host(text: str) -> str:
    """In one spelling. Raises ValueError, saying what is wanted."""
    if text == "*":
        return "0.0.0.0"
    if text.startswith("["):
        return _checked(_ipv6(text[1:-1]))
    name = text.lower().removesuffix(".")
    if _NUMBER.fullmatch(name):
        try:
            return _checked(ipaddress.IPv4Address(text))
        except ipaddress.AddressValueError:
            raise ValueError("want an IPv4 address of four numbers from 0 to 255") from None
    if not _NAME.fullmatch(name) or "-." in f"{name}." or ".-" in name:
        raise ValueError("want an address or a host's name")
    return name


def _ipv6(text: str) -> IPAddress:
    try:
        ip = ipaddress.IPv6Address(text)
    except ipaddress.AddressValueError:
        raise ValueError("want an IPv6 address in the brackets") from None
    if ip.scope_id is not None or ip.is_link_local:
        raise ValueError("a link's own address means another machine on each link, want a global")
    return ip.ipv4_mapped or ip


def _checked(ip: IPAddress) -> str:
    """Of one machine, or the wildcard."""
    reserved = ip.version == 4 and (ip.is_reserved or ip in ipaddress.IPv4Network("0.0.0.0/8"))
    if ip.is_multicast or (reserved and not ip.is_unspecified):
        raise ValueError("no machine can have this address, want one of a single machine")
    return str(ip)


def _ip(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
