"""What a Python service logs its predictions with. See docs/logger.md.

A call copies what it is given into a bounded queue and returns; a thread of its own checks, encodes and sends. So a
slow or absent broker costs the service memory up to the bound, then predictions of the log, and never an answer.
Predictions and labels have a queue and a thread each: where one topic takes nothing, the other's events still arrive.
"""

from __future__ import annotations

import os
import time
import weakref
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Any, Self, Unpack

from monitor.broker.client import ClientConfig
from monitor.broker.lane import Lane
from monitor.broker.log_queue import Encode, Entry, LogCounts
from monitor.broker.plain_values import LabelFields, PredictionFields, frozen, label_record, prediction_record, thawed
from monitor.errors import SettingsError

JOIN_S = 1.0
"""For the threads to end when all is settled; one that waits for an absent broker is left behind."""


class PredictionLogger:
    """Logs predictions and labels to Kafka without holding up the caller. Any thread may call, also an event loop's.

    Args:
        servers: `host:port[,host:port]`, or a `ClientConfig` with credentials.
        topic: of predictions.
        labels_topic: of labels.
        max_events: kept at once, of predictions and of labels each; more are dropped and counted.
        max_bytes: that they take, about, of each.
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
        self._at_exit: Finalize | None = None
        self._queue: Lane
        self._label_queue: Lane
        self._begin()
        _loggers.add(self)

    def prediction(self, request_id: str = "", **fields: Unpack[PredictionFields]) -> bool:
        """Log one answer of the model, or its failure to answer. Never waits, and raises nothing.

        All values are copied before it returns: arrays and containers may be used again.

        Returns:
            Whether it was queued; if not, `counts` says why.
        """
        return self._offer(self._queue, self._encode_prediction, request_id, fields)

    def label(self, request_id: str = "", **fields: Unpack[LabelFields]) -> bool:
        """Log what somebody says of an answer, such as a user's thumb; otherwise as `prediction`."""
        return self._offer(self._label_queue, self._encode_label, request_id, fields)

    @property
    def counts(self) -> LogCounts:
        """As of now."""
        return self._queue.counts + self._label_queue.counts

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is waiting; false when that took too long. Blocks: in an event loop use a thread."""
        deadline = time.monotonic() + timeout_s
        return all(lane.wait(_left(deadline)) for lane in self._lanes)

    def close(self, timeout_s: float = 5.0) -> LogCounts:
        """Take no more, send what waits within the time, and count the rest as lost. May be called again."""
        for lane in self._lanes:
            lane.close()
        self.flush(timeout_s)
        for lane in self._lanes:
            lane.stop()
        deadline = time.monotonic() + JOIN_S
        for lane in self._lanes:
            lane.join(_left(deadline))
            lane.report()
        self._forget_exit()
        return self.counts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _offer(self, lane: Lane, encode: Encode, request_id: str, fields: Any) -> bool:
        """Threads start in each process at its first call: a logger may be made before a server forks its workers."""
        try:
            queued = lane.offer(Entry(lane.topic, encode, request_id, time.time(), frozen(fields)))
            if queued and lane.start():
                self._forget_exit()
                self._at_exit = Finalize(None, self.close, exitpriority=0)  # also where `atexit` is passed over
        except Exception as error:  # noqa: BLE001 (whatever a service passes must not cost its answer)
            lane.refuse(error)
            return False
        return queued

    def _forget_exit(self) -> None:
        if self._at_exit is not None:
            self._at_exit.cancel()

    @property
    def _lanes(self) -> tuple[Lane, Lane]:
        return self._queue, self._label_queue

    def _begin(self) -> None:
        """The state of this process."""
        self._queue = Lane(self._config, self._topic, *self._bounds)
        self._label_queue = Lane(self._config, self._labels_topic, *self._bounds)

    def _begin_in_child(self) -> None:
        """After a fork: what waits is the parent's to send; its threads, locks and connections are not here."""
        closed = self._queue.closed
        for lane in self._lanes:
            lane.forget()
        self._begin()
        if closed:
            for lane in self._lanes:
                lane.close()

    # ---- on the thread that sends ------------------------------------------------------------------------------------

    def _encode_prediction(self, request_id: str, logged_at: float, content: bytes) -> bytes:
        return self._bounded(prediction_record(request_id, logged_at, self._defaults | thawed(content)))

    def _encode_label(self, request_id: str, logged_at: float, content: bytes) -> bytes:
        return self._bounded(label_record(request_id, logged_at, thawed(content)))

    def _bounded(self, record: bytes) -> bytes:
        if len(record) > self._max_record_bytes:
            raise ValueError(f"a record of {len(record)} bytes; max_record_bytes is {self._max_record_bytes}")
        return record


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


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
