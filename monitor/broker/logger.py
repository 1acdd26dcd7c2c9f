"""What a Python service logs its predictions with. See docs/logger.md.

A call copies what it is given into a bounded queue and returns; a thread of its own checks, encodes and sends. So a
slow or absent broker costs the service memory up to the bound, then predictions of the log, and never an answer.
"""

from __future__ import annotations

import atexit
import logging
import os
import time
import weakref
from collections.abc import Sequence
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self, Unpack

from monitor.broker.client import ClientConfig
from monitor.broker.log_queue import Encode, Entry, LogCounts, LogQueue
from monitor.broker.plain_values import LabelFields, PredictionFields, frozen, label_record, prediction_record, thawed
from monitor.broker.shipping import Shipment, Shipping
from monitor.errors import SettingsError

log = logging.getLogger(__name__)

LINGER_S = 0.1
"""How long an event waits for others, at most."""
FIRST_REPORT_S, REPORT_S = 5.0, 60.0
"""When, and then how often at most, the log tells of events that were not sent."""
JOIN_S = 1.0
"""For the thread to end when all is settled; one that waits for an absent broker is left behind."""


class PredictionLogger:
    """Logs predictions and labels to Kafka without holding up the caller. Any thread may call, also an event loop's.

    Args:
        servers: `host:port[,host:port]`, or a `ClientConfig` with credentials.
        topic: of predictions.
        labels_topic: of labels.
        max_events: kept at once; more are dropped and counted.
        max_bytes: that they take, about.
        max_record_bytes: larger records are invalid; `ingest.max_record_bytes` of the reader.
        defaults: fields that every prediction has whose call does not say otherwise.

    Raises:
        SettingsError: a bound is not above 0, or a default is no field or no plain value.
    """

    def __init__(
        self,
        servers: str | ClientConfig,
        *,
        topic: str = "snellen.predictions",
        labels_topic: str = "snellen.labels",
        max_events: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        max_record_bytes: int = 1024 * 1024,
        **defaults: Unpack[PredictionFields],
    ) -> None:
        if min(max_events, max_bytes, max_record_bytes) <= 0:
            raise SettingsError("PredictionLogger: max_events, max_bytes and max_record_bytes must be above 0")
        self._config = servers if isinstance(servers, ClientConfig) else ClientConfig(servers)
        self._topic, self._labels_topic = topic, labels_topic
        self._max_record_bytes = max_record_bytes
        self._defaults = _understood(defaults)
        self._bounds = (max_events, max_bytes)
        self._queue: LogQueue
        self._shipping: Shipping
        self._starting: Lock
        self._thread: Thread | None
        self._reported: LogCounts
        self._begin()
        _loggers.add(self)

    def prediction(self, request_id: str = "", **fields: Unpack[PredictionFields]) -> bool:
        """Log one answer of the model, or its failure to answer. Never waits, and raises nothing.

        All values are copied before it returns: arrays and containers may be used again.

        Returns:
            Whether it was queued; if not, `counts` says why.
        """
        return self._offer(self._topic, self._encode_prediction, request_id, fields)

    def label(self, request_id: str = "", **fields: Unpack[LabelFields]) -> bool:
        """Log what somebody says of an answer, such as a user's thumb; otherwise as `prediction`."""
        return self._offer(self._labels_topic, self._encode_label, request_id, fields)

    @property
    def counts(self) -> LogCounts:
        """As of now."""
        return self._queue.counts

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is waiting; false when that took too long. Blocks: in an event loop use a thread."""
        return self._queue.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> LogCounts:
        """Take no more, send what waits within the time, and count the rest as lost. May be called again."""
        self._queue.close()
        self._queue.wait(timeout_s)
        self._queue.abandon()
        self._shipping.stop()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        atexit.unregister(self.close)
        self._report()
        return self.counts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- on the caller's thread --------------------------------------------------------------------------------------

    def _offer(self, topic: str, encode: Encode, request_id: str, fields: Any) -> bool:
        try:
            queued = self._queue.offer(Entry(topic, encode, request_id, time.time(), frozen(fields)))
            if self._thread is None and queued:
                self._start()
        except Exception as error:  # noqa: BLE001 (whatever a service passes must not cost its answer)
            self._queue.refuse(error)
            return False
        return queued

    def _start(self) -> None:
        """In each process at its first call, so that a logger may be made before a server forks its workers."""
        if not self._starting.acquire(blocking=False):
            return  # another thread is at it
        try:
            if self._thread is None:
                thread = Thread(target=self._run, name="prediction-logger", daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self.close)
        except RuntimeError as error:  # no thread is left: the next call tries again
            self._queue.note(error)
        finally:
            self._starting.release()

    def _begin(self) -> None:
        """The state of this process."""
        self._queue = LogQueue(*self._bounds)
        self._shipping = Shipping(self._config, self._acknowledged, self._refused, self._queue.note)
        self._starting = Lock()
        self._thread = None
        self._reported = LogCounts()

    def _begin_in_child(self) -> None:
        """After a fork: what waits is the parent's to send; its threads, locks and connections are not here."""
        closed = self._queue.closed
        self._shipping.abandon()
        self._begin()
        if closed:
            self._queue.close()

    # ---- on the thread that sends ------------------------------------------------------------------------------------

    def _run(self) -> None:
        next_report = time.monotonic() + FIRST_REPORT_S
        while not self._queue.over:
            self._queue.wake.wait(LINGER_S)
            self._queue.wake.clear()
            while batch := self._queue.take():
                self._shipping.ship(self._encoded(batch))
            if time.monotonic() >= next_report:
                self._report()
                next_report = time.monotonic() + REPORT_S
        self._shipping.close()

    def _encoded(self, batch: list[Entry]) -> list[Shipment]:
        shipments = []
        for one in batch:
            try:
                value = one.encode(one.request_id, one.logged_at, one.content)
                shipments.append(Shipment(one.topic, one.request_id.encode(), value, one.size))
            except Exception as error:  # noqa: BLE001 (encoding trips over whatever a service passes)
                self._queue.invalid(one.size, error)
        return shipments

    def _encode_prediction(self, request_id: str, logged_at: float, content: bytes) -> bytes:
        return self._bounded(prediction_record(request_id, logged_at, self._defaults | thawed(content)))

    def _encode_label(self, request_id: str, logged_at: float, content: bytes) -> bytes:
        return self._bounded(label_record(request_id, logged_at, thawed(content)))

    def _bounded(self, record: bytes) -> bytes:
        if len(record) > self._max_record_bytes:
            raise ValueError(f"a record of {len(record)} bytes; max_record_bytes is {self._max_record_bytes}")
        return record

    def _acknowledged(self, shipments: Sequence[Shipment]) -> None:
        self._queue.sent([one.size for one in shipments])

    def _refused(self, shipment: Shipment, error: Exception) -> None:
        self._queue.lost(shipment.size, error)

    def _report(self) -> None:
        """Tell of what was not sent since the last time."""
        now, before = self.counts, self._reported
        self._reported = now
        if (now.dropped, now.invalid, now.lost) != (before.dropped, before.invalid, before.lost):
            log.warning(
                "logged events were not sent: %d dropped, %d invalid, %d lost since the last report "
                "(last invalid: %s; last fault: %s)",
                now.dropped - before.dropped,
                now.invalid - before.invalid,
                now.lost - before.lost,
                now.last_invalid,
                now.last_fault,
            )


def _understood(defaults: PredictionFields) -> dict[str, Any]:
    unknown = defaults.keys() - PredictionFields.__annotations__.keys()
    if unknown:
        raise SettingsError(f"PredictionLogger: no field is called {', '.join(sorted(unknown))}")
    try:
        return thawed(frozen(defaults))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"PredictionLogger: {error}") from None


_loggers: weakref.WeakSet[PredictionLogger] = weakref.WeakSet()


def _begin_in_child() -> None:
    for one in list(_loggers):
        one._begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
