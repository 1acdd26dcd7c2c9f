"""One topic's part of the log: a bounded queue, and the thread that sends what is in it."""

from __future__ import annotations

import encodings.idna  # noqa: F401 (the client's first connection would import it: a fork meanwhile locks it for ever)
import logging
import time
from collections.abc import Sequence
from threading import Lock, Thread

from monitor.broker.client import ClientConfig
from monitor.broker.log_queue import BATCH, Entry, LogCounts, LogQueue
from monitor.broker.shipping import Shipment, Shipping

log = logging.getLogger("monitor.broker.logger")  # the part of it that users know

LINGER_S = 0.1
"""How long an event waits for others, at most."""
FIRST_REPORT_S, REPORT_S = 5.0, 60.0
"""When, and then how often at most, the log tells of events that were not sent."""


class Lane(LogQueue):
    """A queue that a thread of its own empties: what holds up one topic holds up no other."""

    def __init__(self, config: ClientConfig, topic: str, max_events: int, max_bytes: int) -> None:
        super().__init__(max_events, max_bytes)
        self.topic = topic
        self._shipping = Shipping(config, self._acknowledged, self._refused, self.note)
        self._starting = Lock()
        self._thread: Thread | None = None
        self._reported = LogCounts()

    def start(self) -> bool:
        """Start the thread, unless there is one or none can be had; the next call tries again. True: it starts now."""
        return self._thread is None and self._start()

    def stop(self) -> None:
        """Count what waits as lost, and let the thread end soon."""
        self.abandon()
        self._shipping.stop()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def forget(self) -> None:
        """In a forked process: its thread and connection are the parent's."""
        self._shipping.abandon()

    def report(self) -> None:
        """Tell of what was not sent since the last time."""
        now, before = self.counts, self._reported
        self._reported = now
        if (now.dropped, now.invalid, now.lost) != (before.dropped, before.invalid, before.lost):
            log.warning(
                "logged events were not sent to %s: %d dropped, %d invalid, %d lost since the last report "
                "(last invalid: %s; last fault: %s)",
                self.topic,
                now.dropped - before.dropped,
                now.invalid - before.invalid,
                now.lost - before.lost,
                now.last_invalid,
                now.last_fault,
            )

    def _start(self) -> bool:
        if not self._starting.acquire(blocking=False):
            return False  # another thread is at it
        try:
            if self._thread is None:
                thread = Thread(target=self._run, name="prediction-logger", daemon=True)
                thread.start()
                self._thread = thread
                return True
        except RuntimeError as error:  # no thread is left
            self.note(error)
        finally:
            self._starting.release()
        return False

    # ---- on the thread that sends ------------------------------------------------------------------------------------

    def _run(self) -> None:
        next_report = time.monotonic() + FIRST_REPORT_S
        batch: list[Entry] = []
        waiting: list[Entry] = []
        while not self.over:
            if len(batch) < BATCH and not waiting:
                self.wake.wait(LINGER_S)
                self.wake.clear()
            batch = self.take()
            waiting = self._send(waiting, batch)
            if time.monotonic() >= next_report:
                self.report()
                next_report = time.monotonic() + REPORT_S
        self._shipping.close()

    def _send(self, waiting: list[Entry], batch: list[Entry]) -> list[Entry]:
        """Send what came, and again some of what was not acknowledged; returns what is to be sent again.

        That waits as it came: records take more memory than `max_bytes` counts.
        """
        again = self._shipping.ship(self._encoded(waiting[:BATCH] + batch))
        return waiting[BATCH:] + [one.entry for one in again]

    def _encoded(self, batch: list[Entry]) -> list[Shipment]:
        shipments = []
        for one in batch:
            try:
                value = one.encode(one.request_id, one.logged_at, one.content)
                shipments.append(Shipment(one.request_id.encode(), value, one))
            except Exception as error:  # noqa: BLE001 (encoding trips over whatever a service passes)
                self.invalid(one.size, error)
        return shipments

    def _acknowledged(self, shipments: Sequence[Shipment]) -> None:
        self.sent([one.entry.size for one in shipments])

    def _refused(self, shipment: Shipment, error: Exception) -> None:
        self.lost(shipment.entry.size, error)
