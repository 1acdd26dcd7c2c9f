"""Which addresses pictures may be fetched from: those of the public Internet, and networks that were named.

The networks below are those that the IANA special-purpose address registries (RFC 6890) call not globally reachable,
multicast, deprecated ways of carrying IPv4 in IPv6, and addresses at which clouds answer their own machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


NEVER = _networks(
    "0.0.0.0/32", "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "224.0.0.0/4",
    "255.255.255.255/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::/32", "fd20:ce::254/128",
)  # fmt: skip
"""Not even when a network that holds them is allowed: unspecified, link-local and multicast addresses, and those at
which AWS, Azure, Google, Alibaba and Oracle hand out credentials."""
_SPECIAL = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)  # fmt: skip
_PUBLIC_V6 = IPv6Network("2000::/3")
"""All that IANA has handed out for global unicast so far."""
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that is meant."""


def may_connect(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Is this a public address, or one of the networks that are allowed?

    IPv4 inside IPv6 (mapped, or as a NAT64 gateway of RFC 6052 translates it) counts as the IPv4 that is meant.
    """
    meant = _meant(address)
    if _within(meant, NEVER) or _within(_carried(address), NEVER):
        return False
    if _within(meant, allowed):
        return True
    return not _within(meant, _SPECIAL) and (meant.version == 4 or meant in _PUBLIC_V6)


def _meant(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return _at_its_end(address)
    return address


def _carried(address: Address) -> Address:
    """The IPv4 that deprecated tunnels would lead to, where a network that holds all of them is allowed: 6to4
    (RFC 3056) and IPv4-compatible addresses (RFC 4291, 2.5.5.1)."""
    if isinstance(address, IPv6Address):
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _COMPATIBLE:
            return _at_its_end(address)
    return address


def _at_its_end(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
