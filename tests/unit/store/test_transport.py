"""Which addresses of PostgreSQL can be listened to on the way."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import make_url

from monitor import bootstrap, settings
from monitor.store.transport import weakness

BASE = "postgresql+psycopg://u:secret@"


@pytest.mark.parametrize(
    "address",
    ["/db?host=/run/postgresql", "/db", "localhost/db", "127.0.0.1:5432/db", "[::1]:5432/db?sslmode=disable",
     "db.example.org/d?sslmode=verify-full&sslrootcert=ca.pem", "/d?host=/run/pg&host=localhost"],
)  # fmt: skip
def test_a_local_server_or_a_verified_name_is_fine(address: str) -> None:
    assert weakness(make_url(BASE + address)) is None


@pytest.mark.parametrize(
    ("address", "host", "mode"),
    [
        ("db.example.org/d", "db.example.org", "prefer"),
        ("10.0.0.7/d?sslmode=require", "10.0.0.7", "require"),
        ("db.example.org/d?sslmode=verify-ca", "db.example.org", "verify-ca"),
        ("/d?host=/run/pg&host=db.example.org:5432", "db.example.org", "prefer"),
        ("[2001:db8::1]/d?sslmode=disable", "2001:db8::1", "disable"),
    ],
)
def test_a_remote_server_whose_name_is_not_verified_is_a_weakness(address: str, host: str, mode: str) -> None:
    said = weakness(make_url(BASE + address))
    assert said is not None
    assert host in said
    assert f"sslmode {mode}" in said
    assert "sslmode=verify-full" in said
    assert "secret" not in said


def test_a_process_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    config = settings.load(database_url=f"{BASE}once.example.org/d")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            bootstrap.open_store(config).dispose()
    assert [record.getMessage().split(" at ")[1].split(" ")[0] for record in caplog.records] == ["once.example.org"]
