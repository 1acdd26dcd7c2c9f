"""What a broker sends arrives whole, and the end of its connection is noticed."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from monitor.broker import receiving


def receive(sock: Any) -> tuple[bytes, KafkaConnectionError | None]:
    receiving.receive_in_larger_pieces()
    assert KafkaTCPTransport._sock_recv is KafkaSSLTransport._sock_recv
    received: tuple[bytes, KafkaConnectionError | None] = KafkaTCPTransport._sock_recv(SimpleNamespace(_sock=sock))
    return received


def test_all_that_is_there_is_taken_and_what_preceded_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "PIECE", 1000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        assert receive(ours) == (b"", None)
        sent = b"answer" * 1500
        theirs.sendall(sent)
        assert receive(ours) == (sent, None)
        theirs.sendall(b"last")
        theirs.close()
        last, error = receive(ours)
        assert last == b"last"
        assert isinstance(error, KafkaConnectionError)


def test_a_socket_that_is_gone_ends_the_connection_and_not_the_thread() -> None:
    received, error = receive(None)
    assert received == b""
    assert isinstance(error, KafkaConnectionError)
