"""The demo once Snellen starts: wait for it, make the week, show around, go on live."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NoReturn

from rich.console import Console
from sqlalchemy import Engine

from demo.guide import WeekProgress, tell_tour, tell_wait
from demo.history import Evaluator, send_until, write_history
from demo.home import Home, Week
from demo.incidents import INCIDENTS
from demo.labeller import Labellers
from demo.service import SceneVqa
from demo.simulation import Simulation
from demo.traffic import Traffic
from demo.wire import Stored, Wire
from monitor import bootstrap, settings
from monitor.domain.window import Window
from monitor.embedded.state import read_state
from monitor.errors import SettingsError
from monitor.services.backfill import holding
from monitor.settings import Settings

if TYPE_CHECKING:
    from demo.clip.encoder import Encoder
    from demo.stack import Stack

LIVE_STEP_S: Final = 1.0
"""How often the live part looks whether Snellen still runs."""


def play(home: Home, week: Week, stack: Stack, console: Console, options: argparse.Namespace) -> NoReturn:
    """From the start of Snellen until Ctrl-C.

    Raises:
        SnellenError: something of Snellen did not start, or failed.
        KeyboardInterrupt: the way out.
    """
    started = time.monotonic()

    def wait_for(*names: str) -> dict[str, str]:
        addresses = {}
        for component in stack.wait_for(*names):
            addresses[component.name] = component.address or ""
            line = f"{time.monotonic() - started:5.1f} s  {component.name:<10} {component.address or 'runs'}"
            console.print(line, markup=False)
        return addresses

    wait_for("postgres", "broker", "ingest")  # the last of them starts on a schema that is migrated
    config = _own_servers(home)
    engine = bootstrap.open_store(config, application="snellen-demo")
    wire = Wire(config)
    try:
        with holding(engine):  # from before the scheduler's first tick
            with ThreadPoolExecutor(1) as pool:
                loading = pool.submit(_load_encoder)  # seconds, in which the servers start
                address = wait_for("embed", "scheduler", "dashboard")["dashboard"]
                if not week.complete:
                    tell_wait(console, address)
                simulation = _simulation(home, week, config, options, loading.result())
            if week.complete:
                console.print(f"The week from {week.start:%d %b} to {week.end:%d %b} is here already (--fresh: anew).")
            else:
                _make_week(home, week, simulation, wire, engine, config, console)
        tell_tour(console, week.schedule, address)
        if options.live_incident:
            incident = INCIDENTS[options.live_incident]
            now = bootstrap.now()
            simulation.include(incident, Window(now, now + incident.lasts))
            console.print(f"From now on, for {incident.lasts}: {incident.title}.")
        console.print("Live from here on, at real pace. Ctrl-C stops everything.")
        _go_live(simulation, wire, stack)
    finally:
        wire.close()
        engine.dispose()


def _own_servers(home: Home) -> Settings:
    """The settings, which must lead to the servers of this home and to no others.

    Raises:
        SettingsError: they name others.
    """
    config, state = settings.load(), read_state(home.path)
    if state is None or (bootstrap.database_url(config), config.kafka.bootstrap_servers) != (
        state.addresses.database_url,
        state.addresses.bootstrap_servers,
    ):
        raise SettingsError(
            "the demo writes into servers of its own only: "
            "unset SNELLEN_DATABASE_URL and SNELLEN_KAFKA__BOOTSTRAP_SERVERS, and start it again"
        )
    return config


def _load_encoder() -> Encoder:
    from demo.clip import encoder  # noqa: PLC0415 (torch: what has no use for it does without)

    return encoder.Encoder()


def _simulation(home: Home, week: Week, config: Settings, options: argparse.Namespace, encoder: Encoder) -> Simulation:
    """The simulated service; over a week that is complete it goes on from now, with other requests."""
    now = bootstrap.now()
    start, seed = (now, int(now.timestamp())) if week.complete else (week.start, options.seed)
    traffic = Traffic(f"{now:%y%m%d%H%M%S}", start, per_minute=options.per_minute, seed=seed)
    labellers = Labellers(bootstrap.label_design(config), seed=seed)
    return Simulation(traffic, week.schedule, SceneVqa(encoder), labellers, home.images)


def _make_week(
    home: Home, week: Week, simulation: Simulation, wire: Wire, engine: Engine, config: Settings, console: Console
) -> None:
    started = time.monotonic()
    evaluator = Evaluator(Stored(config, engine), week.start, home.path)
    try:
        with WeekProgress(console, week.window) as progress:
            write_history(
                simulation,
                wire,
                evaluator,
                week.window,
                bootstrap.now,
                lambda: progress.update(simulation.now, evaluator.evaluated_until, simulation.requests),
            )
    finally:
        evaluator.stop()
    home.complete()
    console.print(f"The week is complete: {simulation.requests:,} requests in {time.monotonic() - started:.0f} s.")


def _go_live(simulation: Simulation, wire: Wire, stack: Stack) -> NoReturn:
    while True:
        stack.check()
        wait_s = (simulation.next_at - bootstrap.now()).total_seconds()
        if wait_s > 0:
            time.sleep(min(wait_s, LIVE_STEP_S))
        else:
            for _ in send_until(simulation, wire, bootstrap.now()):
                pass
