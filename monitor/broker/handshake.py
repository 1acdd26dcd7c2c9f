"""Before a client is made: does the broker speak what the settings say, and does it let us in?

kafka-python 3.0 retries also what is hopeless, such as a wrong password, for half a minute, and then only says that it
could not reach anybody.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import for_code
from kafka.net.sasl import get_sasl_mechanism

from monitor.broker.client import ClientConfig, translated
from monitor.errors import BrokerError, BrokerRefused

TIMEOUT_S = 5.0
_METADATA, _API_VERSIONS, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = 3, 18, 17, 36
_METADATA_VERSIONS = range(4, 8)
"""Those that ask by a list of topics and whether to make what is missing, and no more."""
_TLS_ALERT = b"\x15\x03"
"""First bytes of a TLS record that complains (RFC 8446, 5.1); as the length of a Kafka answer it would be 350 MB."""
_LONGEST_ANSWER = 1024 * 1024
_X509_HOSTNAME_MISMATCH, _X509_IP_MISMATCH, _X509_EXPIRED = 62, 64, 10  # openssl/x509_vfy.h
_IS_IT_TLS = "If it speaks TLS, set kafka.security_protocol to SSL or SASL_SSL"
_IS_IT_OURS = "It may demand another client certificate (kafka.ssl_certfile, kafka.ssl_keyfile)"
_NO_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_IS_IT_PLAIN = "If it speaks no TLS there, set kafka.security_protocol to PLAINTEXT or SASL_PLAINTEXT"
_IS_IT_SASL = (
    "If it demands a login, set kafka.security_protocol to SASL_SSL or SASL_PLAINTEXT, and kafka.sasl_mechanism"
)
_CHECK_LOGIN = "check kafka.sasl_mechanism, sasl_username and sasl_password"


@contextmanager
def admitted(config: ClientConfig) -> Iterator[None]:
    """Around the making of clients: whoever is refused is told why, before it and when it fails all the same.

    Raises:
        BrokerError: as `demand_access` and `translated`.
    """
    demand_access(config)
    try:
        with translated("connecting", config.bootstrap_servers):
            yield
    except BrokerError:
        demand_access(config)
        raise


def demand_access(config: ClientConfig) -> None:
    """Shake hands with the first server that can be reached; where none can, the client will say so.

    Raises:
        BrokerRefused: TLS where none is spoken or the other way round, a certificate that is not trusted or of another
            host, a client certificate or a password that is not accepted, files of certificates that cannot be read.
        BrokerError: the server hangs up without a word, which may be any of these.
    """
    context = _tls_context(config) if config.uses_tls else None
    for server in config.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        host = host.strip("[]")
        try:
            connection = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        except (OSError, ValueError):
            continue
        with connection:
            if context is None:
                _demand_plain(connection, config, server)
            else:
                _demand_tls(connection, context, host, config, server)
        return


def _tls_context(config: ClientConfig) -> ssl.SSLContext:
    """As the client's own. An encrypted key without its password is refused; OpenSSL would ask the terminal for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = config.ssl_check_hostname
    with _readable("ssl_cafile", config.ssl_cafile):
        if config.ssl_cafile:
            context.load_verify_locations(config.ssl_cafile)
        else:
            context.load_default_certs()
    if config.ssl_certfile:
        with _readable("ssl_certfile or its ssl_keyfile", config.ssl_certfile):
            password = config.ssl_key_password or ""
            context.load_cert_chain(config.ssl_certfile, config.ssl_keyfile, password=lambda: password)
    return context


@contextmanager
def _readable(setting: str, file: str | None) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise BrokerRefused(f"kafka.{setting} {file}: {error}") from None


def _demand_plain(connection: socket.socket, config: ClientConfig, server: str) -> None:
    try:
        _demand_answer(connection, config, server)
    except OSError as error:
        raise BrokerError(f"{server} does not answer: {error}. {_IS_IT_TLS}") from None


def _demand_tls(
    connection: socket.socket, context: ssl.SSLContext, host: str, config: ClientConfig, server: str
) -> None:
    try:
        secured = context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefused(_distrust(error, server)) from None
    except ssl.SSLEOFError as error:
        raise BrokerError(f"{server} hung up during the TLS handshake: {error}. {_IS_IT_PLAIN}") from None
    except ssl.SSLError as error:
        if error.reason in _NO_TLS:
            raise BrokerRefused(f"{server} does not speak TLS: {error.reason}. {_IS_IT_PLAIN}") from None
        raise BrokerRefused(f"{server} refused the TLS handshake: {error.reason}. {_IS_IT_OURS}") from None
    except OSError as error:
        raise BrokerError(f"{server} broke off the TLS handshake: {error}. {_IS_IT_PLAIN}") from None
    with secured:
        try:
            _demand_answer(secured, config, server)  # with TLS 1.3 only now it says what it thinks of our certificate
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError, TimeoutError) as error:
            raise BrokerError(f"{server} hung up after the TLS handshake: {error}. {_IS_IT_OURS}") from None
        except ssl.SSLError as error:
            raise BrokerRefused(f"{server} refused us after the TLS handshake: {error.reason}. {_IS_IT_OURS}") from None


