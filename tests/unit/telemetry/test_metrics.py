"""Metrics of a process: where they answer, and what is said where they cannot."""

from __future__ import annotations

import socket

import pytest
from prometheus_client import exposition

from monitor.errors import SettingsError
from monitor.telemetry import serve_metrics


def test_a_port_that_is_taken_is_a_fault_of_the_settings_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"metrics_port .*127\.0\.0\.1:{port}: Address already in use; give each"
        ):
            serve_metrics(port)


def test_0_listens_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(exposition, "make_server")
    serve_metrics(0)
