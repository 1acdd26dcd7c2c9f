"""Each of our commands in docker-compose.yml, run as it stands there but without a container, with its health check."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.embedded.ports import free_port

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture
def environment(database_url: str, broker: str, topic: str, tmp_path: Path) -> dict[str, str]:
    """What the compose file sets, with the addresses of the test's servers and a metrics port that is free."""
    (tmp_path / "none.toml").touch()
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SNELLEN_CONFIG": str(tmp_path / "none.toml"),
        "SNELLEN_HOME": str(tmp_path / "home"),
        "SNELLEN_DATABASE_URL": database_url,
        "SNELLEN_KAFKA__BOOTSTRAP_SERVERS": broker,
        "SNELLEN_KAFKA__GROUP": topic,
        "SNELLEN_METRICS_PORT": str(free_port(9500)),
    }


def on_free_ports(words: list[str], metrics: str, page: str) -> list[str]:
    return [word.replace("9464", metrics).replace("8501", page) for word in words]


def test_the_migration_ends_well_and_may_be_repeated(environment: dict[str, str]) -> None:
    for _ in range(2):
        done = subprocess.run(
            SERVICES["migrate"]["command"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["collectors", "scheduler", "dashboard", "embed"])
def test_a_service_starts_gets_healthy_and_stops_when_told(
    name: str, environment: dict[str, str], tmp_path: Path
) -> None:
    if name == "embed":
        environment["SNELLEN_EMBEDDER__MODEL"] = f"local-dir:{ROOT / 'demo' / 'clip' / 'model'}"
    subprocess.run(SERVICES["migrate"]["command"], env=environment, cwd=ROOT, capture_output=True, check=True)
    ports = environment["SNELLEN_METRICS_PORT"], str(free_port(8600))
    service: dict[str, Any] = SERVICES[name]
    check = on_free_ports(service["healthcheck"]["test"], *ports)
    assert check.pop(0) == "CMD"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            on_free_ports(service["command"], *ports), env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(check, env=environment, capture_output=True, check=False).returncode:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.3)
    finally:
        process.terminate()
        process.wait(15)


def test_the_tools_that_the_commands_name_are_installed() -> None:
    folder = Path(sys.executable).parent
    tools = {service["command"][0] for service in SERVICES.values() if "command" in service}
    assert all(shutil.which(tool, path=str(folder)) for tool in tools)
