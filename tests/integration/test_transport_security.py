"""TLS and SASL to Kafka, TLS to PostgreSQL: what must work, works; what must not, ends in one clear message.

The embedded broker speaks both by its options, but the build that is packaged takes no certificate together with its
key, and knows no user that could be made in its memory. So a gateway stands before it that terminates TLS and answers
the SASL handshake as Kafka does, byte for byte; everything behind the handshake is the broker's own.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import parse_qs, urlsplit

import msgspec
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monitor.broker import ClientConfig, Sink, ensure_topics
from monitor.broker.peek import peek
from monitor.embedded.broker import find_binary
from monitor.embedded.ports import free_port
from monitor.embedded.postgres import Postgres
from monitor.embedded.probes import to_libpq
from monitor.embedded.process import ManagedProcess
from monitor.errors import BrokerError, BrokerRefused, StoreError
from monitor.store.engine import make_engine, migrate, require_migrated

pytestmark = pytest.mark.integration
USER, PASSWORD = "snellen-user", "correct horse battery staple"
DAY = dt.timedelta(days=1)


# ---- certificates ---------------------------------------------------------------------------------------------------


class Authority:
    """Signs certificates, and writes them where a server or a client finds them."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *hosts: str, password: str | None = None, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key, for hosts or for nobody in particular."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts or (name,)])
        certificate = self._sign(subject, key.public_key(), names, days)
        files = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pkcs8 = serialization.PrivateFormat.PKCS8
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, encryption))
        files[1].chmod(0o600)
        return files

    def _sign(self, subject: x509.Name, key: Any, extension: Any, days: int = 1) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - 9 * DAY).not_valid_after(now + days * DAY)
        critical = isinstance(extension, x509.BasicConstraints)
        return builder.add_extension(extension, critical).sign(self._key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


# ---- SCRAM, the server's side (RFC 5802, section 3; RFC 7677 for SHA-256) -------------------------------------------


@dataclass
class Scram:
    """Knows one password, as a broker does: salt, iterations, stored key and server key."""

    hash_name: str
    password: str
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    nonce: str = field(default_factory=lambda: secrets.token_hex(12))
    iterations: int = 4096
    lies: bool = False
    """Pretends to know the password."""
    messages: list[str] = field(default_factory=list)

    def first(self, client_first: str) -> str:
        bare = client_first.split(",", 2)[2]
        nonce = dict(part.split("=", 1) for part in bare.split(","))["r"] + self.nonce
        answer = f"r={nonce},s={base64.b64encode(self.salt).decode()},i={self.iterations}"
        self.messages = [bare, answer]
        return answer

    def final(self, client_final: str) -> str | None:
        """The server's signature; None: the proof is wrong."""
        without_proof, _, proof = client_final.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac(self.hash_name, self.password.encode(), self.salt, self.iterations)
        message = ",".join([*self.messages, without_proof]).encode()
        stored_key = hashlib.new(self.hash_name, self._mac(salted, b"Client Key")).digest()
        signature = self._mac(stored_key, message)
        client_key = bytes(a ^ b for a, b in zip(signature, base64.b64decode(proof), strict=True))
        if self.lies:
            return "v=" + base64.b64encode(self.nonce.encode()).decode()
        if hashlib.new(self.hash_name, client_key).digest() != stored_key:
            return None
        return "v=" + base64.b64encode(self._mac(self._mac(salted, b"Server Key"), message)).decode()

    def _mac(self, key: bytes, content: bytes) -> bytes:
        return hmac.new(key, content, self.hash_name).digest()


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


# ---- the gateway ----------------------------------------------------------------------------------------------------

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
AUTHENTICATION_FAILED, UNSUPPORTED_MECHANISM = 58, 33


class Gateway:
    """TLS and SASL in front of a plaintext broker, which must advertise the gateway's port."""

    def __init__(self, port: int, behind: int) -> None:
        self.servers = f"127.0.0.1:{port}"
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", port))
        self.demand(None, ())
        threading.Thread(target=self._accept, daemon=True).start()

    def demand(self, context: ssl.SSLContext | None, mechanisms: tuple[str, ...], *, impostor: bool = False) -> None:
        """From now on."""
        self._context, self._mechanisms, self._impostor = context, mechanisms, impostor
        self._password = PASSWORD
        self._open: list[socket.socket] = []
        self.attempts = self.passwords_seen = 0

    def change_password(self) -> None:
        """And end every connection that was made with the old one."""
        self._password = secrets.token_hex(8)
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.attempts += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError, ValueError, KeyError), connection:
            client = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with client, closing(socket.create_connection(("127.0.0.1", self._behind))) as broker:
                self._open.append(broker)
                if self._mechanisms and not self._authenticate(client, broker):
                    return
                back = threading.Thread(target=_pump, args=(broker, client), daemon=True)
                back.start()
                _pump(client, broker)
                back.join()

    def _authenticate(self, client: socket.socket, broker: socket.socket) -> bool:
        """Kafka's SASL over its own frames (KIP-43, KIP-152); nothing but the versions is told before."""
        mechanism, scram = "", None
        while True:
            frame = _read_frame(client)
            key, version, correlation = struct.unpack(">hhi", frame[:8])
            (name_length,) = struct.unpack(">h", frame[8:10])
            body = frame[10 + max(name_length, 0) :]
            if key == API_VERSIONS:
                _send_frame(broker, frame)
                _send_frame(client, _read_frame(broker))
            elif key == SASL_HANDSHAKE:
                mechanism = body[2:].decode()
                known = mechanism in self._mechanisms
                names = b"".join(_string(one) for one in self._mechanisms)
                error = 0 if known else UNSUPPORTED_MECHANISM
                _send_frame(client, struct.pack(">ihi", correlation, error, len(self._mechanisms)) + names)
                scram = Scram(
                    mechanism.removeprefix("SCRAM-").replace("-", "").lower(), self._password, lies=self._impostor
                )
            elif key == SASL_AUTHENTICATE and scram is not None:
                self.passwords_seen += 1
                token = (body[4:] if version < 2 else _compact_bytes(body[1:])).decode()
                answer, done = _answer(mechanism, scram, token)
                _send_frame(client, _authenticated(version, correlation, answer))
                if answer is None or done:
                    return answer is not None
            else:
                return False


