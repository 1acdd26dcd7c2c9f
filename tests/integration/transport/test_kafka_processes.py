"""Whole processes behind SASL and TLS."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.integration.transport.clients import collector, last_words, number, snellen
from tests.integration.transport.gateway import PASSWORD, Gateway
from tests.pace import wait_for

pytestmark = pytest.mark.integration


def test_a_log_is_replayed_through_sasl_and_tls_into_the_store(
    environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"id": "r{n}", "at": "2026-11-20T12:00:0{n}Z", "q": "What?"}}\n' for n in range(5)))
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "prediction:\n  request_id: $.id\n  ts: {transform: assume_utc, of: $.at}\n  model: {name: m}\n  task: vqa\n"
        "  status: ok\n  input: {prompt: $.q}\n"
    )
    made = snellen(environment, "migrate")
    assert made.returncode == 0, made.stderr
    with collector(environment) as process:
        sent = snellen(environment, "replay", str(log), "--mapping", str(mapping))
        command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert PASSWORD.encode() not in command_line
    assert PASSWORD not in made.stdout + made.stderr + sent.stdout + sent.stderr
    assert number(database_url, "SELECT count(*) FROM predictions") == 5


def test_a_password_that_is_changed_while_we_read_ends_the_collector(
    environment: dict[str, str], gateway: Gateway, database_url: str
) -> None:
    assert snellen(environment, "migrate").returncode == 0
    with collector(environment) as process:
        wait_for(lambda: number(database_url, "SELECT count(*) FROM stream_offsets") == 3, 20, "it reads")
        gateway.change_password()
        told = last_words(process, 60)
    last = msgspec.json.decode(told.splitlines()[-1])
    assert "refused the login: check kafka.sasl_mechanism" in last["message"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SASL_PASSWORD", "an old password that was changed", "check kafka.sasl_mechanism"),
        ("SSL_CERTFILE", "/nowhere.pem", "kafka.ssl_certfile"),
        ("BOOTSTRAP_SERVERS", "localhost", "connect by a name that its certificate holds"),
    ],
)
def test_a_collector_that_is_refused_ends_with_one_clear_message(
    environment: dict[str, str], gateway: Gateway, variable: str, value: str, said: str
) -> None:
    if variable == "BOOTSTRAP_SERVERS":
        value = gateway.servers.replace("127.0.0.1", value)
    environment[f"SNELLEN_KAFKA__{variable}"] = value
    before = gateway.attempts
    with collector(environment) as process:
        told = last_words(process, 40)
    errors = [line for line in map(msgspec.json.decode, told.splitlines()) if line["logger"] == "collectors"]
    assert len(errors) == 1
    assert said in errors[0]["message"]
    assert "Traceback" not in told
    assert PASSWORD not in told
    assert "an old password" not in told
    assert gateway.attempts - before <= 4, "no endless retry"
