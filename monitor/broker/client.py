"""How to reach the brokers: one description, turned into the options of whichever client is made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka.errors import (
    AuthorizationError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient

from monitor.errors import BrokerError, BrokerRefused
from monitor.hosts import is_local

Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Address and credentials of a Kafka cluster."""

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def weakness(self) -> str | None:
        """What somebody between us and remote brokers could do; None where all are local or prove who they are."""
        remote = [one.strip() for one in self.bootstrap_servers.split(",") if not is_local(one.strip())]
        if not remote or (self.uses_tls and self.ssl_check_hostname):
            return None
        where = f"the connection to Kafka at {', '.join(remote)} has"
        if self.uses_tls:
            return f"{where} ssl_check_hostname off: who has any certificate of the same authority can pose as a broker"
        password = " and the password" if self.sasl_mechanism == "PLAIN" else ""
        return (
            f"{where} security_protocol {self.security_protocol}: who sits in between can pose as a broker and read "
            f"everything{password}; set kafka.security_protocol to SSL or SASL_SSL"
        )

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
        if self.uses_tls:
            options |= {
                "ssl_cafile": self.ssl_cafile,
                "ssl_certfile": self.ssl_certfile,
                "ssl_keyfile": self.ssl_keyfile,
                "ssl_password": self.ssl_key_password,
                "ssl_check_hostname": self.ssl_check_hostname,
            }
        return options


def make_client(kind: Callable[..., Client], **options: Any) -> Client:
    """A client that makes no topic, and leaves no thread behind when it finds no broker.

    Those of kafka-python 3.0.12 do: they ask for topics as if to have them made, whatever their option
    `allow_auto_create_topics` says, and a broker that may make them (Kafka does by default) takes a misspelt name for
    the wish. `snellen migrate` makes ours, with the partitions that were asked for.

    Raises:
        KafkaError: as the client's own.
    """
    reached: list[KafkaNetClient] = []

    def reach(**settings: Any) -> KafkaNetClient:
        one = KafkaNetClient(**settings)
        one.cluster.config["allow_auto_create_topics"] = False
        reached.append(one)
        return one

    try:
        return kind(kafka_client=reach, **options)
    except Exception:
        for one in reached:
            one.close()
        raise


@contextmanager
def translated(what: str, servers: str) -> Iterator[None]:
    """Turn the client's errors into ours at this door.

    Raises:
        BrokerRefused: our credentials or rights do not suffice: the same again will fail.
        BrokerError: naming what was tried and where.
    """
    try:
        yield
    except (SaslAuthenticationFailedError, UnsupportedSaslMechanismError) as error:
        raise BrokerRefused(
            f"{what} at {servers} failed: {error}; check kafka.sasl_mechanism, sasl_username and sasl_password"
        ) from error
    except AuthorizationError as error:
        raise BrokerRefused(f"{what} at {servers} failed: {error}; this user lacks the right to it") from error
    except (KafkaError, OSError) as error:
        name, words = type(error).__name__, str(error)
        raise BrokerError(f"{what} at {servers} failed: {words if name in words else f'{name} {words}'}") from error