def _authenticated(version: int, correlation: int, answer: str | None) -> bytes:
    """SaslAuthenticateResponse; from version 2 on in the compact form of KIP-482."""
    error = AUTHENTICATION_FAILED if answer is None else 0
    message, content = b"invalid credentials" if error else None, (answer or "").encode()
    if version < 2:
        told = struct.pack(">h", -1) if message is None else struct.pack(">h", len(message)) + message
        packed = struct.pack(">ih", correlation, error) + told + struct.pack(">i", len(content)) + content
        return packed + (struct.pack(">q", 0) if version else b"")
    told = b"\0" if message is None else _uvarint(len(message) + 1) + message
    packed = struct.pack(">ibh", correlation, 0, error) + told + _uvarint(len(content) + 1) + content
    return packed + struct.pack(">qb", 0, 0)


def _uvarint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _uvarint(number >> 7)


def _compact_bytes(body: bytes) -> bytes:
    size, shift, at = 0, 0, 0
    while True:
        size |= (body[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 128:
            return body[at : at + size - 1]


def _answer(mechanism: str, scram: Scram, token: str) -> tuple[str | None, bool]:
    """What the server says to a token, and whether that is the end; None: it is refused."""
    if mechanism == "PLAIN":
        return ("" if token == f"{USER}\0{USER}\0{scram.password}" else None), True
    if not scram.messages:
        return (scram.first(token) if f"n={USER}," in token else None), False
    return scram.final(token), True


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        some = connection.recv(size - len(content))
        if not some:
            raise EOFError
        content += some
    return content


def _read_frame(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _read_exactly(connection, 4))
    return _read_exactly(connection, size)


def _send_frame(connection: socket.socket, content: bytes) -> None:
    connection.sendall(struct.pack(">i", len(content)) + content)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while some := source.recv(65536):
            target.sendall(some)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """In front of a broker of its own; tests set what it demands."""
    front, behind = free_port(21000 + os.getpid() % 1000), free_port(22000 + os.getpid() % 1000)
    broker = ManagedProcess(
        "broker",
        [
            str(find_binary()), "broker", "--cluster-id=secured", f"--listener-url=tcp://127.0.0.1:{behind}",
            f"--advertised-listener-url=tcp://127.0.0.1:{front}", "--storage-engine=memory://snellen/",
        ],
        log=tmp_path_factory.mktemp("broker") / "broker.log",
        health=f"kafka://127.0.0.1:{behind}",
    )  # fmt: skip
    try:
        broker.start()
        broker.wait_ready(10)
        with closing(Gateway(front, behind)) as found:
            yield found
    finally:
        broker.stop(2)


def server_side(authority: Authority, *hosts: str, days: int = 1, clients: Authority | None = None) -> ssl.SSLContext:
    """A server's TLS; with `clients`, it demands certificates that this authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(f"server-{secrets.token_hex(3)}", *(hosts or ("127.0.0.1",)), days=days))
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.file)
    return context


def config(
    gateway: Gateway, authority: Authority, protocol: str, mechanism: str | None, **changes: Any
) -> ClientConfig:
    values: dict[str, Any] = {"bootstrap_servers": gateway.servers, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        values["ssl_cafile"] = str(authority.file)
    if mechanism:
        values |= {"sasl_mechanism": mechanism, "sasl_username": USER, "sasl_password": PASSWORD}
    return ClientConfig(**values | changes)


def refusal(config: ClientConfig, kind: type[BrokerError] = BrokerRefused) -> str:
    """The message with which every kind of client gives up, soon."""
    messages = []
    for connect in (lambda: ensure_topics(config, ["t"], 1), lambda: Sink(config)):
        start = time.monotonic()
        with pytest.raises(kind) as refused:
            connect()
        assert time.monotonic() - start < 15
        messages.append(str(refused.value))
        assert "\n" not in messages[-1]
        assert PASSWORD not in messages[-1]
    return messages[-1]


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


def test_a_password_that_is_changed_while_we_read_ends_the_collector(
    environment: dict[str, str], gateway: Gateway, database_url: str
) -> None:
    assert snellen(environment, "migrate").returncode == 0
    with collector(environment) as process:
        _wait_for(lambda: _number(database_url, "SELECT count(*) FROM stream_offsets") == 3)
        gateway.change_password()
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    last = msgspec.json.decode(told.splitlines()[-1])
    assert "refused the login: check kafka.sasl_mechanism" in last["message"]


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_tls_to_a_plaintext_port_ends_soon(gateway: Gateway, authority: Authority) -> None:
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


# ---- whole processes ------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(
    gateway: Gateway, authority: Authority, database_url: str, topic: str, tmp_path: Path
) -> dict[str, str]:
    """Settings of a process that reaches the gateway by SASL over TLS, with a client certificate."""
    certificate, key = authority.issue(f"client-{topic}")
    gateway.demand(server_side(authority, clients=authority), ("SCRAM-SHA-512",))
    kafka = {
        "BOOTSTRAP_SERVERS": gateway.servers, "SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-512",
        "SASL_USERNAME": USER, "SASL_PASSWORD": PASSWORD, "SSL_CAFILE": str(authority.file),
        "SSL_CERTFILE": str(certificate), "SSL_KEYFILE": str(key), "GROUP": topic, "PARTITIONS": "1",
        "PREDICTIONS_TOPIC": f"{topic}.p", "LABELS_TOPIC": f"{topic}.l", "DEPLOYMENTS_TOPIC": f"{topic}.d",
    }  # fmt: skip
    return {
        **os.environ, "SNELLEN_CONFIG": os.devnull, "SNELLEN_HOME": str(tmp_path), "SNELLEN_DATABASE_URL": database_url,
        **{f"SNELLEN_KAFKA__{name}": value for name, value in kafka.items()},
    }  # fmt: skip


def snellen(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def collector(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "collectors", "ingest"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_log_is_replayed_through_sasl_and_tls_into_the_store(
    environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"id": "r{n}", "at": "2026-11-20T12:00:0{n}Z", "q": "What?"}}\n' for n in range(5)))
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "prediction:\n  request_id: $.id\n  ts: {transform: assume_utc, of: $.at}\n  model: {name: m}\n  task: vqa\n"
        "  status: ok\n  input: {prompt: $.q}\n"
    )
    made = snellen(environment, "migrate")
    assert made.returncode == 0, made.stderr
    with collector(environment) as process:
        sent = snellen(environment, "replay", str(log), "--mapping", str(mapping))
        command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert PASSWORD.encode() not in command_line
    assert PASSWORD not in made.stdout + made.stderr + sent.stdout + sent.stderr
    assert _number(database_url, "SELECT count(*) FROM predictions") == 5


def _number(database_url: str, query: LiteralString) -> int:
    with psycopg.connect(to_libpq(database_url)) as connection:
        (found,) = connection.execute(query).fetchone() or (0,)
    return int(found)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SASL_PASSWORD", "an old password that was changed", "check kafka.sasl_mechanism"),
        ("SSL_CERTFILE", "/nowhere.pem", "kafka.ssl_certfile"),
        ("BOOTSTRAP_SERVERS", "localhost", "connect by a name that its certificate holds"),
    ],
)
def test_a_collector_that_is_refused_ends_with_one_clear_message(
    environment: dict[str, str], gateway: Gateway, variable: str, value: str, said: str
) -> None:
    if variable == "BOOTSTRAP_SERVERS":
        value = gateway.servers.replace("127.0.0.1", value)
    environment[f"SNELLEN_KAFKA__{variable}"] = value
    before = gateway.attempts
    with collector(environment) as process:
        told = process.communicate(timeout=40)[1]
    assert process.returncode == 1
    errors = [line for line in map(msgspec.json.decode, told.splitlines()) if line["logger"] == "collectors"]
    assert len(errors) == 1
    assert said in errors[0]["message"]
    assert "Traceback" not in told
    assert PASSWORD not in told
    assert "an old password" not in told
    assert gateway.attempts - before <= 4, "no endless retry"


def test_no_description_of_a_client_shows_its_secrets() -> None:
    described = ClientConfig("h:1", "SASL_SSL", "PLAIN", USER, PASSWORD, ssl_key_password=PASSWORD)
    assert PASSWORD not in f"{described!r} {described}"


# ---- PostgreSQL -----------------------------------------------------------------------------------------------------

WORD = "a%20password%20of%20the%20database"
GSS_REQUEST, SSL_REQUEST = 80877104, 80877103  # PostgreSQL's documentation, "Message Formats"


class TlsPostgres:
    """TLS in front of the embedded PostgreSQL, whose build has none; as the real one begins it (SSLRequest)."""

    def __init__(self, behind: str, context: ssl.SSLContext) -> None:
        self._behind, self._context = behind, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.secured = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError), connection:
            while (code := struct.unpack(">ii", _read_exactly(connection, 8))[1]) == GSS_REQUEST:
                connection.sendall(b"N")
            if code != SSL_REQUEST:
                return
            connection.sendall(b"S")
            with self._context.wrap_socket(connection, server_side=True) as client, socket.socket(socket.AF_UNIX) as to:
                self.secured += 1
                to.connect(self._behind)
                threading.Thread(target=_pump, args=(to, client), daemon=True).start()
                _pump(client, to)


@pytest.fixture
def tls_server(postgres_server: Postgres, authority: Authority) -> Iterator[TlsPostgres]:
    folder = parse_qs(urlsplit(postgres_server.url).query)["host"][0]
    with closing(TlsPostgres(f"{folder}/.s.PGSQL.5432", server_side(authority))) as found:
        yield found


def through(server: TlsPostgres, url: str, mode: str, authority: Authority, host: str = "127.0.0.1") -> str:
    """The address of a database, by way of TLS."""
    name = urlsplit(url).path
    return f"postgresql+psycopg://snellen:{WORD}@{host}:{server.port}{name}?sslmode={mode}&sslrootcert={authority.file}"


def test_postgresql_is_reached_through_verified_tls(
    tls_server: TlsPostgres, authority: Authority, empty_database_url: str
) -> None:
    url = through(tls_server, empty_database_url, "verify-full", authority)
    migrate(url)
    engine = make_engine(url)
    require_migrated(engine)
    engine.dispose()
    assert tls_server.secured >= 2


def test_a_postgresql_that_cannot_prove_who_it_is_is_refused(
    tls_server: TlsPostgres, authority: Authority, database_url: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    for url, said in (
        (through(tls_server, database_url, "verify-full", stranger), "certificate verify failed"),
        (through(tls_server, database_url, "verify-full", authority, host="localhost"), "does not match host name"),
        (through(tls_server, database_url, "verify-full", Authority(tmp_path, "x")) + "-gone", "does not exist"),
    ):
        engine = make_engine(url)
        with pytest.raises(StoreError, match=said) as refused:
            require_migrated(engine)
        assert WORD.replace("%20", " ") not in str(refused.value)
        engine.dispose()


def test_a_process_that_cannot_trust_postgresql_says_so_without_the_password(
    tls_server: TlsPostgres, environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    environment["SNELLEN_DATABASE_URL"] = through(tls_server, database_url, "verify-full", stranger)
    done = snellen(environment, "erase", "--request-id", "x")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr
    assert WORD.replace("%20", " ") not in done.stdout + done.stderr
    assert WORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
