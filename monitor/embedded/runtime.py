"""`snellen up`: PostgreSQL, a broker and our own services as one thing that starts, stays up and stops together."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from monitor.embedded.broker import Broker
from monitor.embedded.component import Component, ComponentState, ComponentStatus
from monitor.embedded.control import status, stop_leftovers
from monitor.embedded.identity import ProcessId
from monitor.embedded.postgres import Postgres
from monitor.embedded.process import ManagedProcess
from monitor.embedded.state import Addresses, RuntimeState, exclusive, read_state, remove_state, write_state
from monitor.errors import RuntimeFailure, SnellenError

log = logging.getLogger(__name__)

TICK_S = 0.1
SERVICE_GRACE_S = 5.0


@dataclass(frozen=True)
class ServiceSpec:
    """A command to keep running. `env` is added to the supervisor's own; `health` is an http address, or None."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    health: str | None = None


class Runtime:
    """One runtime in `home`. `on_event` hears of each change of each component, as `status` would tell it."""

    def __init__(
        self,
        home: Path,
        *,
        version: str,
        on_event: Callable[[ComponentStatus], None],
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._home = home.resolve()
        self._version = version
        self._on_event = on_event
        self._started = datetime.now(UTC)
        self._postgres = Postgres(self._home, settings=postgres_settings)
        self._broker = Broker(self._home)
        self._components: list[Component] = []
        self._unsaved = False
        """The state file is older than what it tells of."""
        self._addresses = Addresses(self._postgres.url, self._broker.bootstrap_servers)

    def up(self, prepare: Callable[[Addresses], None], services: Callable[[Addresses], Sequence[ServiceSpec]]) -> bool:
        """Start everything and supervise it until SIGINT, SIGTERM or SIGHUP, then stop it in reverse order.

        Call it from the main thread. `prepare` makes tables and topics and does not mind finding them made: it is
        called before the services start, and again after each restart of the broker, which forgets its topics.

        Returns:
            False when a runtime already runs in this home: `on_event` has heard its status, nothing else was done.

        Raises:
            SnellenError: PostgreSQL or the broker did not start, or `prepare` failed; everything is stopped again.
        """
        with exclusive(self._home) as acquired:
            if not acquired:
                for component in status(self._home):
                    self._on_event(component)
                return False
            stop_leftovers(self._home, read_state(self._home))
            try:
                with signals(signal.default_int_handler):
                    self._start(prepare, services)
                    self._supervise(prepare)
            except KeyboardInterrupt:
                pass
            finally:
                with signals(signal.SIG_IGN):  # stopping is bounded; a second Ctrl-C must not leave half of it behind
                    self._stop()
            return True

    def _start(
        self, prepare: Callable[[Addresses], None], services: Callable[[Addresses], Sequence[ServiceSpec]]
    ) -> None:
        self._save()  # from here on, `down` finds us
        self._add(self._postgres.process, self._postgres.url)
        self._add(self._broker.process, self._broker.bootstrap_servers)
        self._postgres.wait_ready()
        self._broker.wait_ready()
        self._tend()
        prepare(self._addresses)
        for spec in services(self._addresses):
            log = self._home / "logs" / f"{spec.name.replace(' ', '-')}.log"
            self._add(ManagedProcess(spec.name, spec.argv, log=log, health=spec.health, env=spec.env), spec.address)

    def _supervise(self, prepare: Callable[[Addresses], None]) -> NoReturn:
        _, broker, *_ = self._components
        prepared = broker.starts
        while True:
            self._tend()
            if broker.starts != prepared and broker.status.state is ComponentState.RUNNING:
                try:
                    prepare(self._addresses)
                    prepared = broker.starts
                except SnellenError as error:  # tried again after the next check
                    broker.report(str(error))
                    self._announce([broker])
            time.sleep(TICK_S)

    def _add(self, process: ManagedProcess, address: str | None) -> None:
        component = Component(process, address)
        self._components.append(component)  # first, so that what starts and then fails is stopped
        component.start(time.monotonic())
        self._save()

    def _tend(self) -> None:
        changed = [component for component in self._components if component.tend(time.monotonic())]
        if changed or self._unsaved:
            self._announce(changed)

    def _announce(self, components: Sequence[Component]) -> None:
        """No disk that is full may end what runs: the broker has its records in memory."""
        self._try_to_save()
        for component in components:
            with suppress(OSError):
                self._on_event(component.status)

    def _try_to_save(self) -> None:
        """Say once that it fails; the next tick tries again."""
        try:
            self._save()
        except RuntimeFailure as error:
            if not self._unsaved:
                log.warning("%s: until it can, `snellen status` and `snellen down` know what was before", error)
            self._unsaved = True
        else:
            self._unsaved = False

    def _save(self) -> None:
        supervisor = ProcessId.of(os.getpid())
        if supervisor is None:
            raise RuntimeFailure(
                "/proc does not show this process: the embedded runtime needs Linux with /proc mounted"
            )
        records = tuple(component.record for component in self._components)
        write_state(self._home, RuntimeState(self._version, supervisor, self._started, self._addresses, records))

    def _stop(self) -> None:
        """Services together within one grace period, then the broker, then PostgreSQL; the events come last."""
        services = [component.process for component in self._components[2:]]
        for process in services:
            process.request_stop()
        deadline = time.monotonic() + SERVICE_GRACE_S
        for process in reversed(services):
            process.stop(max(0.0, deadline - time.monotonic()))
        self._broker.stop()
        self._postgres.stop()
        remove_state(self._home)
        for component in reversed(self._components):
            component.stopped()
            self._on_event(component.status)


@contextmanager
def signals(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> Iterator[None]:
    """Let `handler` meet what ends a program; a SIGHUP that `nohup` told us to ignore stays ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
