"""All sections together, and how they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

from monitor.embedded.state import read_state
from monitor.errors import SettingsError
from monitor.settings.alerts import Alerts, Dashboard
from monitor.settings.drift import Canary, Drift, Explain
from monitor.settings.embedder import Embedder
from monitor.settings.faults import fault, unread_variables, variables_of
from monitor.settings.ingest import Ingest
from monitor.settings.kafka import Kafka
from monitor.settings.labels import Captions, Labels
from monitor.settings.privacy import Privacy
from monitor.settings.retention import Retention

CONFIG_VARIABLE = "SNELLEN_CONFIG"
"""Environment variable that names the settings file, if it is not `snellen.toml` in the working folder."""
_READ_ELSEWHERE = frozenset({CONFIG_VARIABLE, "SNELLEN_REAL_DATA", "SNELLEN_CHAOS_SEED", "SNELLEN_CHAOS_KILLS"})
"""All but the first by tests, whose processes inherit them."""


def _psycopg_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith("postgresql+psycopg://"):
        raise ValueError("must be written postgresql+psycopg://user:password@host:port/database")
    return value


class Settings(BaseSettings):
    """All settings; see docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="SNELLEN_", env_ignore_empty=True, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = Path(".snellen")
    """Where `snellen up` keeps its data, logs and runtime file."""
    database_url: Annotated[SecretStr, AfterValidator(_psycopg_url)] | None = None
    """`postgresql+psycopg://...`; empty: the PostgreSQL that `snellen up` started."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Prometheus metrics of a process on 127.0.0.1; 0: none. Each process of a host needs a port of its own: those of
    `snellen up` take this one and the next two."""
    kafka: Kafka = Kafka()
    ingest: Ingest = Ingest()
    embedder: Embedder = Embedder()
    privacy: Privacy = Privacy()
    labels: Labels = Labels()
    captions: Captions = Captions()
    drift: Drift = Drift()
    retention: Retention = Retention()
    alerts: Alerts = Alerts()
    explain: Explain = Explain()
    canary: Canary = Canary()
    dashboard: Dashboard = Dashboard()

    @model_validator(mode="after")
    def _accepted_is_kept(self) -> Self:
        if self.retention.embeddings < self.ingest.max_age:
            raise ValueError(
                "retention.embeddings, .predictions and .arrivals must be at least ingest.max_age: what is accepted "
                "must be kept, and known again when it comes twice"
            )
        return self

    @model_validator(mode="after")
    def _no_slice_per_person(self) -> Self:
        people = {f"slices.{name}" for name in self.ingest.slice_dimensions} & set(self.privacy.subject)
        if people:
            raise ValueError(
                f"privacy.subject names {', '.join(sorted(people))}, which is in ingest.slice_dimensions: counts per "
                "person outlive their erasure"
            )
        return self

    def at(self, database_url: str, bootstrap_servers: str) -> Settings:
        """The same settings on another database and broker."""
        kafka = self.kafka.model_copy(update={"bootstrap_servers": bootstrap_servers})
        return self.model_copy(update={"database_url": SecretStr(database_url), "kafka": kafka})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file())


def load(**overrides: object) -> Settings:
    """Read the settings; where no database or broker is named, use those of a running `snellen up`.

    Raises:
        SettingsError: with every fault, its name and what was given, unless that may be a secret.
    """
    faults = unread_variables(Settings, _READ_ELSEWHERE)
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except SettingsError as error:
        faults += error.faults
    except ValidationError as error:
        faults += [fault(Settings, one) for one in error.errors()]
    except UnreadableVariable as error:
        faults.append(f'{variables_of(error)}: lists and tables in variables are JSON, such as ["device"]')
    except (ValueError, OSError) as error:  # a broken TOML file
        faults.append(f"{_file()}: {error}")
    else:
        if not faults:
            return _with_runtime(settings)
    raise SettingsError(faults)


def _file() -> Path:
    """The settings file. The default one may be missing, one that is named may not.

    Raises:
        SettingsError: it is named and missing.
    """
    named = os.environ.get(CONFIG_VARIABLE)  # noqa: TID251 (this is the one reader)
    if named and not Path(named).exists():
        raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which does not exist")
    return Path(named or "snellen.toml")


def _with_runtime(settings: Settings) -> Settings:
    """Fill in addresses from what `snellen up` wrote. A setting that was given always wins."""
    state = read_state(settings.home)
    if state is None:
        return settings
    dashboard = next((one.status.address for one in state.components if one.status.name == "dashboard"), None)
    alerts = settings.alerts.model_copy(update={"link_base": settings.alerts.link_base or dashboard})
    return settings.model_copy(update={"alerts": alerts}).at(
        settings.database_url.get_secret_value() if settings.database_url else state.addresses.database_url,
        settings.kafka.bootstrap_servers or state.addresses.bootstrap_servers,
    )
