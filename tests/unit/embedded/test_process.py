"""Child processes and process identities, with real processes."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from monitor.embedded.identity import ProcessId
from monitor.embedded.ports import free_port
from monitor.embedded.privileges import is_open_to
from monitor.embedded.process import LOG_LIMIT_BYTES, ManagedProcess, rotate
from monitor.errors import RuntimeFailure
from tests.pace import exit_code, wait_for


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[object]:
    """Starts managed processes from shell text; all are stopped at the end."""
    started: list[ManagedProcess] = []

    def start(script: str, **options: object) -> ManagedProcess:
        process = ManagedProcess("child", ["sh", "-c", script], log=tmp_path / "logs" / "child.log", **options)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop(0.1)


def pid_written_to(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"), 5, "it is written")
    return int(path.read_text())


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_an_identity_is_stable_and_ends_with_its_process(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessId.of(sleeper.pid)
    assert identity is not None
    time.sleep(0.05)
    assert ProcessId.of(sleeper.pid) == identity
    assert identity.is_alive()
    sleeper.kill()
    assert identity.wait_gone(5)
    assert sleeper.returncode is None  # nobody has reaped it: a zombie already counts as gone


def test_a_process_with_the_same_pid_but_another_birth_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    ProcessId(sleeper.pid, birth="another boot/1").send(signal.SIGKILL)
    time.sleep(0.1)
    assert sleeper.poll() is None
    ProcessId.of(sleeper.pid).send(signal.SIGKILL)
    assert exit_code(sleeper, 5) == -signal.SIGKILL


def test_a_name_with_spaces_and_brackets_does_not_confuse_the_identity(tmp_path: Path) -> None:
    odd = tmp_path / "a ) b ("
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "60"]) as child:
        identity = ProcessId.of(child.pid)
        child.kill()
    assert identity.birth.rpartition("/")[2].isdigit()


def test_output_and_environment_reach_the_log(spawn) -> None:
    process = spawn("echo out $GREETING; echo err >&2", env={"GREETING": "hello"})
    wait_for(lambda: process.exit_code() is not None, 5, "it ends")
    assert process.log_tail() == "out hello\nerr"


def test_stopping_kills_what_ignores_the_signal_together_with_its_children(spawn, tmp_path: Path) -> None:
    process = spawn(f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/grandchild; wait; wait")
    grandchild = ProcessId.of(pid_written_to(tmp_path / "grandchild"))
    process.stop(grace_s=0.2)
    assert process.id is None
    assert grandchild.wait_gone(5)


def test_children_of_a_process_that_died_are_killed_when_its_death_is_noticed(spawn, tmp_path: Path) -> None:
    process = spawn(f"sleep 60 & echo $! > {tmp_path}/grandchild; exit 7")
    grandchild = ProcessId.of(pid_written_to(tmp_path / "grandchild"))
    codes: list[int | None] = []
    wait_for(lambda: codes.append(process.exit_code()) or codes[-1] is not None, 5, "it ends")
    assert codes[-1] == 7
    assert grandchild.wait_gone(5)


def test_a_stopped_process_can_be_started_again(spawn) -> None:
    process = spawn("sleep 60")
    first = process.id
    with pytest.raises(RuntimeFailure, match="runs already"):
        process.start()
    process.stop(2)
    process.start()
    assert process.id not in (None, first)


def test_stopping_what_died_meanwhile_is_harmless(spawn, tmp_path: Path) -> None:
    child = spawn(f"until [ -e {tmp_path}/seen ]; do sleep 0.05; done; exit 3")
    child_id = child.id.pid
    (tmp_path / "seen").touch()
    wait_for(lambda: psutil.Process(child_id).status() == psutil.STATUS_ZOMBIE, 5, "it died")
    child.stop(1)
    assert child.id is None


def test_a_child_dies_with_its_supervisor(tmp_path: Path) -> None:
    script = f"""
import os, signal, time
from pathlib import Path
from monitor.embedded.process import ManagedProcess
child = ManagedProcess("child", ["sleep", "60"], log=Path({str(tmp_path)!r}) / "child.log")
child.start()
print(child.id.pid, flush=True)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == -signal.SIGKILL
    wait_for(lambda: ProcessId.of(int(done.stdout)) is None, 5, "it died as well")


def test_a_command_that_does_not_exist_fails_with_its_name(tmp_path: Path) -> None:
    port = free_port(30000)
    process = ManagedProcess("ghost", ["no-such-program"], log=tmp_path / "log", health=f"http://127.0.0.1:{port}")
    process.start()
    with pytest.raises(RuntimeFailure, match=r"ghost ended with exit code 1(.|\n)*cannot run no-such-program"):
        process.wait_ready(5)


def test_somebody_elses_answer_on_our_port_is_not_our_health(spawn, tmp_path: Path) -> None:
    port = free_port(30000)
    health = f"http://127.0.0.1:{port}/"
    spawn(f"exec {sys.executable} -m http.server {port} --bind 127.0.0.1 --directory {tmp_path}", health=health)
    ours = spawn("sleep 60", health=health)
    wait_for(lambda: ours.check() == f"port {port} belongs to another program", 10, ours.check)


def test_a_port_that_a_grandchild_listens_on_is_ours(spawn, tmp_path: Path) -> None:
    port = free_port(30000)
    command = f"{sys.executable} -m http.server {port} --bind 127.0.0.1 --directory {tmp_path}; true"
    process = spawn(command, health=f"http://127.0.0.1:{port}/")
    process.wait_ready(10)
    assert process.check() is None


def test_a_log_that_has_grown_large_keeps_one_older_generation(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("short")
    rotate(log)
    assert log.read_text() == "short"
    os.truncate(log, LOG_LIMIT_BYTES + 1)
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "service.old.log").stat().st_size == LOG_LIMIT_BYTES + 1


@pytest.mark.parametrize(
    ("mode", "own", "passable"),
    [(0o755, False, True), (0o700, False, False), (0o700, True, True), (0o711, False, True)],
)
def test_a_folder_is_open_to_its_owner_and_to_whom_its_mode_lets_pass(
    tmp_path: Path, mode: int, own: bool, passable: bool
) -> None:
    tmp_path.chmod(mode)
    uid = os.geteuid() if own else os.geteuid() + 1
    user = pwd.struct_passwd(("someone", "x", uid, uid, "", "/", "/bin/sh"))
    assert is_open_to(user, tmp_path.stat()) is passable
