"""A free port on 127.0.0.1."""

from __future__ import annotations

import socket

from monitor.errors import RuntimeFailure


def free_port(preferred: int) -> int:
    """The first port from `preferred` upward on 127.0.0.1 that nobody listens on.

    Counting up from a fixed port keeps addresses stable between runs, and below the range from which the kernel takes
    ports for outgoing connections (32768 on Linux): a client that reconnects to a dead server there can meet itself.

    Raises:
        RuntimeFailure: none of the next 200 ports is free.
    """
    for port in range(preferred, preferred + 200):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeFailure(f"no port between {preferred} and {preferred + 199} is free on 127.0.0.1")
