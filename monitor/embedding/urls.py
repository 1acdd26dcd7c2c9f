"""Addresses of the web, read by one strict grammar: what is checked is what is asked.

Parsers of URLs disagree about backslashes, user names, white space, letters that look like others, and numbers that
mean addresses; whoever checks with one and connects with another can be led anywhere. So whatever needs interpretation
is refused here, and what is connected to later is taken from the parts that were found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

from monitor.hosts import DEFAULT_PORTS

MAX_LENGTH = 8192
# No re.IGNORECASE: it takes the Kelvin sign for a k.
_HOST = r"(?P<host>[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_URL = re.compile(rf"(?P<scheme>[A-Za-z]+)://{_HOST}{_PORT}(?P<target>[/?][^#\x00-\x1f\x7f]*)?(?:#.*)?", re.DOTALL)
_ORIGIN = re.compile(rf"(?:(?P<scheme>https?)://)?(?P<below>\*\.)?{_HOST}{_PORT}")
_AS_GIVEN = "/%:?[]@!$&'()*+,;=-._~"
"""Not percent-encoded: what may stand in a path or query (RFC 3986), and `%` itself, for most are encoded already."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect to."""

    scheme: str
    host: str
    """A name in lower case without a dot at its end, or an address as `ipaddress` writes it."""
    port: int

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host, if it is an address."""
        return _address(self.host)

    def __str__(self) -> str:
        """As it stands in a URL, and in the header `Host` without the scheme."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Url:
    origin: Origin
    target: str
    """Path and query, percent-encoded, beginning with a slash."""

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse_url(text: str) -> Url:
    """Read an `http:` or `https:` URL; its fragment is left out.

    Raises:
        ValueError: it is none, or one that needs interpretation; the message says what is expected.
    """
    found = _URL.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None or found["scheme"].lower() not in DEFAULT_PORTS:
        raise ValueError(
            f"not https://host[:port]/path of at most {MAX_LENGTH} characters "
            "(host in ASCII, no user name, no backslash)"
        )
    origin = _origin(found["scheme"].lower(), found["host"], found["port"])
    target = quote(found["target"] or "/", safe=_AS_GIVEN)  # a lone surrogate raises a UnicodeEncodeError
    return Url(origin, target if target.startswith("/") else f"/{target}")


@dataclass(frozen=True, slots=True)
class AllowedOrigin:
    """An origin, or with `below` all hosts below its name, of any depth."""

    origin: Origin
    below: bool

    def covers(self, origin: Origin) -> bool:
        if not self.below:
            return origin == self.origin
        same = (origin.scheme, origin.port) == (self.origin.scheme, self.origin.port)
        return same and origin.host.endswith(f".{self.origin.host}")


def parse_allowed(text: str) -> AllowedOrigin:
    """Read `host`, `*.host`, `host:port` or one of them after `http://` or `https://` (which is the default).

    Raises:
        ValueError: it is none of them, or would allow a whole top-level domain.
    """
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError("not host, *.host, host:port or http://host[:port] (names in ASCII: xn--... for others)")
    origin = _origin(found["scheme"] or "https", found["host"], found["port"])
    below = found["below"] is not None
    if below and ("." not in origin.host or origin.address is not None):
        raise ValueError("a star needs a name of two parts or more after it, such as *.example.com")
    return AllowedOrigin(origin, below)


def _origin(scheme: str, host: str, port: str | None) -> Origin:
    number = DEFAULT_PORTS[scheme] if port is None else int(port)
    if not 1 <= number <= 65535:
        raise ValueError(f"port {number} does not exist")
    return Origin(scheme, _canonical(host), number)


def _canonical(host: str) -> str:
    """A name in lower case, or an address in its one spelling.

    Raises:
        ValueError: a name of more than 253 characters; or it ends in a number, so that resolvers take it for an IPv4
            address (as in 2130706433, 0x7f.1, 0177.0.0.1), but is not written as one.
    """
    if host.startswith("["):
        return str(IPv6Address(host[1:-1]))
    name = host.lower().removesuffix(".")
    last = name.rpartition(".")[2]
    if last.isdigit() or re.fullmatch("0x[0-9a-f]*", last):
        return str(IPv4Address(name))
    if len(name) > 253:
        raise ValueError("the name of the host has more than 253 characters")
    return name


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
