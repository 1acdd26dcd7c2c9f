"""The broker, and how to reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from monitor.settings.section import Positive, Strict

TopicName = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+$")]
"""As Kafka allows them (`org.apache.kafka.common.internals.Topic`)."""


class Kafka(Strict, frozen=True):
    bootstrap_servers: str | None = None
    """`host:port[,host:port]`; empty: the broker that `snellen up` started."""
    predictions_topic: TopicName = "snellen.predictions"
    """Where `prediction/v1` records are read; the other two kinds are accepted in any of the three topics."""
    labels_topic: TopicName = "snellen.labels"
    """Where `label/v1` records are read."""
    deployments_topic: TopicName = "snellen.deployments"
    """Where `deployment/v1` records are read."""
    partitions: Positive = 4
    """Of topics that Snellen creates; existing topics are left as they are."""
    group: Annotated[str, Field(min_length=1)] = "snellen"
    """Consumer groups are `<group>-ingest` and `<group>-embed`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """With one of the SASL protocols."""
    sasl_username: str | None = None
    """With one of the SASL protocols."""
    sasl_password: SecretStr | None = None
    """With one of the SASL protocols; better in the environment than in a file."""
    ssl_cafile: Path | None = None
    """Certificates of the authorities to trust (PEM), instead of the system's."""
    ssl_certfile: Path | None = None
    """Our own certificate with its chain (PEM), where the brokers demand one."""
    ssl_keyfile: Path | None = None
    """Its key (PEM), unless it stands in `ssl_certfile`."""
    ssl_key_password: SecretStr | None = None
    """Of an encrypted key."""
    ssl_check_hostname: bool = True
    """Whether the brokers' certificates must be of the hosts that we connect to. Without it, whoever has any
    certificate of the same authority can pose as a broker."""
    session_timeout_ms: Annotated[int, Field(ge=1000)] = 6000
    """The embedded broker's group join waits about half of it."""

    @model_validator(mode="after")
    def _one_topic_each(self) -> Self:
        names = (self.predictions_topic, self.labels_topic, self.deployments_topic)
        if len(set(names)) < len(names):
            raise ValueError("predictions_topic, labels_topic and deployments_topic must be three different topics")
        return self

    @model_validator(mode="after")
    def _complete_sasl(self) -> Self:
        names = ("sasl_mechanism", "sasl_username", "sasl_password")
        missing = [name for name in names if getattr(self, name) is None]
        if self.security_protocol.startswith("SASL") and missing:
            raise ValueError(f"{self.security_protocol} also needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _secured_as_meant(self) -> Self:
        """Credentials that would not be used are a sign that the connection is less secure than was meant."""
        unused = []
        if not self.security_protocol.startswith("SASL"):
            unused += ["sasl_mechanism", "sasl_username", "sasl_password"]
        if not self.security_protocol.endswith("SSL"):
            unused += ["ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_key_password"]
        given = [name for name in unused if getattr(self, name) is not None]
        if not self.ssl_check_hostname and not self.security_protocol.endswith("SSL"):
            given.append("ssl_check_hostname")
        if given:
            raise ValueError(f"security_protocol {self.security_protocol} makes no use of {', '.join(given)}")
        return self
