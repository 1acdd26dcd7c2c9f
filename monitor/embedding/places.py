"""Where pictures may be fetched from. By default nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import quote

from monitor.embedding.addresses import Address, Network, may_connect
from monitor.embedding.refusals import Refusal, shortened
from monitor.embedding.urls import AllowedOrigin, Url, parse_allowed, parse_url
from monitor.errors import ImageRefused, SettingsError

_S3 = re.compile(r"[sS]3://(?P<bucket>[A-Za-z0-9._-]{1,255})/(?P<key>.+)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Place:
    """A URL that may be asked."""

    url: Url
    allowed_by: str
    """The entry of the settings that allows it."""


class Places:
    """The allow-list.

    Args:
        hosts: `host`, `*.host`, `host:port`, `http://host`; https unless http is written out.
        buckets: name of an S3 bucket -> the address below which its keys lie.
        networks: in CIDR notation; addresses that are not public but may be connected to all the same.

    Raises:
        SettingsError: with every entry that cannot be read.
    """

    def __init__(
        self, hosts: Iterable[str] = (), buckets: Mapping[str, str] | None = None, networks: Iterable[str] = ()
    ) -> None:
        faults: list[str] = []
        self._hosts: dict[str, AllowedOrigin] = {}
        self._buckets: dict[str, Url] = {}
        self._networks: list[Network] = []
        for host in hosts:
            try:
                self._hosts[host] = _explicit(parse_allowed(host))
            except ValueError as error:
                faults.append(f"embedder.image_hosts: {host!r}: {error}")
        for bucket, base in (buckets or {}).items():
            try:
                self._buckets[bucket] = _base(base)
            except ValueError as error:
                faults.append(f"embedder.image_buckets: {bucket} = {base!r}: {error}")
        for network in networks:
            try:
                self._networks.append(ip_network(network))
            except ValueError as error:
                faults.append(f"embedder.image_networks: {error}; write it such as 10.1.0.0/16")
        if faults:
            raise SettingsError(faults)

    @property
    def entries(self) -> list[str]:
        """All values of `Place.allowed_by`."""
        return [*self._hosts, *map(_entry_of, self._buckets)]

    def locate(self, reference: str) -> Place:
        """What an `http:`, `https:` or `s3:` reference stands for, if it may be fetched.

        Raises:
            ImageRefused: it is malformed, or not allowed.
        """
        if reference[:5].lower() == "s3://":
            return self._in_bucket(reference)
        try:
            url = parse_url(reference)
        except ValueError as error:
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(reference)}: {error}") from None
        for entry, allowed in self._hosts.items():
            if allowed.covers(url.origin):
                return Place(url, entry)
        raise ImageRefused(Refusal.HOST_NOT_ALLOWED, f"{shortened(str(url))}: {url.origin} is not in image_hosts")

    def may_connect(self, url: Url, address: Address) -> bool:
        """Addresses that the settings spell out, and public ones."""
        return url.origin.address == address or may_connect(address, self._networks)

    def _in_bucket(self, reference: str) -> Place:
        found = _S3.fullmatch(reference)
        if found is None or _CONTROL.search(reference):
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(reference)} is not s3://bucket/key")
        bucket, key = found["bucket"], found["key"]
        if {".", ".."} & set(key.split("/")):
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(reference)}: a key without '.' and '..' is needed")
        base = self._buckets.get(bucket)
        if base is None:
            raise ImageRefused(Refusal.HOST_NOT_ALLOWED, f"{shortened(reference)}: {bucket} is not in image_buckets")
        try:
            target = f"{base.target.rstrip('/')}/{quote(key, safe='/~')}"
        except UnicodeEncodeError as error:
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(reference)!r}: {error}") from None
        return Place(Url(base.origin, target), _entry_of(bucket))


def _entry_of(bucket: str) -> str:
    return f"s3://{bucket}"


def _explicit(allowed: AllowedOrigin) -> AllowedOrigin:
    """An address is allowed by naming it, unless nobody may ever be led there."""
    address = allowed.origin.address
    if address is not None and not may_connect(address, [ip_network(address)]):
        raise ValueError(f"pictures are never fetched from {address}")
    return allowed


def _base(text: str) -> Url:
    url = parse_url(text)
    _explicit(AllowedOrigin(url.origin, below=False))
    if "?" in url.target:
        raise ValueError("an address without a query is needed, such as https://bucket.s3.eu-west-1.amazonaws.com")
    return url
