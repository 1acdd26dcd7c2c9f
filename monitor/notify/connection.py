"""A connection that is made, used and over within a given time, whatever name server, network and receiver do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

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
    """By the system's resolver, which knows no time-out: on a thread apart, for which no process waits at its end."""
    answer: Future[list[str]] = Future()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 (whoever waits for it decides)
            answer.set_exception(error)
        else:
            answer.set_result([str(entry[4][0]) for entry in found])

    Thread(target=resolve, name="resolve", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise TimeoutError("its name was not resolved in time") from None


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
