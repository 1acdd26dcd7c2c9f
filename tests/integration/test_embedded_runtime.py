"""`snellen up`, `down` and `status` with real processes: started, killed, restarted, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest

from monitor.embedded.component import ComponentState
from monitor.embedded.control import down, status
from monitor.embedded.identity import ProcessId
from monitor.embedded.privileges import unprivileged_user
from monitor.embedded.probes import to_libpq
from monitor.embedded.process import launch_argv
from monitor.embedded.state import RuntimeState, read_state, write_state
from tests.pace import exit_code, wait_for

pytestmark = pytest.mark.integration

SUPERVISOR = """
import sys
from pathlib import Path
from monitor.embedded.ports import free_port
from monitor.embedded.runtime import Runtime, ServiceSpec

home = Path(sys.argv[1])
port = free_port(28501)
page = ServiceSpec(
    "page",
    [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
    address=f"http://127.0.0.1:{port}",
    health=f"http://127.0.0.1:{port}/",
)

def prepare(addresses):
    with (home / "prepared").open("a") as calls:
        print(addresses.bootstrap_servers, file=calls)

def tell(status):
    print(status.name, status.state, status.address, flush=True)

hasty = {"fsync": "off"}  # these tests kill processes, not the power
ran = Runtime(home, version="test", on_event=tell, postgres_settings=hasty).up(prepare, lambda addresses: [page])
print("stopped" if ran else "already running", flush=True)
"""


def heed_hangups() -> None:
    """Also where the tests run under `nohup`, whose children are told to ignore them."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Supervisor:
    """A `snellen up` of one home in a process of its own."""

    def __init__(self, home: Path, argv: list[str] | None = None) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.output = home / "output.txt"
        argv = argv or [sys.executable, "-c", SUPERVISOR, str(home)]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=heed_hangups,  # noqa: PLW1509 (no other thread here holds a lock that it needs)
            )

    def wait_running(self) -> RuntimeState:
        """Wait until every component is up; its state file then."""
        wait_for(lambda: self.process.poll() is not None or self.running(), 60, self.output.read_text)
        assert self.process.poll() is None, self.output.read_text()
        return self.state()

    def running(self) -> RuntimeState | None:
        """Its state file, once every component is up; a second look might find one that is down."""
        state = read_state(self.home)
        if state is None or state.supervisor.pid != self.process.pid or len(state.components) != 3:
            return None
        up = all(component.status.state is ComponentState.RUNNING for component in state.components)
        return state if up else None

    def state(self) -> RuntimeState:
        state = read_state(self.home)
        assert state is not None
        return state

    def stop(self, number: signal.Signals = signal.SIGINT, seconds: float = 10) -> None:
        """Signal it and wait for its end, which must come in time."""
        self.process.send_signal(number)
        assert exit_code(self.process, seconds) is not None, self.output.read_text()


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="snellen-up-") as folder:
        yield Path(folder) / ".snellen"


@pytest.fixture
def up(home: Path) -> Iterator[Callable[[], Supervisor]]:
    """Starts a supervisor in `home`; whatever the test did to it, nothing runs afterwards."""
    started: list[Supervisor] = []

    def start() -> Supervisor:
        started.append(Supervisor(home))
        return started[-1]

    yield start
    for supervisor in started:
        if supervisor.process.poll() is None:
            supervisor.stop(signal.SIGTERM, 30)
    down(home)


@pytest.fixture
def supervisor(up: Callable[[], Supervisor]) -> Supervisor:
    return up()


