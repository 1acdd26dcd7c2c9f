"""Names and addresses of machines."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

DEFAULT_PORTS = {"http": 80, "https": 443}
"""Of addresses of the web that name none, by scheme."""


def is_local(host: str) -> bool:
    """Is it this machine: a socket's path, or the loopback? `host` may have a port behind it."""
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False
