"""`python -m collectors ingest|embed`: one collector process. Any number may run; Kafka shares out the partitions."""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":  # the rest takes seconds to import, and nothing is in doubt yet
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))

import argparse
import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from collectors.consumer import Consumer, Handler
from collectors.memory import collect_by_the_clock, keep_freed_pages
from collectors.sizing import Sizing
from collectors.threads import calculate_alone, take_turns_quickly
from collectors.watchdog import Watchdog
from collectors.worker import Worker
from monitor import bootstrap, settings
from monitor.broker import Source
from monitor.domain.records import Batch, Partition
from monitor.errors import SnellenError
from monitor.services.embed import EmbedService
from monitor.services.positions import Positions
from monitor.store.engine import require_migrated
from monitor.telemetry import configure_logging, serve_metrics

log = logging.getLogger("collectors")

SMALLEST, TARGET_S = 100, 1.0
"""The fewest records of a transaction however slow PostgreSQL is, and how long one should take."""
ANSWER_S = 3.0
"""How long to wait for PostgreSQL to say where to read on, before Kafka is listened to again."""
PATIENCE_S = 60.0
"""How long nothing may be read though there is something."""
STOPPING_S = 8.0
"""How long stopping may take. Nobody can interrupt a client of Kafka that looks for its brokers, for half a minute and,
where they do not even refuse, for longer. A batch is stored whole or not at all, whenever the process ends."""


@dataclass(frozen=True, slots=True)
class _Embedding:
    """The embed group reads its batches when they are written: encoding takes all the time."""

    service: EmbedService

    def read(self, batch: Batch, now: datetime) -> None:
        """Nothing."""

    def write(self, batch: Batch, now: datetime, read: None) -> object:
        return self.service.write(batch, now)


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
    stop, reading = threading.Event(), threading.Event()

    def end(*_: object) -> None:
        stop.set()
        if not reading.is_set():  # nothing is in doubt yet, and a model may take minutes to come
            leave(0)
        insist()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    calculate_alone()
    engine = bootstrap.open_store(config, application=f"snellen-{group}")
    require_migrated(engine)
    worker = Worker()
    positions = Positions(engine, bootstrap.group(config, group), bootstrap.now)
    limits = config.ingest
    handler: Handler[Any]
    if group == "ingest":
        topics: tuple[str, ...] = bootstrap.topics(config)
        take_turns_quickly()
        keep_freed_pages()
        collect_by_the_clock()
        handler, sizing = bootstrap.make_ingest(config, engine), Sizing(SMALLEST, limits.batch_records, TARGET_S)
    else:
        topics = bootstrap.embed_topics(config)
        # Encoding is slow: a full ingest batch would outlast the time that Kafka waits between two polls.
        records = min(limits.batch_records, 4 * config.embedder.batch_size)
        handler, sizing = _Embedding(bootstrap.make_embed(config, engine)), Sizing(records, records, TARGET_S)

    serve_metrics(config.metrics_port)  # who answers there is about to read

    def position(partition: Partition, beginning: int, *, beyond_end: bool) -> int:
        return worker.call(lambda: positions.start(partition, beginning, beyond_end=beyond_end), ANSWER_S)

    source = Source(
        bootstrap.client_config(config),
        bootstrap.group(config, group),
        topics,
        position,
        session_timeout_ms=config.kafka.session_timeout_ms,
    )
    reading.set()
    try:
        Consumer[Any](
            source,
            handler,
            positions,
            worker,
            bootstrap.now,
            sizing=sizing,
            watchdog=Watchdog(source, PATIENCE_S),
            max_bytes=limits.batch_bytes,
            linger_ms=limits.linger_ms,
        ).run(stop)
    finally:
        source.close()
    log.info("stopped")


def insist() -> None:
    """End the process if it has not ended by itself in time."""

    def end() -> None:
        log.warning("stopped while a client waited for its broker: the group misses us after the session timeout")
        leave(0)

    timer = threading.Timer(STOPPING_S, end)
    timer.daemon = True
    timer.start()


def leave(code: int) -> NoReturn:
    """End the process without tidying up in it: nothing is in doubt any more, and only to unload PyTorch takes a second
    of a processor. Where that is busy, whoever asked us to stop would lose patience."""
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