def processes_of(home: Path) -> list[psutil.Process]:
    """Everything that works in this home or names it in its arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            places = [process.cwd(), *process.cmdline()]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(home) in place for place in places):
                found.append(process)
        except psutil.Error:
            continue
    return found


def everything(state: RuntimeState) -> list[ProcessId]:
    return [component.process for component in state.components if component.process is not None]


def assert_nothing_left(home: Path, recorded: list[ProcessId], timeout_s: float = 5) -> None:
    assert recorded
    wait_for(lambda: not any(process.is_alive() for process in recorded), timeout_s, "all have ended")
    wait_for(lambda: not processes_of(home), timeout_s, lambda: processes_of(home))


def pid_of(state: RuntimeState, name: str) -> int:
    (process,) = [component.process for component in state.components if component.status.name == name]
    assert process is not None
    return process.pid


def query(state: RuntimeState, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(to_libpq(state.addresses.database_url)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_up_status_and_down_tell_the_same_story(supervisor: Supervisor, home: Path) -> None:
    state = supervisor.wait_running()
    seen = status(home)
    assert [component.name for component in seen] == ["postgres", "broker", "page"]
    assert {component.state for component in seen} == {ComponentState.RUNNING}
    assert [component.address for component in seen[:2]] == [
        state.addresses.database_url,
        state.addresses.bootstrap_servers,
    ]
    assert query(state, "SELECT '[3,4]'::vector <-> '[0,0]'::vector") == [(5.0,)]

    assert down(home)
    assert exit_code(supervisor.process, 10) == 0
    assert supervisor.output.read_text().splitlines()[-1] == "stopped"
    assert status(home) == []
    assert not down(home)
    assert_nothing_left(home, everything(state))


def test_a_second_up_shows_the_first_and_leaves_it_alone(supervisor: Supervisor, home: Path) -> None:
    state = supervisor.wait_running()
    second = subprocess.run(
        [sys.executable, "-c", SUPERVISOR, str(home)], capture_output=True, text=True, timeout=20, check=True
    )
    assert f"broker running {state.addresses.bootstrap_servers}" in second.stdout
    assert second.stdout.splitlines()[-1] == "already running"
    assert supervisor.state() == state
    assert all(process.is_alive() for process in everything(state))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_like_stop_everything_within_ten_seconds(
    supervisor: Supervisor, home: Path, number: signal.Signals
) -> None:
    state = supervisor.wait_running()
    supervisor.stop(number)
    assert supervisor.process.returncode == 0
    assert_nothing_left(home, everything(state), timeout_s=0)


@pytest.mark.parametrize("stop", ["Ctrl-C", "down"])
def test_stopping_it_while_it_still_starts_leaves_nothing_behind(supervisor: Supervisor, home: Path, stop: str) -> None:
    wait_for((home / "postgres" / "data.new").exists, 10, "it makes its data folder")
    if stop == "down":
        assert down(home)
    else:
        supervisor.stop()
    assert exit_code(supervisor.process, 10) == 0
    wait_for(lambda: not processes_of(home), 5, lambda: processes_of(home))


def test_killing_the_supervisor_leaves_no_orphans_and_the_next_up_works_on_the_same_data(
    up: Callable[[], Supervisor], home: Path
) -> None:
    supervisor = up()
    state = supervisor.wait_running()
    query(state, "CREATE TABLE kept AS SELECT 42 AS answer")
    supervisor.stop(signal.SIGKILL, 30)
    assert_nothing_left(home, everything(state))
    assert {component.state for component in status(home)} == {ComponentState.STOPPED}

    again = up()
    assert query(again.wait_running(), "SELECT answer FROM kept") == [(42,)]
    again.stop()


def test_killing_everything_at_once_loses_no_committed_row(up: Callable[[], Supervisor], home: Path) -> None:
    supervisor = up()
    state = supervisor.wait_running()
    query(state, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    for process in [supervisor.process, *processes_of(home)]:
        with suppress(psutil.NoSuchProcess):  # the kernel was faster: its supervisor is dead
            process.kill()
    assert exit_code(supervisor.process, 10) is not None
    assert (home / "postgres" / "data" / "postmaster.pid").exists()
    assert (home / "runtime.json").exists()

    again = up()
    assert query(again.wait_running(), "SELECT count(*), sum(n) FROM kept") == [(1000, 500500)]
    again.stop()


def test_what_hangs_after_its_server_was_killed_is_ended_by_the_next_up(
    up: Callable[[], Supervisor], home: Path
) -> None:
    supervisor = up()
    server = psutil.Process(pid_of(supervisor.wait_running(), "postgres"))
    workers = server.children()
    assert workers
    for worker in workers:
        worker.suspend()
    for process in (supervisor.process, server):
        process.kill()
    assert exit_code(supervisor.process, 10) is not None

    again = up()
    again.wait_running()
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    again.stop()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of PostgreSQL's own user that has nothing to do with us."""
    with subprocess.Popen(["sleep", "60"], user=unprivileged_user().pw_uid, start_new_session=True) as process:
        yield process
        process.kill()


def test_locks_that_name_a_reused_pid_are_removed_and_that_process_is_spared(
    up: Callable[[], Supervisor], home: Path, bystander: subprocess.Popen[bytes]
) -> None:
    first = up()
    state = first.wait_running()
    first.stop(seconds=30)
    lock = home / "postgres" / "data" / "postmaster.pid"
    lock.write_text(f"{bystander.pid}\n{lock.parent}\n1\n5432\n\n\n")
    (home / "postgres" / ".s.PGSQL.5432.lock").write_text(lock.read_text())
    write_state(home, with_processes(state, ProcessId(bystander.pid, birth="another boot/1")))

    again = up()
    again.wait_running()
    again.stop()
    assert bystander.poll() is None


