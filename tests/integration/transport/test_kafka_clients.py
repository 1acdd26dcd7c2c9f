"""Kafka by TLS and SASL: what must work, works; what must not, ends in one clear message.

A gateway stands before the embedded broker, terminates TLS and answers the SASL handshake as Kafka does, byte for byte;
everything behind the handshake is the broker's own. `test_kafka_broker.py` says why, and asks the broker itself.
"""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.broker import ClientConfig, Sink, ensure_topics, handshake
from monitor.broker.peek import peek
from monitor.errors import BrokerError
from tests.certificates import Authority, server_side
from tests.integration.transport.clients import config, refusal
from tests.integration.transport.gateway import PASSWORD, USER, Gateway
from tests.integration.transport.scram import Scram

pytestmark = pytest.mark.integration


def test_the_gateways_scram_is_that_of_the_standard() -> None:
    """RFC 7677, section 3: the example exchange."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    scram = Scram("sha256", "pencil", salt, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    first = scram.first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    assert first == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    nonce = first.split(",")[0]
    assert scram.final(f"c=biws,{nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") == (
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )
    assert scram.final(f"c=biws,{nonce},p=AHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") is None


MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
WAYS = [("SSL", None), *((protocol, one) for protocol in ("SASL_PLAINTEXT", "SASL_SSL") for one in MECHANISMS)]


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
def test_records_are_sent_and_read_by_every_way(
    gateway: Gateway, authority: Authority, protocol: str, mechanism: str | None, topic: str
) -> None:
    gateway.demand(server_side(authority) if protocol.endswith("SSL") else None, (mechanism,) if mechanism else ())
    secured = config(gateway, authority, protocol, mechanism)
    ensure_topics(secured, [topic], 1)
    sink = Sink(secured)
    sink.send(topic, b"secret")
    sink.flush()
    sink.close()
    assert [record.value for record in peek(secured, topic, 10)] == [b"secret"]


def test_a_wrong_password_is_refused(gateway: Gateway, authority: Authority) -> None:
    for mechanism in MECHANISMS:
        gateway.demand(server_side(authority), (mechanism,))
        said = refusal(config(gateway, authority, "SASL_SSL", mechanism, sasl_password="wrong" * 5))
        assert "check kafka.sasl_mechanism, sasl_username and sasl_password" in said
        assert "wrong" * 5 not in said


def test_a_mechanism_that_the_broker_does_not_offer_is_refused(gateway: Gateway, authority: Authority) -> None:
    gateway.demand(None, ("SCRAM-SHA-512",))
    said = refusal(config(gateway, authority, "SASL_PLAINTEXT", "PLAIN"))
    assert "does not offer kafka.sasl_mechanism PLAIN" in said


def test_a_certificate_of_another_authority_is_refused(gateway: Gateway, authority: Authority, tmp_path: Path) -> None:
    gateway.demand(server_side(Authority(tmp_path, "stranger")), ("PLAIN",))
    assert "name the certificate of its authority in kafka.ssl_cafile" in refusal(
        config(gateway, authority, "SASL_SSL", "PLAIN")
    )
    assert "unable to get local issuer certificate" in refusal(
        config(gateway, authority, "SASL_SSL", "PLAIN", ssl_cafile=None)
    )
    assert gateway.passwords_seen == 0, "the password was not given away to a stranger"


def test_a_certificate_of_another_host_is_refused_unless_that_is_allowed(
    gateway: Gateway, authority: Authority, topic: str
) -> None:
    gateway.demand(server_side(authority, "kafka.example.org"), ())
    assert "connect by a name that its certificate holds" in refusal(config(gateway, authority, "SSL", None))
    careless = config(gateway, authority, "SSL", None, ssl_check_hostname=False)
    ensure_topics(careless, [topic], 1)


def test_a_certificate_that_expired_is_refused(gateway: Gateway, authority: Authority) -> None:
    gateway.demand(server_side(authority, days=-1), ())
    assert "expired; renew it" in refusal(config(gateway, authority, "SSL", None))


def test_plaintext_to_a_tls_port_ends_soon(gateway: Gateway, authority: Authority) -> None:
    gateway.demand(server_side(authority), ())
    said = refusal(config(gateway, authority, "PLAINTEXT", None), BrokerError)
    assert "If it speaks TLS, set kafka.security_protocol to SSL or SASL_SSL" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", "speaks TLS: set kafka.security_protocol to SSL or SASL_SSL"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Kafka's protocol"),
    ],
)
def test_what_is_no_broker_is_refused(answer: bytes, said: str) -> None:
    """A TLS alert (RFC 8446, 6) and a web server's answer, to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        assert said in refusal(ClientConfig(f"127.0.0.1:{listener.getsockname()[1]}"))


def test_a_scram_server_that_does_not_know_the_password_is_an_impostor(gateway: Gateway, authority: Authority) -> None:
    gateway.demand(None, ("SCRAM-SHA-256",), impostor=True)
    assert "may be an impostor" in refusal(config(gateway, authority, "SASL_PLAINTEXT", "SCRAM-SHA-256"))


def test_tls_to_a_plaintext_port_ends_soon(
    gateway: Gateway, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "TIMEOUT_S", 1.0)  # the broker says nothing, so it is waited for to the end
    gateway.demand(None, ())
    said = refusal(config(gateway, authority, "SSL", None), BrokerError)
    assert "set kafka.security_protocol to PLAINTEXT or SASL_PLAINTEXT" in said


def test_clients_show_their_certificates(gateway: Gateway, authority: Authority, tmp_path: Path, topic: str) -> None:
    """A server that hangs up may do so before its reason is read: then the message only guesses."""
    ours, stranger = Authority(tmp_path, "clients"), Authority(tmp_path, "strangers")
    gateway.demand(server_side(authority, clients=ours), ())
    certificate, key = map(str, ours.issue("snellen", password="of the key"))  # noqa: S106 (of a file that the test makes)
    files = {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_key_password": "of the key"}
    ensure_topics(config(gateway, authority, "SSL", None, **files), [topic], 1)
    assert "client certificate" in refusal(config(gateway, authority, "SSL", None), BrokerError)
    foreign = dict(zip(("ssl_certfile", "ssl_keyfile"), map(str, stranger.issue("foreign")), strict=True))
    assert "client certificate" in refusal(config(gateway, authority, "SSL", None, **foreign), BrokerError)
    assert "kafka.ssl_certfile or its ssl_keyfile" in refusal(
        config(gateway, authority, "SSL", None, ssl_certfile=certificate, ssl_keyfile=key)
    )
    assert "kafka.ssl_cafile /nowhere" in refusal(config(gateway, authority, "SSL", None, ssl_cafile="/nowhere"))


def test_no_description_of_a_client_shows_its_secrets() -> None:
    described = ClientConfig("h:1", "SASL_SSL", "PLAIN", USER, PASSWORD, ssl_key_password=PASSWORD)
    assert PASSWORD not in f"{described!r} {described}"
