"""TLS and SASL in front of a broker, and TLS in front of a PostgreSQL, that speak neither."""

from __future__ import annotations

import secrets
import socket
import ssl
import struct
import threading
from contextlib import closing, suppress

from tests.integration.transport.scram import Scram

USER, PASSWORD = "snellen-user", "correct horse battery staple"
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
