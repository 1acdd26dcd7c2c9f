"""docker-compose.yml, checked without a container engine: its schema, its commands, and what it exposes."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import BaseModel

from monitor.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ("migrate", "collectors", "scheduler", "dashboard", "embed")
DATA = {"postgres": "/var/lib/postgresql/data", "kafka": "/var/lib/kafka/data"}
"""Where the images of others let us keep what must outlive a container."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


@pytest.fixture(scope="module")
def services(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["services"]
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
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert f"useradd --uid {service['user']}" in DOCKERFILE
    assert f"SNELLEN_HOME={service['tmpfs'][1]}/" in DOCKERFILE


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_a_setting(services: dict[str, Any], name: str) -> None:
    for variable in services[name]["environment"]:
        if variable.startswith("SNELLEN_"):
            section: Any = Settings
            for field in variable.removeprefix("SNELLEN_").lower().split("__"):
                assert issubclass(section, BaseModel), variable
                assert field in section.model_fields, variable
                section = section.model_fields[field].annotation


def test_our_addresses_are_those_of_the_servers(services: dict[str, Any]) -> None:
    ours, postgres = services["collectors"]["environment"], services["postgres"]["environment"]
    address = urlsplit(ours["SNELLEN_DATABASE_URL"])
    assert (address.hostname, address.port) == ("postgres", 5432)
    assert (address.username, address.path) == (postgres["POSTGRES_USER"], f"/{postgres['POSTGRES_DB']}")
    assert ours["PGPASSWORD"] == postgres["POSTGRES_PASSWORD"], "libpq takes it from there, whatever is in it"
    assert f"INSIDE://{ours['SNELLEN_KAFKA__BOOTSTRAP_SERVERS']}" in _listeners(services, "ADVERTISED_LISTENERS")


def test_the_listeners_of_kafka_fit_together(services: dict[str, Any]) -> None:
    kafka = services["kafka"]["environment"]
    listening = {one.split("://:")[0]: one.split("://:")[1] for one in _listeners(services, "LISTENERS")}
    advertised = {one.split("://")[0]: urlsplit(one) for one in _listeners(services, "ADVERTISED_LISTENERS")}
    protocols = {one.split(":")[0] for one in _listeners(services, "LISTENER_SECURITY_PROTOCOL_MAP")}
    assert set(listening) == protocols == {*advertised, kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert all(str(one.port) == listening[name] for name, one in advertised.items())
    assert kafka["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    assert kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"{kafka['KAFKA_NODE_ID']}@kafka:{listening['CONTROLLER']}"
    assert services["kafka"]["ports"] == [f"{advertised['OUTSIDE'].netloc}:{listening['OUTSIDE']}"]
    assert f"127.0.0.1:{listening['INSIDE']}" in services["kafka"]["healthcheck"]["test"][1]


def _listeners(services: dict[str, Any], name: str) -> list[str]:
    return str(services["kafka"]["environment"][f"KAFKA_{name}"]).split(",")


def test_a_record_that_we_accept_is_one_that_kafka_accepts(services: dict[str, Any]) -> None:
    room = int(services["kafka"]["environment"]["KAFKA_MESSAGE_MAX_BYTES"])
    assert room > Settings.model_fields["ingest"].default.max_record_bytes


def test_what_the_servers_store_outlives_their_containers(document: dict[str, Any]) -> None:
    services = document["services"]
    assert {name: services[name]["volumes"] for name in DATA} == {name: [f"{name}:{at}"] for name, at in DATA.items()}
    assert set(document["volumes"]) == set(DATA)
    assert services["kafka"]["environment"]["KAFKA_LOG_DIRS"] == DATA["kafka"], "the default is elsewhere"
    assert services["kafka"]["environment"]["CLUSTER_ID"]


def test_postgresql_is_not_healthy_while_its_image_still_makes_the_database(services: dict[str, Any]) -> None:
    """The server of that time listens on its socket alone."""
    assert "-h 127.0.0.1" in services["postgres"]["healthcheck"]["test"][1]


def test_nothing_is_taken_in_whatever_version_is_newest(services: dict[str, Any]) -> None:
    images = [one["image"] for name, one in services.items() if name not in OURS]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_the_image_has_a_python_that_we_support() -> None:
    at_least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    oldest = tuple(map(int, re.findall(r"\d+", at_least)))
    versions = re.findall(r"^FROM python:(\d+)\.(\d+)-", DOCKERFILE, flags=re.MULTILINE)
    assert len(versions) == 2
    assert len(set(versions)) == 1
    assert tuple(map(int, versions[0])) >= oldest


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
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) > 5
    assert all((ROOT / name).exists() for name in names)
    assert not set(names) & set((ROOT / ".dockerignore").read_text().split())
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(packages["packages"]) | {"alembic", "slos"} <= set(names)
