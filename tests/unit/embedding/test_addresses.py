from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.embedding.addresses import may_connect

PUBLIC = ["93.184.215.14", "8.8.8.8", "52.218.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00:1450:4001::200e"]
FIRST_AND_LAST = [
    (first, last)
    for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
                    "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "fc00::/7", "fe80::/10", "ff00::/8", "2002::/16")
    for first, last in [(ip_network(network)[0], ip_network(network)[-1])]
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_may_be_connected_to(text: str) -> None:
    assert may_connect(ip_address(text))


@pytest.mark.parametrize(("first", "last"), FIRST_AND_LAST, ids=str)
def test_both_ends_of_a_special_network_may_not(first: IPv4Address, last: IPv4Address) -> None:
    assert not may_connect(first)
    assert not may_connect(last)


@settings(max_examples=2000)
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_the_standard_library_calls_local_is_refused(address: IPv4Address | IPv6Address) -> None:
    """Python's own reading of the IANA registries. Ours refuses more: 6to4, NAT64 of local addresses, metadata."""
    meant = getattr(address, "ipv4_mapped", None) or address
    if not meant.is_global or meant.is_multicast or meant.is_reserved:
        assert not may_connect(address) or address in ip_network("64:ff9b::/96")


@given(st.ip_addresses(v=4))
def test_ipv4_within_ipv6_counts_as_the_ipv4(address: IPv4Address) -> None:
    mapped = IPv6Address(f"::ffff:{address}")
    translated = IPv6Address(int(IPv6Address("64:ff9b::")) + int(address))
    assert may_connect(mapped) == may_connect(translated) == may_connect(address)
    assert not may_connect(IPv6Address(int(address)))
    assert not may_connect(IPv6Address((0x2002 << 112) + (int(address) << 80)))


def test_a_network_that_is_allowed_opens_itself_and_no_more() -> None:
    office = [ip_network("10.1.0.0/16"), ip_network("fd12::/16")]
    assert may_connect(ip_address("10.1.2.3"), office)
    assert may_connect(ip_address("::ffff:10.1.2.3"), office)
    assert may_connect(ip_address("fd12::1"), office)
    assert not may_connect(ip_address("10.2.2.3"), office)
    assert not may_connect(ip_address("fd13::1"), office)
    assert may_connect(ip_address("8.8.8.8"), office)


@pytest.mark.parametrize(
    "text", ["::169.254.169.254", "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe", "::ffff:169.254.169.254"]
)
def test_no_tunnel_leads_to_metadata_though_all_networks_are_allowed(text: str) -> None:
    everywhere = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert not may_connect(ip_address(text), everywhere)
    assert may_connect(ip_address("::1"), everywhere)
