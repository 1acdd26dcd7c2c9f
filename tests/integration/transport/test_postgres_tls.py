"""TLS as a PostgreSQL of the system's speaks it, with a certificate of the tests' own authority and nothing but TLS.

The embedded one is built without OpenSSL. The system's lacks the extension `vector`, so the schema is migrated through
TLS in `test_postgres_gateway.py`; here is all that comes before: who is let in, and what whoever is not is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from monitor.embedded.ports import free_port
from monitor.embedded.privileges import unprivileged_user
from monitor.embedded.probes import to_libpq
from monitor.embedded.process import ManagedProcess, launch_argv
from monitor.errors import StoreError, StoreUnavailable
from monitor.store.engine import make_engine, migrate, require_migrated
from tests.certificates import Authority
from tests.integration.transport.clients import collector, last_words

pytestmark = pytest.mark.integration
PASSWORD = "p@ss/w:rd % #"  # noqa: S105 (of a server that the test makes)
ACCESS = """
hostssl all certified all cert
hostssl all all       all scram-sha-256
"""
"""pg_hba.conf: nothing without TLS, and a user who proves it by a certificate alone."""


def binaries() -> Path:
    """The system's PostgreSQL, the newest; Debian keeps it out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        pytest.skip("the embedded PostgreSQL is built without TLS, and the system has none: see .ci/run")
    return (found[-1] if found else Path(str(on_path)).resolve()).parent


class Server:
    """One server, run by nobody in particular, in a folder of the test's."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.port = free_port(24000 + os.getpid() % 1000)
        self.authority = authority
        self._folder, self._bin, self._user = folder, binaries(), unprivileged_user()
        self._hand_over(folder)
        data = self._make_data()
        certificate, key = authority.issue("postgres-server", "127.0.0.1")
        for file in (certificate, key, authority.file):
            self._hand_over(Path(shutil.copy(file, data)))
        self.process = ManagedProcess(
            "postgres",
            [
                str(self._bin / "postgres"), "-D", str(data), f"--port={self.port}", "--listen_addresses=127.0.0.1",
                "--unix_socket_directories=", "--fsync=off", "--ssl=on", f"--ssl_cert_file={certificate.name}",
                f"--ssl_key_file={key.name}", f"--ssl_ca_file={authority.file.name}",
            ],
            log=folder / "postgres.log",
            health=self.url("postgres"),
            unprivileged=[data, self._bin / "postgres"],
        )  # fmt: skip

    def url(self, user: str = "snellen", password: str = PASSWORD, host: str = "127.0.0.1", **options: Any) -> str:
        """The address of the database of `snellen`, or of the superuser's own."""
        options = {"sslmode": "verify-full", "sslrootcert": self.authority.file, **options}
        query = "&".join(f"{name}={quote(str(value), safe='/')}" for name, value in options.items())
        secret = f":{quote(password, safe='')}" if password else ""
        database = "postgres" if user == "postgres" else "snellen"
        return f"postgresql+psycopg://{user}{secret}@{host}:{self.port}/{database}?{query}"

    def make_users(self) -> None:
        with psycopg.connect(to_libpq(self.url("postgres")), autocommit=True) as admin:
            for user in ("snellen", "certified"):
                admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
            admin.execute("CREATE DATABASE snellen OWNER snellen")

    def _make_data(self) -> Path:
        data, secret = self._folder / "data", self._folder / "password"
        secret.write_text(PASSWORD)
        self._hand_over(secret)
        command = [str(self._bin / "initdb"), f"--pgdata={data}", f"--pwfile={secret}", "--username=postgres",
                   "--auth=scram-sha-256", "--no-sync"]  # fmt: skip
        launch = launch_argv(command, unprivileged=[data, secret, self._bin / "initdb"])
        subprocess.run(launch, capture_output=True, check=True)
        (data / "pg_hba.conf").write_text(ACCESS)
        return data

    def _hand_over(self, path: Path) -> None:
        os.chown(path, self._user.pw_uid, self._user.pw_gid)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("tls"), authority)
    try:
        made.process.start()
        made.process.wait_ready(30)
        made.make_users()
        yield made
    finally:
        made.process.stop(5)