def _demand_answer(connection: socket.socket, config: ClientConfig, server: str) -> None:
    """Ask what every broker tells before it knows who asks (KIP-35), and then log in, or see that we need not."""
    versions = _ask(connection, _API_VERSIONS, 0, b"", server)
    if config.sasl_mechanism:
        with _hanging_up(f"{server} hung up during the login: {_CHECK_LOGIN}"):
            _log_in(connection, config, server)
    else:
        with _hanging_up(f"{server} hung up when asked for what brokers tell whoever may read. {_IS_IT_SASL}"):
            _ask_for_no_topic(connection, versions, server)


@contextmanager
def _hanging_up(told: str) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise BrokerError(told) from None


def _ask_for_no_topic(connection: socket.socket, versions: bytes, server: str) -> None:
    """What a broker that demands a login does not answer, in a version that it has just told it speaks."""
    _, count = struct.unpack_from(">hi", versions)
    for key, oldest, newest in struct.iter_unpack(">hhh", versions[6 : 6 + 6 * count]):
        common = [version for version in _METADATA_VERSIONS if oldest <= version <= newest]
        if key == _METADATA and common:
            _ask(connection, _METADATA, common[0], struct.pack(">i?", 0, False), server)


def _log_in(connection: socket.socket, config: ClientConfig, server: str) -> None:
    """SASL over Kafka's frames (KIP-43, KIP-152), in the oldest versions that brokers still answer."""
    name = config.sasl_mechanism or ""
    answer = _ask(connection, _SASL_HANDSHAKE, 1, _text(name), server)
    _demand_no_error(answer, f"{server} does not offer kafka.sasl_mechanism {name}")
    mechanism = get_sasl_mechanism(name)(host=server, **config.options())
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        answer = _ask(connection, _SASL_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token, server)
        _demand_no_error(answer, f"{server} refused the login: {_CHECK_LOGIN}")
        (told,) = struct.unpack_from(">h", answer, 2)
        said = answer[8 + max(told, 0) :]
        if name.startswith("SCRAM") and said.startswith(b"e="):  # RFC 5802, section 7: server-error
            raise BrokerRefused(f"{server} refused the login: {_CHECK_LOGIN} ({said[2:].decode(errors='replace')})")
        try:
            mechanism.receive(said)
        except (ValueError, KeyError) as error:  # SCRAM proves both ends
            raise BrokerRefused(f"{server} does not know the password itself, it may be an impostor: {error}") from None


def _demand_no_error(answer: bytes, refusal: str) -> None:
    (code,) = struct.unpack_from(">h", answer)
    if code:
        raise BrokerRefused(f"{refusal} ({for_code(code).__name__})")


def _ask(connection: socket.socket, key: int, version: int, body: bytes, server: str) -> bytes:
    """One request and its answer, without their headers (Kafka protocol guide, request header v1)."""
    request = struct.pack(">hhi", key, version, 0) + _text("snellen") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    start = _receive(connection, 4)
    if start.startswith(_TLS_ALERT):
        raise BrokerRefused(f"{server} speaks TLS: set kafka.security_protocol to SSL or SASL_SSL")
    (size,) = struct.unpack(">i", start)
    if not 4 <= size <= _LONGEST_ANSWER:
        raise BrokerRefused(f"{server} does not speak Kafka's protocol")
    return _receive(connection, size)[4:]


def _receive(connection: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        some = connection.recv(size - len(content))
        if not some:
            raise ConnectionResetError("it hung up")
        content += some
    return bytes(content)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">h", len(encoded)) + encoded


def _distrust(error: ssl.SSLCertVerificationError, server: str) -> str:
    if error.verify_code in (_X509_HOSTNAME_MISMATCH, _X509_IP_MISMATCH):
        advice = "connect by a name that its certificate holds"
    elif error.verify_code == _X509_EXPIRED:
        advice = "renew it, or set this machine's clock"
    else:
        advice = "name the certificate of its authority in kafka.ssl_cafile"
    return f"the certificate of {server} is not trusted: {error.verify_message.rstrip('.')}; {advice}"
