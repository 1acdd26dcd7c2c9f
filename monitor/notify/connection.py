"""A connection that is made, used and over within a given time, whatever name server, network and receiver do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from monitor.deadline import Deadline


@contextmanager
def connected(host: str, port: int, tls: ssl.SSLContext | None, seconds: float) -> Iterator[socket.socket]:
    """A connection to the first of the host's addresses that answers, cut when the time is over.

    Args:
        tls: verifies the host's name; None connects without.
        seconds: for all of it: name, addresses, handshake, and what is done with it.

    Raises:
        OSError: there was none to be had in time.
    """
    end = Deadline(seconds)
    with _connect(_addresses(host, port, seconds), port, end) as plain:
        plain.settimeout(_left(end))  # of the whole handshake, but of each read and write
        with (
            tls.wrap_socket(plain, server_hostname=host) if tls else plain as connection,
            end.cutting(connection),
        ):
            yield connection


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """By the system's resolver, which knows no time-out and so runs apart."""
    resolver = ThreadPoolExecutor(1, thread_name_prefix="resolve")
    try:
        found = resolver.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(seconds)
    except TimeoutError:
        raise TimeoutError("its name was not resolved in time") from None
    finally:
        resolver.shutdown(wait=False)
    return [str(entry[4][0]) for entry in found]


def _connect(addresses: Sequence[str], port: int, end: Deadline) -> socket.socket:
    """To the first that answers. One that does not takes its share of the time, so that the others have theirs."""
    fault = OSError("it has no address")
    for tried, address in enumerate(addresses):
        try:
            return socket.create_connection((address, port), _left(end) / (len(addresses) - tried))
        except OSError as error:
            fault = error
    raise fault


def _left(end: Deadline) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    left = end.left
    if not left:
        raise TimeoutError("timed out")
    return left