def test_down_spares_a_process_that_has_a_recorded_pid_by_chance(
    up: Callable[[], Supervisor], home: Path, bystander: subprocess.Popen[bytes]
) -> None:
    first = up()
    state = first.wait_running()
    first.stop(seconds=30)
    write_state(home, with_processes(state, ProcessId(bystander.pid, birth="another boot/1")))
    assert down(home)
    assert bystander.poll() is None


def with_processes(state: RuntimeState, process: ProcessId) -> RuntimeState:
    """The state of a dead runtime, all of whose pids belong to `process` now."""
    components = tuple(replace(component, process=process) for component in state.components)
    return replace(state, supervisor=process, components=components)


@pytest.mark.parametrize("name", ["postgres", "broker", "page"])
def test_a_killed_component_is_started_again_on_its_old_address(supervisor: Supervisor, home: Path, name: str) -> None:
    before = supervisor.wait_running()
    os.kill(pid_of(before, name), signal.SIGKILL)

    def is_back() -> bool:
        state = supervisor.running()
        return state is not None and pid_of(state, name) != pid_of(before, name)

    wait_for(is_back, 15, "it was started again")
    after = {component.name: component for component in status(home)}
    assert {component.state for component in after.values()} == {ComponentState.RUNNING}
    assert supervisor.state().addresses == before.addresses
    assert all(
        pid_of(supervisor.state(), other) == pid_of(before, other)
        for other in ("postgres", "broker", "page")
        if other != name
    )


def test_a_state_file_that_cannot_be_written_for_a_while_ends_nothing(supervisor: Supervisor, home: Path) -> None:
    """As on a full disk; with the supervisor would go the records of the broker."""
    before = supervisor.wait_running()
    (home / "runtime.new").mkdir()  # so it cannot be written
    for restarts in (1, 2):
        children = psutil.Process(supervisor.process.pid).children()
        [page] = [child for child in children if "http.server" in child.cmdline()]
        page.kill()
        wait_for(lambda times=restarts: told(supervisor, "page restarting") == times, 20, supervisor.output.read_text)  # type: ignore[misc]
        wait_for(lambda times=restarts: told(supervisor, "page running") == times + 1, 20, supervisor.output.read_text)  # type: ignore[misc]
    assert told(supervisor, "runtime.json cannot be written") == 1
    assert supervisor.state() == before
    (home / "runtime.new").rmdir()
    wait_for(lambda: pid_of(supervisor.state(), "page") != pid_of(before, "page"), 20, "it is saved at the next tick")
    assert pid_of(supervisor.state(), "broker") == pid_of(before, "broker")


def told(supervisor: Supervisor, words: str) -> int:
    return supervisor.output.read_text().count(words)


def test_after_a_restart_of_the_broker_its_topics_are_prepared_again(supervisor: Supervisor, home: Path) -> None:
    before = supervisor.wait_running()
    calls = home / "prepared"
    assert calls.read_text().split() == [before.addresses.bootstrap_servers]
    os.kill(pid_of(before, "broker"), signal.SIGKILL)
    wait_for(lambda: calls.read_text().split() == [before.addresses.bootstrap_servers] * 2, 15, calls.read_text)


@pytest.mark.parametrize("name", ["a long way home " * 10, "a, comma & a 100% sign"])
def test_a_home_whose_path_no_socket_address_can_hold_works(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    supervisor = Supervisor(home)
    try:
        state = supervisor.wait_running()
        assert query(state, "SELECT 1") == [(1,)]
    finally:
        supervisor.stop(signal.SIGTERM, 30)
    assert_nothing_left(home, everything(state))


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here already runs as an ordinary user")
def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    nobody = unprivileged_user()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    as_nobody = launch_argv([sys.executable, "-c", SUPERVISOR, str(home)], unprivileged=[home, Path(sys.executable)])
    supervisor = Supervisor(home, as_nobody)
    try:
        state = supervisor.wait_running()
        owners = {psutil.Process(process.pid).username() for process in everything(state)}
        assert owners == {"nobody"}
    finally:
        supervisor.stop()
    assert_nothing_left(home, everything(state))


def test_a_broken_service_is_tried_again_ever_more_rarely_and_says_why(home: Path) -> None:
    broken = SUPERVISOR.replace('"-m", "http.server"', '"-c", "raise SystemExit(3)"')
    home.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", broken, str(home)], stdout=subprocess.DEVNULL) as process:
        wait_for_detail(home, lambda detail: "exit code 3" in detail and "starts again in 2 s" in detail)
        down(home)
        assert exit_code(process, 10) == 0


def wait_for_detail(home: Path, condition: Callable[[str], bool]) -> None:
    wait_for(lambda: any(condition(component.detail) for component in status(home)), 20, lambda: status(home))
