"""How to reach the brokers: one description, turned into the options of whichever client is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka.errors import KafkaError

from monitor.errors import BrokerError


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Address and credentials of a Kafka cluster."""

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None
    ssl_cafile: str | None = None

    def options(self) -> dict[str, Any]:
        """Keyword arguments common to all clients of kafka-python."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
            "client_id": "snellen",
        }
        if self.sasl_mechanism:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        if self.ssl_cafile:
            options["ssl_cafile"] = self.ssl_cafile
        return options


@contextmanager
def translated(what: str, servers: str) -> Iterator[None]:
    """Turn the client's errors into ours at this door.

    Raises:
        BrokerError: naming what was tried and where.
    """
    try:
        yield
    except (KafkaError, OSError) as error:
        raise BrokerError(f"{what} at {servers} failed: {type(error).__name__} {error}") from error
