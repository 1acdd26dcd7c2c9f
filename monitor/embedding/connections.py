"""HTTP connections to an address that was checked, for a host that is named: kept for the next picture."""

from __future__ import annotations

import ssl
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from threading import Lock

from urllib3.connection import HTTPConnection, HTTPSConnection

from monitor.deadline import Deadline
from monitor.embedding.urls import Origin

MAX_IDLE = 16

Endpoint = tuple[Origin, IPv4Address | IPv6Address]


class Connections:
    """Opens and keeps connections. May be used by several threads.

    Nothing is taken from the environment: no proxy, no credentials.

    Args:
        cafile: certificates of the authorities to trust (PEM), instead of the system's.
        connect_s: for the TCP connection, and again for the TLS handshake.
        silence_s: between two bytes.
    """

    def __init__(self, cafile: Path | None, connect_s: float, silence_s: float) -> None:
        self._cafile = cafile
        self._connect_s = connect_s
        self._silence_s = silence_s
        self._idle: list[tuple[Endpoint, HTTPConnection]] = []
        self._lock = Lock()

    def take(self, endpoint: Endpoint, deadline: Deadline) -> HTTPConnection:
        """A connection to this address, over TLS one whose certificate is the origin's host's.

        Raises:
            OSError, urllib3.exceptions.HTTPError: there is none to be had.
        """
        while (connection := self._kept(endpoint)) is not None:
            if connection.is_connected:
                return connection
            connection.close()
        connection = self._make(*endpoint)
        connection.timeout = min(self._connect_s, deadline.left or 0.001)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.timeout = self._silence_s
        return connection

    def keep(self, endpoint: Endpoint, connection: HTTPConnection) -> None:
        """Give one back whose answer was read to its end."""
        with self._lock:
            self._idle.append((endpoint, connection))
            surplus = self._idle.pop(0)[1] if len(self._idle) > MAX_IDLE else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _kept(self, endpoint: Endpoint) -> HTTPConnection | None:
        with self._lock:
            for index, (one, connection) in enumerate(self._idle):
                if one == endpoint:
                    del self._idle[index]
                    return connection
        return None

    def _make(self, origin: Origin, address: IPv4Address | IPv6Address) -> HTTPConnection:
        if origin.scheme == "http":
            return HTTPConnection(str(address), origin.port)
        return HTTPSConnection(str(address), origin.port, server_hostname=origin.host, ssl_context=self._tls)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._cafile)
