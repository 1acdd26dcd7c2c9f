"""What `snellen up` runs beside PostgreSQL and the broker: our own processes, as anybody would start them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from monitor import bootstrap
from monitor.broker import ensure_topics
from monitor.embedded.ports import free_port
from monitor.embedded.runtime import ServiceSpec
from monitor.embedded.state import Addresses
from monitor.errors import SettingsError
from monitor.services.retain import make_partitions_ahead
from monitor.settings import Settings
from monitor.store.engine import ROOT, migrate

LOOPBACK = "127.0.0.1"


_READ: tuple[Callable[[Settings], object], ...] = (
    bootstrap.decoders, bootstrap.make_image_opener, bootstrap.text_bank, bootstrap.read_objectives, bootstrap.channels
)  # fmt: skip


def check(settings: Settings) -> None:
    """Find now what the processes would end with, one after the other and in their logs.

    Raises:
        SettingsError: with every fault of topics, mapping files, places of pictures, text bank, SLO documents and
            channels.
    """
    faults: list[str] = []
    for read in _READ:
        try:
            read(settings)
        except SettingsError as error:
            faults += error.faults
    if faults:
        raise SettingsError(faults)


def prepare(settings: Settings, addresses: Addresses) -> None:
    """Schema, partitions and topics; does not mind finding them made.

    Raises:
        SnellenError: PostgreSQL or the broker refused.
    """
    migrate(addresses.database_url)
    here = settings.at(addresses.database_url, addresses.bootstrap_servers)
    store = bootstrap.open_store(here)
    make_partitions_ahead(store.engine, bootstrap.now())
    store.engine.dispose()
    ensure_topics(bootstrap.client_config(here), bootstrap.own_topics(here), here.kafka.partitions)


def services(settings: Settings, addresses: Addresses) -> list[ServiceSpec]:
    """The commands to keep running. They find PostgreSQL and the broker through their environment."""
    env = {
        "SNELLEN_HOME": str(settings.home.resolve()),
        "SNELLEN_DATABASE_URL": addresses.database_url,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": addresses.bootstrap_servers,
        # Several processes share the cores here: helper threads of linear algebra would only spin against each other.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    port = free_port(settings.dashboard.port)
    url = f"http://{LOOPBACK}:{port}"
    python = [sys.executable, "-m"]
    specs = [ServiceSpec("ingest", [*python, "collectors", "ingest"], env)]
    if settings.embedder.model:
        specs.append(ServiceSpec("embed", [*python, "collectors", "embed"], env))
    specs.append(ServiceSpec("scheduler", [*python, "monitor.cli", "schedule"], env))
    dashboard = [
        *python, "streamlit", "run", str(ROOT / "dashboards" / "app.py"),
        f"--server.port={port}", f"--server.address={LOOPBACK}", "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]  # fmt: skip
    specs.append(ServiceSpec("dashboard", dashboard, env, address=url, health=f"{url}/_stcore/health"))
    return specs
