"""`python -m collectors ingest|embed`: one collector process. Any number may run; Kafka shares out the partitions."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading

from collectors.consumer import Consumer
from monitor import bootstrap, settings
from monitor.broker import Source
from monitor.errors import SnellenError
from monitor.services.embed import EmbedService
from monitor.services.ingest import IngestService
from monitor.services.positions import Positions
from monitor.store.engine import require_migrated
from monitor.telemetry import configure_logging, serve_metrics

log = logging.getLogger("collectors")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m collectors", description=__doc__)
    parser.add_argument("group", choices=("ingest", "embed"), nargs="?", default="ingest")
    group = parser.parse_args(arguments).group
    configure_logging()
    try:
        run(group, settings.load())
    except SnellenError as error:
        log.error("%s", error)  # noqa: TRY400 (the message says what to do; a traceback would not)
        return 1
    return 0


def run(group: str, config: settings.Settings) -> None:
    """Consume until SIGINT or SIGTERM, then leave the group with nothing in doubt.

    Raises:
        SnellenError: wrong settings, an unmigrated schema, or no broker at the start.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    store = bootstrap.open_store(config, application=f"snellen-{group}")
    require_migrated(store.engine)
    serve_metrics(config.metrics_port)
    handler: IngestService | EmbedService = (
        bootstrap.make_ingest(config, store) if group == "ingest" else bootstrap.make_embed(config, store)
    )
    positions = Positions(store.engine, f"{config.kafka.group}-{group}", bootstrap.now)
    source = Source(
        bootstrap.client_config(config),
        f"{config.kafka.group}-{group}",
        bootstrap.topics(config) if group == "ingest" else [config.kafka.predictions_topic],
        positions.start,
        session_timeout_ms=config.kafka.session_timeout_ms,
    )
    limits = config.ingest
    # Encoding is slow: a full ingest batch would outlast the time that Kafka waits between two polls.
    records = limits.batch_records if group == "ingest" else min(limits.batch_records, 4 * config.embedder.batch_size)
    try:
        Consumer(
            source,
            handler,
            positions,
            bootstrap.now,
            max_records=records,
            max_bytes=limits.batch_bytes,
            linger_ms=limits.linger_ms,
        ).run(stop)
    finally:
        source.close()
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
