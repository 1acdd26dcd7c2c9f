"""A child process that cannot outlive its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from monitor.embedded.identity import POLL_S, ProcessId, wait_until
from monitor.embedded.privileges import drop_from_root
from monitor.embedded.probes import probe
from monitor.errors import RuntimeFailure

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT_BYTES = 16 * 1024 * 1024
KILL_TIMEOUT_S = 5.0


class ManagedProcess:
    """One supervised command in a process group of its own, its output appended to `<log>`.

    The kernel kills it when the supervising *thread* ends (prctl(2), PR_SET_PDEATHSIG): start it from the main thread.
    With `unprivileged` it never runs as root but as `nobody`, who can still reach the paths listed there.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        health: str | None = None,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
        unprivileged: Sequence[Path] | None = None,
        before_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.log = log
        self.health = health
        self._argv = argv
        self._death_signal = death_signal
        self._unprivileged = unprivileged
        self._env = dict(env or {})
        self._stop_signal = stop_signal
        self._before_start = before_start
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._stop_requested = False

    def start(self) -> None:
        """Start the command.

        Raises:
            RuntimeFailure: it runs already.
        """
        if self._popen is not None:
            raise RuntimeFailure(f"{self.name} runs already as process {self._popen.pid}")
        self._stop_requested = False
        self._before_start()
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        rotate(self.log)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(  # noqa: S603 (the supervisor's own commands)
                launch_argv(self._argv, self._death_signal, self._unprivileged),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | self._env,  # noqa: TID251 (handed on whole; no setting is read from it)
            )

    @property
    def id(self) -> ProcessId | None:
        """The running process; None before the start and after the end."""
        return None if self._popen is None else ProcessId.of(self._popen.pid)

    def exit_code(self) -> int | None:
        """None while it runs or was never started; else its exit code, negative for a signal.

        What it left behind in its process group is killed first, while the unreaped leader still holds the number.
        """
        if self._popen is None:
            return None
        ended = os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        os.killpg(self._popen.pid, signal.SIGKILL)
        code = self._popen.wait()
        self._popen = None
        return code

    def check(self) -> str | None:
        """None when it runs and its health check passes; else what is wrong."""
        if self.id is None:
            return "does not run"
        fault = None if self.health is None else probe(self.health)
        return fault or self._foreign_listener()

    def _foreign_listener(self) -> str | None:
        """A port that was free when it was chosen may have been taken since: then somebody else answers."""
        port = None if self.health is None else urlsplit(self.health).port
        if port is None or self._popen is None:
            return None
        try:
            leader = psutil.Process(self._popen.pid)
            family = [leader, *leader.children(recursive=True)]
            listening = {
                connection.laddr.port
                for process in family
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
        except psutil.NoSuchProcess:
            return "does not run"
        return None if port in listening else f"port {port} belongs to another program"

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the health check passes.

        Raises:
            RuntimeFailure: the process ended, or stayed unhealthy for `timeout_s` seconds; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while (fault := self.check()) is not None:
            code = self.exit_code()
            if code is not None:
                raise RuntimeFailure(f"{self.name} ended with {describe_exit(code)}; {self.log}:\n{self.log_tail()}")
            if time.monotonic() >= deadline:
                raise RuntimeFailure(f"{self.name} is not ready: {fault}; {self.log}:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def request_stop(self) -> None:
        """Ask it to stop, once, and return at once."""
        if self._popen is not None and not self._stop_requested:
            self._stop_requested = True
            # Not `send_signal`, which reaps a leader that has ended: its number must stay ours until `exit_code`.
            os.kill(self._popen.pid, self._stop_signal)

    def stop(self, grace_s: float) -> None:
        """Ask it to stop, wait `grace_s` seconds, then kill it and its group. Harmless when it does not run."""
        self.request_stop()
        if not wait_until(self._has_ended, grace_s) and self._popen is not None:
            os.killpg(self._popen.pid, signal.SIGKILL)
            wait_until(self._has_ended, KILL_TIMEOUT_S)

    def _has_ended(self) -> bool:
        return self.exit_code() is not None or self._popen is None

    def log_tail(self, lines: int = 5) -> str:
        """The last lines written since the last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def launch_argv(
    argv: Sequence[str], death_signal: signal.Signals = signal.SIGKILL, unprivileged: Sequence[Path] | None = None
) -> list[str]:
    """The command that starts `argv` through the launcher; the arguments are those of `ManagedProcess`."""
    user = "-" if unprivileged is None or os.geteuid() != 0 else drop_from_root(unprivileged)
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(death_signal)), user, *argv]


def rotate(log: Path) -> None:
    """Keep one older generation of a log that has grown large."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old.log"))


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"
