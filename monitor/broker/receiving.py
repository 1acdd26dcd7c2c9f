"""Receive what brokers send in larger pieces than kafka-python 3.0.12 does.

That client takes 4 kB at a time and lets go of the interpreter for each: beside a busy thread it waits every time until
it gets it back, some thousands of times for one answer of a broker.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from kafka.errors import KafkaConnectionError
from kafka.net import transport

PIECE: Final = 256 * 1024


def receive_in_larger_pieces() -> None:
    """Make Kafka's client do so, in this process. Once is enough, twice does no harm."""
    for kind in (transport.KafkaTCPTransport, transport.KafkaSSLTransport):
        kind._sock_recv = _receive


def _receive(connection: Any) -> tuple[bytes, KafkaConnectionError | None]:
    """All that is there by now, and why nothing more will come, if so."""
    pieces: list[bytes] = []
    error = None
    try:
        while piece := connection._sock.recv(PIECE):
            pieces.append(piece)
        error = KafkaConnectionError("the broker has closed the connection")
    except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass  # that was all, for now
    except Exception as fault:  # noqa: BLE001 (the client's own does so: the connection is closed for whatever it is)
        error = KafkaConnectionError(fault)
    return b"".join(pieces), error
