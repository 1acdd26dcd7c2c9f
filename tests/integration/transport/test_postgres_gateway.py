"""PostgreSQL by TLS, through a gateway: the embedded one, which has the extension `vector`, has no TLS.

`test_postgres_tls.py` asks a server of the system's, which has no `vector`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from monitor.embedded.postgres import Postgres
from monitor.errors import StoreError
from monitor.store.engine import make_engine, migrate, require_migrated
from tests.certificates import Authority, server_side
from tests.integration.transport.clients import snellen
from tests.integration.transport.gateway import TlsPostgres

pytestmark = pytest.mark.integration
WORD = "a%20password%20of%20the%20database"


@pytest.fixture
def tls_server(postgres_server: Postgres, authority: Authority) -> Iterator[TlsPostgres]:
    folder = parse_qs(urlsplit(postgres_server.url).query)["host"][0]
    with closing(TlsPostgres(f"{folder}/.s.PGSQL.5432", server_side(authority))) as found:
        yield found


def through(server: TlsPostgres, url: str, mode: str, authority: Authority, host: str = "127.0.0.1") -> str:
    """The address of a database, by way of TLS."""
    name = urlsplit(url).path
    return f"postgresql+psycopg://snellen:{WORD}@{host}:{server.port}{name}?sslmode={mode}&sslrootcert={authority.file}"


def test_postgresql_is_reached_through_verified_tls(
    tls_server: TlsPostgres, authority: Authority, empty_database_url: str
) -> None:
    url = through(tls_server, empty_database_url, "verify-full", authority)
    migrate(url)
    engine = make_engine(url)
    require_migrated(engine)
    engine.dispose()
    assert tls_server.secured >= 2


def test_a_postgresql_that_cannot_prove_who_it_is_is_refused(
    tls_server: TlsPostgres, authority: Authority, database_url: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    for url, said in (
        (through(tls_server, database_url, "verify-full", stranger), "certificate verify failed"),
        (through(tls_server, database_url, "verify-full", authority, host="localhost"), "does not match host name"),
        (through(tls_server, database_url, "verify-full", Authority(tmp_path, "x")) + "-gone", "does not exist"),
    ):
        engine = make_engine(url)
        with pytest.raises(StoreError, match=said) as refused:
            require_migrated(engine)
        assert WORD.replace("%20", " ") not in str(refused.value)
        engine.dispose()


def test_a_process_that_cannot_trust_postgresql_says_so_without_the_password(
    tls_server: TlsPostgres, environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    environment["SNELLEN_DATABASE_URL"] = through(tls_server, database_url, "verify-full", stranger)
    done = snellen(environment, "erase", "--request-id", "x")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr
    assert WORD.replace("%20", " ") not in done.stdout + done.stderr
    assert WORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
