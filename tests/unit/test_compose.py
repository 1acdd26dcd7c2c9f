"""docker-compose.yml, checked without a container engine: its schema, its commands, and what it exposes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
OURS = ("migrate", "collectors", "scheduler", "dashboard", "embed")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_brings_what_a_deployment_needs(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "kafka", *OURS}
    assert all("healthcheck" in one for name, one in services.items() if name != "migrate")
    for name in OURS[1:]:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_ports_are_published_on_loopback_alone(services: dict[str, Any]) -> None:
    ports = [port for one in services.values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_without_rights(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["user"] == "10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_no_secret_stands_in_the_file() -> None:
    passwords = re.findall(r"^\s*\w*PASSWORD: (.+)$", COMPOSE.read_text(), flags=re.MULTILINE)
    assert passwords
    assert all(one.startswith("${POSTGRES_PASSWORD:?") for one in passwords)


@pytest.mark.parametrize("name", ["migrate", "scheduler"])
def test_every_snellen_command_exists(services: dict[str, Any], name: str) -> None:
    program, command, *_ = services[name]["command"]
    assert program == "snellen"
    done = subprocess.run([sys.executable, "-m", "monitor.cli", command, "--help"], capture_output=True, check=False)
    assert done.returncode == 0


def test_every_file_that_the_image_copies_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) > 5
    assert all((ROOT / name).exists() for name in names)
