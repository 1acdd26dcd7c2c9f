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
MEASURED = {
    "ingest": ("collectors", "ingest"),
    "embed": ("collectors", "embed"),
    "scheduler": ("monitor.cli", "schedule"),
}
"""Commands with metrics: on `metrics_port` and those that follow, in this order, also where no model is set."""
LAST_PORT = 65535


def metrics_ports(settings: Settings) -> dict[str, int]:
    """Where each process answers; two cannot listen on one port. 0: it does not.

    Raises:
        SettingsError: there are not so many ports from the first one on.
    """
    first, last = settings.metrics_port, settings.metrics_port + len(MEASURED) - 1
    if last > LAST_PORT:
        raise SettingsError(
            f"metrics_port (or SNELLEN_METRICS_PORT): the processes of `snellen up` take {first} to {last}, and the "
            f"last port is {LAST_PORT}: name one of at most {LAST_PORT - last + first}"
        )
    return {name: first and first + place for place, name in enumerate(MEASURED)}


_READ: tuple[Callable[[Settings], object], ...] = (
    metrics_ports, bootstrap.decoders, bootstrap.make_image_opener, bootstrap.text_bank, bootstrap.read_objectives,
    bootstrap.channels,
)  # fmt: skip


def check(settings: Settings) -> None:
    """Find now what the processes would end with, one after the other and in their logs.

    Raises:
        SettingsError: with every fault of metrics_port, topics, mapping files, places of pictures, text bank, SLO
            documents and channels.
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
    engine = bootstrap.open_store(here)
    make_partitions_ahead(engine, bootstrap.now())
    engine.dispose()
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
    specs = [
        ServiceSpec(name, [*python, *MEASURED[name]], env | {"SNELLEN_METRICS_PORT": str(metrics)})
        for name, metrics in metrics_ports(settings).items()
        if name != "embed" or settings.embedder.model
    ]
    dashboard = [
        *python, "streamlit", "run", str(ROOT / "dashboards" / "app.py"),
        f"--server.port={port}", f"--server.address={LOOPBACK}", "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]  # fmt: skip
    specs.append(ServiceSpec("dashboard", dashboard, env, address=url, health=f"{url}/_stcore/health"))
    return specs
