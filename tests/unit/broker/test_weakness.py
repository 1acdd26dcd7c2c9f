"""Which connections to Kafka can be listened to on the way."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from monitor import bootstrap, settings
from monitor.broker.client import ClientConfig
from tests.logged import ours

SASL: dict[str, Any] = {"sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "secret"}


@pytest.mark.parametrize(
    "config",
    [
        ClientConfig("127.0.0.1:9092,localhost:9093"),
        ClientConfig("[::1]:9092", "SASL_PLAINTEXT", **SASL),
        ClientConfig("kafka.example.org:9092", "SSL"),
        ClientConfig("kafka.example.org:9092", "SASL_SSL", **SASL),
    ],
    ids=str,
)
def test_local_brokers_and_such_that_prove_who_they_are_are_fine(config: ClientConfig) -> None:
    assert config.weakness is None


def test_a_remote_broker_that_anybody_can_listen_to_is_a_weakness() -> None:
    said = ClientConfig("127.0.0.1:9092, kafka.example.org:9092").weakness
    assert said is not None
    assert "Kafka at kafka.example.org:9092 has security_protocol PLAINTEXT" in said
    assert "password" not in said
    told = ClientConfig("kafka.example.org:9092", "SASL_PLAINTEXT", **SASL).weakness
    assert told is not None
    assert "read everything and the password" in told
    assert "secret" not in told
    scram = ClientConfig("kafka.example.org:9092", "SASL_PLAINTEXT", **{**SASL, "sasl_mechanism": "SCRAM-SHA-512"})
    assert "and the password" not in str(scram.weakness)


def test_so_is_one_whose_name_is_not_verified() -> None:
    said = ClientConfig("kafka.example.org:9092", "SSL", ssl_check_hostname=False).weakness
    assert said is not None
    assert "ssl_check_hostname off" in said


def test_a_process_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    config = settings.load(kafka={"bootstrap_servers": "once.example.org:9092"})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            bootstrap.client_config(config)
    assert len(ours(caplog)) == 1