def refusal(url: str) -> str:
    """What our code says, which must be final, and without the password."""
    engine = make_engine(url)
    with pytest.raises(StoreError) as refused:
        require_migrated(engine)
    engine.dispose()
    assert not isinstance(refused.value, StoreUnavailable), "it would be tried for ever"
    assert PASSWORD not in str(refused.value)
    return str(refused.value)


def test_a_verified_server_is_spoken_to_by_tls(server: Server) -> None:
    engine = make_engine(server.url())
    with engine.connect() as connection:
        about = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.exec_driver_sql(about).one() == (True, "TLSv1.3")
    engine.dispose()
    assert "the schema is at nothing" in refusal(server.url()), "it was asked, and answered"


def test_a_password_may_come_from_the_environment_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker-compose.yml hands it on."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert "the schema is at nothing" in refusal(server.url(password=""))


def test_a_server_of_another_authority_or_name_is_refused(server: Server, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    assert "certificate verify failed" in refusal(server.url(sslrootcert=stranger.file))
    assert "does not match host name" in refusal(server.url(host="localhost"))
    assert "does not exist" in refusal(server.url(sslrootcert=tmp_path / "none.pem"))


def test_plaintext_is_refused(server: Server) -> None:
    said = refusal(server.url(sslmode="disable"))
    assert "no encryption" in said
    assert "check user, password, database and sslmode in database_url" in said


def test_a_wrong_password_is_refused(server: Server) -> None:
    said = refusal(server.url(password="wrong" * 4))
    assert "password authentication failed" in said
    assert "wrong" * 4 not in said


def test_a_client_may_prove_itself_by_a_certificate(server: Server, authority: Authority, tmp_path: Path) -> None:
    ours: dict[str, Any] = dict(zip(("sslcert", "sslkey"), authority.issue("certified"), strict=True))
    assert "the schema is at nothing" in refusal(server.url("certified", password="", **ours))
    assert "connection requires a valid client certificate" in refusal(server.url("certified"))
    foreign: dict[str, Any] = dict(
        zip(("sslcert", "sslkey"), Authority(tmp_path, "stranger").issue("certified-too"), strict=True)
    )
    assert "alert unknown ca" in refusal(server.url("certified", password="", **foreign))
    other: dict[str, Any] = dict(zip(("sslcert", "sslkey"), authority.issue("another"), strict=True))
    assert "certificate authentication failed" in refusal(server.url("certified", password="", **other))


def test_a_client_certificate_that_is_unusable_is_refused(server: Server, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("certified")
    key.chmod(0o644)
    assert "has group or world access" in refusal(server.url("certified", sslcert=certificate, sslkey=key))
    assert "private key file" in refusal(server.url("certified", sslcert=certificate, sslkey=tmp_path / "none.key"))
    certificate.write_text("no certificate")
    assert "could not read certificate file" in refusal(server.url("certified", sslcert=certificate, sslkey=key))


def test_a_collector_that_is_refused_ends_with_one_message(server: Server, tmp_path: Path) -> None:
    environment = {
        **os.environ, "SNELLEN_CONFIG": os.devnull, "SNELLEN_HOME": str(tmp_path),
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "SNELLEN_DATABASE_URL": server.url(password="wrong" * 4),
    }  # fmt: skip
    with collector(environment) as process:
        told = last_words(process, 60)
    assert len(told.splitlines()) == 1
    assert "password authentication failed" in told
    assert "check user, password, database and sslmode" in told
    assert "wrong" * 4 not in told


def test_a_server_without_vector_is_told_apart_and_left_as_it_was(server: Server) -> None:
    with pytest.raises(StoreError, match="vector"):
        migrate(server.url())
    assert "the schema is at nothing" in refusal(server.url())
