"""A free port on 127.0.0.1."""

from __future__ import annotations

import socket
from typing import Final

from monitor.errors import RuntimeFailure

_CLAIMS: Final[dict[int, socket.socket]] = {}
"""Ports that this process has chosen, each with the name that it holds for it."""


def free_port(preferred: int) -> int:
    """The first port from `preferred` upward on 127.0.0.1 that nobody listens on and no other process has chosen here.

    Counting up from a fixed port keeps addresses stable between runs, and below the range from which the kernel takes
    ports for outgoing connections (32768 on Linux): a client that reconnects to a dead server there can meet itself.

    Raises:
        RuntimeFailure: none of the next 200 ports is free.
    """
    for port in range(preferred, preferred + 200):
        if _nobody_listens(port) and _claim(port):
            return port
    raise RuntimeFailure(f"no port between {preferred} and {preferred + 199} is free on 127.0.0.1")


def _nobody_listens(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _claim(port: int) -> bool:
    """Until a server listens, a second process that chooses would choose the same. So the choice holds a name that only
    one can hold, an abstract socket's, until this process ends."""
    if port in _CLAIMS:
        return True
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0snellen-port-{port}")
    except OSError:
        name.close()
        return False
    _CLAIMS[port] = name
    return True
