"""Live health: one question to a running component, asked the way its clients would ask.

The scheme of a component's health address picks the question, so that another terminal can ask it again from the
state file: `http` and `postgresql` addresses, `kafka://HOST:PORT`.
"""

from __future__ import annotations

import http.client
import socket
import struct
from urllib.parse import urlsplit

import psycopg

from monitor.errors import RuntimeFailure

TIMEOUT_S = 2.0
API_VERSIONS = 18  # Kafka protocol, request header v1: api_key, api_version, correlation_id, client_id
CORRELATION_ID = 1


def probe(address: str) -> str | None:
    """None when the component at `address` answers properly; else what is wrong.

    Raises:
        RuntimeFailure: the address has a scheme that nobody knows how to ask.
    """
    scheme = urlsplit(address).scheme.partition("+")[0]
    if scheme not in PROBES:
        raise RuntimeFailure(f"health address {address!r}: the scheme must be one of {', '.join(PROBES)}")
    try:
        return PROBES[scheme](address)
    except (OSError, EOFError, http.client.HTTPException, psycopg.Error) as error:
        return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def probe_http(address: str) -> str | None:
    """GET; any status below 400 is healthy. No proxy is asked, unlike with urllib."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{url.path or '/'}?{url.query}".rstrip("?"))
        status = connection.getresponse().status
    finally:
        connection.close()
    return None if status < 400 else f"answers with HTTP status {status}"


def probe_postgres(address: str) -> str | None:
    """Log in and run a statement."""
    with psycopg.connect(to_libpq(address), connect_timeout=int(TIMEOUT_S)) as connection:
        connection.execute("SELECT 1")
    return None


def probe_kafka(address: str) -> str | None:
    """ApiVersions v0, the first thing that every Kafka client asks (Kafka protocol guide, KIP-35)."""
    url = urlsplit(address)
    request = struct.pack(">hhih", API_VERSIONS, 0, CORRELATION_ID, -1)
    with socket.create_connection((url.hostname, url.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            answer = stream.read(10)
    if len(answer) < 10:
        raise EOFError("the connection was closed without an answer")
    _, correlation_id, error = struct.unpack(">iih", answer)
    if correlation_id != CORRELATION_ID:
        return "does not speak the Kafka protocol"
    return None if error == 0 else f"answers with Kafka error {error}"


def to_libpq(url: str) -> str:
    """An SQLAlchemy address as libpq understands it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


PROBES = {"http": probe_http, "postgresql": probe_postgres, "kafka": probe_kafka}
