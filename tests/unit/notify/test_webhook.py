"""The webhook against a real HTTP server on 127.0.0.1."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from monitor.errors import NotificationError, SettingsError
from monitor.notify import AlertMessage, Webhook
from tests.certificates import Authority, server_side
from tests.pace import within

MESSAGE = AlertMessage(
    alert_id=7,
    dedup_key="scene-vqa-availability/page/20261121T0412Z/1",
    slo="scene-vqa-availability",
    severity="page",
    transition="opened",
    reason="first_breach",
    summary="Availability of scene-vqa burns too fast: 31,2 % — é",
    details="one\ntwo",
    started_at=datetime(2026, 11, 21, 4, 12, tzinfo=UTC),
    link="http://127.0.0.1:8501/on_call?alert=7",
    evidence={"number": 1},
)

SHARED = b"correct horse"


@dataclass
class Seen:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    address: str
    seen: list[Seen] = field(default_factory=list)


@contextmanager
def receiver(answer: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A server that notes every POST and then answers as told."""
    noted = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            noted.seen.append(Seen(self.path, dict(self.headers), body))
            answer(self)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    noted.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield noted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_https_reaches_a_host_whose_certificate_is_its_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, "authority")
    with receiver(answering(204), server_side(authority, "localhost")) as server:
        address = server.address.replace("127.0.0.1", "localhost")
        with pytest.raises(NotificationError, match="certificate verify failed"):
            Webhook(address).notify(MESSAGE)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        Webhook(address).notify(MESSAGE)
        with pytest.raises(NotificationError, match=r"certificate is not valid for '127\.0\.0\.1'"):
            Webhook(server.address).notify(MESSAGE)
    [seen] = server.seen
    assert seen.headers["Host"] == address.removeprefix("https://")


def test_it_posts_the_message_as_json_with_its_key() -> None:
    with receiver(answering(204)) as server:
        Webhook(f"{server.address}/hooks/snellen?team=vlm").notify(MESSAGE)
    (seen,) = server.seen
    assert seen.path == "/hooks/snellen?team=vlm"
    assert json.loads(seen.body) == MESSAGE.as_json()
    assert seen.headers["Content-Type"] == "application/json; charset=utf-8"
    assert seen.headers["Idempotency-Key"] == MESSAGE.dedup_key
    assert "X-Snellen-Signature-256" not in seen.headers


def test_two_attempts_carry_the_same_key_and_the_same_body() -> None:
    with receiver(answering(200)) as server:
        webhook = Webhook(server.address)
        webhook.notify(MESSAGE)
        webhook.notify(MESSAGE)
    first, second = server.seen
    assert first.path == "/"
    assert (first.body, first.headers["Idempotency-Key"]) == (second.body, second.headers["Idempotency-Key"])


def test_a_secret_signs_the_body() -> None:
    with receiver(answering(200)) as server:
        Webhook(server.address, SHARED.decode()).notify(MESSAGE)
    (seen,) = server.seen
    expected = hmac.new(SHARED, seen.body, hashlib.sha256).hexdigest()
    assert seen.headers["X-Snellen-Signature-256"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (301, False),
        (302, False),
        (307, False),
        (400, True),
        (401, False),
        (403, False),
        (404, False),
        (408, False),
        (410, False),
        (413, True),
        (415, True),
        (422, True),
        (429, False),
        (431, True),
        (500, False),
        (502, False),
        (503, False),
    ],
)
def test_the_status_decides_whether_another_try_can_help(status: int, permanent: bool) -> None:
    with (
        receiver(answering(status, b"sorry,\n no", Location="http://127.0.0.1:1/")) as server,
        pytest.raises(NotificationError, match=f"answered {status}.* sorry, no$") as caught,
    ):
        Webhook(server.address).notify(MESSAGE)
    assert caught.value.permanent is permanent
    assert len(server.seen) == 1


def test_a_redirect_is_not_followed() -> None:
    with receiver(answering(200)) as elsewhere:
        with (
            receiver(answering(307, Location=elsewhere.address)) as server,
            pytest.raises(NotificationError, match="redirects are not followed"),
        ):
            Webhook(server.address).notify(MESSAGE)
        assert elsewhere.seen == []


def test_a_server_that_hangs_is_left_after_the_timeout() -> None:
    release = threading.Event()
    with receiver(lambda _: release.wait(10) and None) as server:
        with pytest.raises(NotificationError, match="did not answer") as caught:
            within(3, lambda: Webhook(server.address, timeout=0.3).notify(MESSAGE))
        release.set()
    assert not caught.value.permanent


def test_a_server_that_trickles_is_left_after_the_timeout_too() -> None:
    stop = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        while not stop.wait(0.05):
            try:
                handler.wfile.write(b"H")
            except OSError:
                return

    with receiver(trickle) as server:
        with pytest.raises(NotificationError, match="did not answer"):
            within(3, lambda: Webhook(server.address, timeout=0.4).notify(MESSAGE))
        stop.set()


def test_a_refusal_that_trickles_is_left_after_the_timeout_too() -> None:
    """Of a server that closes behind its answer, as HTTP/1.0 does: http.client lets go of the connection at once."""
    stop = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(400)
        handler.end_headers()
        while not stop.wait(0.05):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    with receiver(trickle) as server:
        with pytest.raises(NotificationError, match="answered 400"):
            within(3, lambda: Webhook(server.address, timeout=1).notify(MESSAGE))
        stop.set()


def test_an_endless_refusal_is_cut_short() -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(400)
        handler.end_headers()
        try:
            for _ in range(2000):
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    with (
        receiver(flood) as server,
        pytest.raises(NotificationError, match=r"answered 400 x{200}$") as caught,
    ):
        Webhook(server.address).notify(MESSAGE)
    assert caught.value.permanent


def test_the_body_of_a_success_is_not_waited_for() -> None:
    release = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        release.wait(10)

    with receiver(answer) as server:
        within(2, lambda: Webhook(server.address, timeout=5).notify(MESSAGE))
        release.set()


def test_what_is_no_http_is_a_fault_of_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NotificationError) as caught:
            Webhook(f"http://127.0.0.1:{server.getsockname()[1]}").notify(MESSAGE)
        thread.join()
    assert not caught.value.permanent


def test_nobody_listening_is_a_fault_of_the_network_and_shows_no_more_than_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(NotificationError) as caught:
        Webhook(f"{address}/services/s3cret-token").notify(MESSAGE)
    assert not caught.value.permanent
    assert str(caught.value).startswith(f"{address} did not answer")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "http://",
        "http://:80/",
        "http://example.com:port/",
        "http://example.com:99999/",
        "http://example.com/a b",
        "http://example.com/\r\nX-Injected: 1",
        "http://bücher.example/",
        "https://user:pass@example.com/",
        "http://[::1/",
    ],
)
def test_an_address_that_is_none_is_a_settings_fault(url: str) -> None:
    with pytest.raises(SettingsError, match=r"alerts\.webhook\.url"):
        Webhook(url)
