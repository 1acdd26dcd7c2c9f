"""Health questions, asked of small servers that answer well, badly or not at all."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from monitor.embedded.ports import free_port
from monitor.embedded.probes import probe, to_libpq
from monitor.errors import RuntimeFailure


@contextmanager
def server(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Answers one connection, once; yields HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(answer(connection.recv(4096)))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def test_a_kafka_broker_is_asked_for_its_api_versions() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return struct.pack(">iihi", 10, 1, 0, 0)

    with server(answer) as address:
        assert probe(f"kafka://{address}") is None
    # length 10; api_key 18 (ApiVersions), version 0, correlation id 1, no client id
    assert asked == [bytes.fromhex("0000000a 0012 0000 00000001 ffff")]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (struct.pack(">iihi", 10, 1, 35, 0), "answers with Kafka error 35"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Kafka protocol"),
        (b"", "EOFError: the connection was closed without an answer"),
    ],
)
def test_what_is_not_a_healthy_broker_is_told(answer: bytes, fault: str) -> None:
    with server(lambda _: answer) as address:
        assert probe(f"kafka://{address}") == fault


@pytest.mark.parametrize(("status", "fault"), [(200, None), (302, None), (503, "answers with HTTP status 503")])
def test_an_http_page_is_healthy_below_400(status: int, fault: str | None) -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n".encode()

    with server(answer) as address:
        assert probe(f"http://{address}/healthz?deep=1") == fault
    assert asked[0].startswith(b"GET /healthz?deep=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("scheme", ["http", "kafka"])
def test_nobody_listening_is_told(scheme: str) -> None:
    assert "refused" in probe(f"{scheme}://127.0.0.1:{free_port(30000)}")


def test_a_missing_postgres_socket_is_told(tmp_path) -> None:
    fault = probe(f"postgresql+psycopg://snellen@/snellen?host={tmp_path}")
    assert "No such file or directory" in fault


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match="must be one of http, postgresql, kafka"):
        probe("ftp://127.0.0.1:21")


def test_a_taken_port_is_passed_over() -> None:
    first = free_port(30000)
    with socket.create_server(("127.0.0.1", first)):
        assert free_port(first) > first
    assert free_port(first) == first


def test_a_port_that_another_process_has_chosen_is_passed_over_until_it_ends() -> None:
    choose = "from monitor.embedded.ports import free_port; print(free_port(31000), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", choose], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        chosen = int(other.stdout.readline())
        assert free_port(chosen) > chosen
        other.communicate(b"\n")
    assert free_port(chosen) == chosen


def test_an_sqlalchemy_address_becomes_one_for_libpq() -> None:
    assert to_libpq("postgresql+psycopg://a@/b?host=/c") == "postgresql://a@/b?host=/c"
    assert to_libpq("postgresql://a@/b") == "postgresql://a@/b"
