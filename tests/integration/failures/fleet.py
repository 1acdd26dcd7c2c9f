"""Real servers and processes that can be killed, stopped, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from monitor.broker import ClientConfig, ensure_topics
from monitor.embedded.broker import Broker
from monitor.embedded.postgres import Postgres
from monitor.embedded.probes import to_libpq
from monitor.embedded.process import ManagedProcess
from tests.integration.failures.ledger import EMBED_RATE
from tests.pace import Patience, exit_code, wait_for

ROOT = Path(__file__).resolve().parents[3]
SESSION_TIMEOUT_S = 1.5
GRACE_S = 10.0
"""What a process may take to stop."""
COMMANDS = {
    "ingest": ["-m", "collectors", "ingest"],
    "embed": ["-m", "collectors", "embed"],
    "schedule": ["-m", "monitor.cli", "schedule"],
    "impatient ingest": [
        "-c",
        "from collectors import __main__ as ours; ours.PATIENCE_S = 8.0; ours.leave(ours.main(['ingest']))",
    ],
}


class Servers:
    """PostgreSQL and a broker of their own, which may die."""

    def __init__(self, home: Path, data: Path) -> None:
        """With a copy of a migrated server's data folder."""
        # A killed process leaves what it wrote to the page cache, so nothing need be flushed to the disk; commits are
        # synchronous, or PostgreSQL would forget some that it had confirmed.
        self.postgres = Postgres(home, settings={"fsync": "off", "full_page_writes": "off"})
        self.broker = Broker(home, preferred_port=30000 + os.getpid() % 10000)
        self.topics = {kind: f"t.{kind}" for kind in ("predictions", "labels", "deployments")}
        (home / "postgres").mkdir(mode=0o700)
        subprocess.run(["cp", "-a", str(data), str(home / "postgres" / "data")], check=True)  # its owner with it
        self.postgres.start()
        self.start_broker()

    def start_broker(self) -> None:
        self.broker.start()
        ensure_topics(ClientConfig(self.broker.bootstrap_servers), self.topics.values(), 4)

    def kill_broker(self) -> None:
        """Its log is gone with it."""
        _kill(self.broker.process)

    def kill_postgres(self) -> None:
        _kill(self.postgres.process)

    def freeze_postgres(self) -> None:
        """It accepts connections and never answers, as on a machine that swaps or a disk that hangs."""
        self._signal_postgres(signal.SIGSTOP)

    def thaw_postgres(self) -> None:
        self._signal_postgres(signal.SIGCONT)

    def _signal_postgres(self, number: signal.Signals) -> None:
        identity = self.postgres.process.id
        assert identity is not None
        leader = psutil.Process(identity.pid)
        leader.send_signal(number)  # first, so that it starts no more of the others
        for process in leader.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def rows(self, query: str, *values: object) -> list[Any]:
        """Rows of a query; a single column comes as plain values."""
        with psycopg.connect(to_libpq(self.postgres.url), options="-c timezone=UTC") as connection:
            found = connection.execute(query.encode(), values or None).fetchall()
        return [row[0] if len(row) == 1 else row for row in found]

    def stop(self) -> None:
        self.broker.stop()
        self.postgres.stop()


class Fleet:
    """Snellen's processes on those servers. As under any supervisor, one that ends is started again."""

    def __init__(self, servers: Servers, logs: Path, settings: Mapping[str, str] | None = None) -> None:
        self._servers = servers
        self._logs = logs
        self._started = 0
        self.running: list[Member] = []
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SNELLEN_")}
        self._env = clean | {
            "SNELLEN_CONFIG": os.devnull,
            "SNELLEN_HOME": str(logs),
            "SNELLEN_DATABASE_URL": servers.postgres.url,
            "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": servers.broker.bootstrap_servers,
            "SNELLEN_KAFKA__GROUP": "t",
            "SNELLEN_KAFKA__SESSION_TIMEOUT_MS": str(int(SESSION_TIMEOUT_S * 1000)),
            **{f"SNELLEN_KAFKA__{kind.upper()}_TOPIC": name for kind, name in servers.topics.items()},
            "SNELLEN_EMBEDDER__MODEL": f"local-dir:{ROOT / 'demo/clip/model'}",
            "SNELLEN_EMBEDDER__SAMPLE_RATE": str(EMBED_RATE),
            "SNELLEN_INGEST__BATCH_RECORDS": "60",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            **(settings or {}),
        }

    def of(self, kind: str) -> list[Member]:
        return [one for one in self.running if one.kind == kind]

    def start(self, kind: str) -> Member:
        self._started += 1
        member = Member(kind, self._env, self._logs / f"{self._started:03}-{kind}.log")
        self.running.append(member)
        return member

    def kill(self, member: Member) -> None:
        member.end()
        self.running.remove(member)

    def leave(self, member: Member) -> None:
        """Ask it to stop, as a deployment does.

        It must do so in time and say that all went well; the signal ends one that has only just begun to start.
        """
        member.process.send_signal(signal.SIGTERM)
        assert exit_code(member.process, GRACE_S) in (0, -signal.SIGTERM), member.report()
        self.running.remove(member)

    def tend(self) -> None:
        """Start again what ended by itself: it may, when a server did not answer at its start."""
        for member in [one for one in self.running if one.process.poll() is not None]:
            assert member.process.returncode == 1, member.report()
            self.running.remove(member)
            self.start(member.kind)

    def crashes(self) -> list[str]:
        """Tracebacks that were logged: whatever happens outside, no fault of ours may show. Kafka logs some."""
        lines = (
            line for log in sorted(self._logs.glob("*.log")) for line in log.read_text("utf-8", "replace").splitlines()
        )
        return [line[-3000:] for line in lines if "Traceback" in line and '"logger": "kafka' not in line]

    def reports(self) -> list[str]:
        """What each that runs logged last."""
        return [member.report() for member in self.running]

    def end(self) -> None:
        for member in self.running:
            member.end()


class Member:
    """One process of the fleet."""

    def __init__(self, kind: str, env: Mapping[str, str], log: Path) -> None:
        self.kind = kind
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, *COMMANDS[kind]], env=env, cwd=ROOT, stderr=output)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def report(self) -> str:
        return f"{self.kind} ended with {self.process.poll()}\n{self._log.read_text(errors='replace')[-3000:]}"


def watch(value: Callable[[], Any], still_s: float, seconds: float) -> None:
    """Wait until a value has not changed for a while: of a machine that has time for those who would change it."""
    patience, still, last = Patience(seconds), Patience(still_s), value()
    while still.rest():
        assert patience.rest(), "it does not come to rest"
        if (now := value()) != last:
            still, last = Patience(still_s), now


def _kill(process: ManagedProcess) -> None:
    identity = process.id
    assert identity is not None
    with suppress(ProcessLookupError):
        os.kill(identity.pid, signal.SIGKILL)
    wait_for(lambda: process.exit_code() is not None, 10, f"{process.name} is dead")
