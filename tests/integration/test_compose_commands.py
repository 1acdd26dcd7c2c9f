"""Each of our commands in docker-compose.yml, run as it stands there with its environment and its health check.

There is no container engine here. Where Linux lets us, a command runs as in its container all the same: as process 1,
without capabilities but the one that reaches the tests' PostgreSQL (its folder is closed to others), and on a file
system of which only its temporary folder and its home can be written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import yaml

from monitor.embedded.ports import free_port
from tests.pace import Patience, exit_code

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
GIVEN = {"POSTGRES_PASSWORD": "p@ss/word", "SNELLEN_EMBEDDER__MODEL": f"local-dir:{ROOT / 'demo' / 'clip' / 'model'}"}
"""What whoever starts it has set."""
ENGINES_GRACE_S = 10.0
"""How long a container engine waits between asking to stop and killing."""
CONTAINED = [
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
    "sh", "-c", 'mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"', "sh", "{writable}",
    "setpriv", "--bounding-set=-all,+dac_read_search", "--inh-caps=-all", "--no-new-privs",
]  # fmt: skip


class Container(NamedTuple):
    """What to put before a command; nothing where that is not allowed here, and what was said then."""

    prefix: list[str]
    refusal: str


@pytest.fixture
def imitated(tmp_path: Path) -> Container:
    for folder in ("home", "tmp"):
        (tmp_path / folder).mkdir()
    prefix = [word.format(writable=tmp_path) for word in CONTAINED]
    try:
        tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return Container([], f"there is no {error.filename}")
    return Container([], tried.stderr.strip()) if tried.returncode else Container(prefix, "")


@pytest.fixture
def container(imitated: Container) -> list[str]:
    return imitated.prefix


def test_a_container_can_be_imitated_here(imitated: Container, container: list[str], tmp_path: Path) -> None:
    if imitated.refusal:
        pytest.skip(f"commands run without what their containers take from them: {imitated.refusal}")
    inside = f"touch {tmp_path}/home/x && ! touch {ROOT}/x 2>&1 && echo $$ && grep CapEff /proc/self/status"
    told = subprocess.run([*container, "sh", "-c", inside], capture_output=True, text=True, check=True).stdout
    assert "Read-only file system" in told
    assert told.splitlines()[-2:] == ["1", f"CapEff:\t{1 << 2:016x}"]


def declared(service: str) -> dict[str, str]:
    """The environment that the file gives a service, by the rules of the compose specification."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if kind == "?":
            return GIVEN[name]
        return GIVEN.get(name, rest)

    variables: dict[str, str] = SERVICES[service]["environment"]
    return {name: re.sub(r"\$\{(\w+):([?-])([^}]*)\}", value, one) for name, one in variables.items()}


@pytest.fixture
def environment(database_url: str, broker: str, topic: str, tmp_path: Path) -> dict[str, str]:
    """What the file sets, with the addresses of the test's servers and a metrics port that is free."""
    (tmp_path / "none.toml").touch()
    return {
        **{name: one for name, one in os.environ.items() if not name.startswith("SNELLEN_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "SNELLEN_HOME": str(tmp_path / "home" / ".snellen"),
        "SNELLEN_CONFIG": str(tmp_path / "none.toml"),
        "SNELLEN_KAFKA__GROUP": topic,
        **dict.fromkeys(declared("migrate"), ""),
        "SNELLEN_DATABASE_URL": database_url,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
        "SNELLEN_METRICS_PORT": str(free_port(9500)),
    }


def of(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """A service's environment: what the file sets wins, but for the addresses."""
    replaced = {"SNELLEN_DATABASE_URL", "SNELLEN_KAFKA__BOOTSTRAP_SERVERS", "SNELLEN_METRICS_PORT"}
    found = declared(service)
    assert replaced <= set(found)
    return {**environment, **{name: one for name, one in found.items() if name not in replaced}}


def on_free_ports(words: list[str], metrics: str, page: str) -> list[str]:
    return [word.replace("9464", metrics).replace("8501", page) for word in words]


def test_the_migration_ends_well_and_may_be_repeated(environment: dict[str, str], container: list[str]) -> None:
    for _ in range(2):
        done = subprocess.run(
            [*container, *SERVICES["migrate"]["command"]],
            env=of("migrate", environment), cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["collectors", "scheduler", "dashboard", "embed"])
def test_a_service_starts_gets_healthy_and_stops_when_told(
    name: str, environment: dict[str, str], container: list[str], tmp_path: Path
) -> None:
    subprocess.run(SERVICES["migrate"]["command"], env=environment, cwd=ROOT, capture_output=True, check=True)
    ports = environment["SNELLEN_METRICS_PORT"], str(free_port(8600))
    service: dict[str, Any] = SERVICES[name]
    check = on_free_ports(service["healthcheck"]["test"], *ports)
    assert check.pop(0) == "CMD"
    command = [*container, *on_free_ports(service["command"], *ports)]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = psutil.Popen(command, env=of(name, environment), cwd=ROOT, stdout=output, stderr=output)
    try:
        patience = Patience(60)
        while subprocess.run(check, env=environment, capture_output=True, check=False).returncode:
            assert process.poll() is None, log.read_text()
            assert patience.rest(), log.read_text()
        inner: psutil.Process = process.children()[0] if container else process
        inner.terminate()
        assert exit_code(process, ENGINES_GRACE_S) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_tools_that_the_commands_name_are_installed() -> None:
    folder = Path(sys.executable).parent
    tools = {service["command"][0] for service in SERVICES.values() if "command" in service}
    assert all(shutil.which(tool, path=str(folder)) for tool in tools)
