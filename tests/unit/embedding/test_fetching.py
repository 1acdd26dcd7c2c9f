"""Pictures over HTTP(S) from a real server on loopback that behaves as badly as a stranger's may."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monitor.embedding.fetching import Fetcher, FetchLimits, Resolve
from monitor.embedding.places import Places
from monitor.embedding.refusals import Refusal, RefusedImage

PICTURE = b"\x89PNG" + bytes(range(256)) * 100
LOOPBACK = ["127.0.0.0/8"]
HASTY = FetchLimits(max_bytes=100_000, total_s=1.5, connect_s=0.8, silence_s=0.8, at_once=20)
"""Slow strangers are given up soon, so that the tests are quick."""

Say = Callable[[socket.socket, "Site"], None]


class Request(NamedTuple):
    target: str
    headers: dict[str, str]


class Site:
    """A server that answers each path by a function that holds the bare socket."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Say] = {"/picture": whole(PICTURE)}
        self.requests: list[Request] = []
        self.connections = 0
        self.busy = self.busiest = 0
        self.over = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._wires: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def close(self) -> None:
        self.over.set()
        for wire in [self._listener, *self._wires]:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                wire, _ = self._listener.accept()
                self.connections += 1
                self._spawn(self._serve, wire)

    def _serve(self, wire: socket.socket) -> None:
        with suppress(OSError, ValueError), wire:
            wire.settimeout(5)
            if self._tls is not None:
                wire = self._tls.wrap_socket(wire, server_side=True)
            self._wires.append(wire)
            with wire, wire.makefile("rb") as lines:
                while request := self._read(lines):
                    self.requests.append(request)
                    with self._lock:
                        self.busy += 1
                        self.busiest = max(self.busiest, self.busy)
                    try:
                        self.answers.get(request.target, whole(b"", "404 Not Found"))(wire, self)
                    finally:
                        with self._lock:
                            self.busy -= 1

    def _read(self, lines: object) -> Request | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = lines.readline()  # type: ignore[attr-defined]
            if not line:
                return None
            head += line
        first, *rest = head.decode().split("\r\n")
        return Request(first.split()[1], dict(line.split(": ", 1) for line in rest if line))


def whole(body: bytes, status: str = "200 OK", *headers: str) -> Say:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])
    return lambda wire, _: wire.sendall(head.encode() + body)


def redirect(to: str, *headers: str) -> Say:
    return whole(b"", "302 Found", f"Location: {to}", *headers)


def dripping(start: bytes, drop: bytes, pause: float = 0.05) -> Say:
    """Never silent for long, and never done."""

    def say(wire: socket.socket, site: Site) -> None:
        wire.sendall(start)
        while not site.over.wait(pause):
            wire.sendall(drop)

    return say


def silent(_: socket.socket, site: Site) -> None:
    site.over.wait(10)


class Authority:
    """A certificate authority of one's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _name("Test authority")
        self._certificate = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(True, None))
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *hosts: str) -> ssl.SSLContext:
        """A server's, whose certificate names these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
        ]
        certificate = self._sign(_name(hosts[0]), key.public_key(), x509.SubjectAlternativeName(names))
        file = self._folder / f"{hosts[0]}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_made: list[Fetcher] = []


def make(places: Places, limits: FetchLimits, cafile: Path | None, resolve: Resolve) -> Fetcher:
    """A fetcher that is closed when the test is over."""
    _made.append(Fetcher(places, limits, cafile, resolve))
    return _made[-1]


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


class Names:
    """A name server that is asked for what it is told to answer; all unknown names lead to loopback."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.get(host, ["127.0.0.1"])


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site(tls)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as plain:
        yield plain


@pytest.fixture
def secure(authority: Authority) -> Iterator[Site]:
    with serving(authority.context("pictures.test", "127.0.0.1")) as encrypted:
        yield encrypted


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def fetcher(site: Site, secure: Site, authority: Authority, names: Names) -> Fetcher:
    """May fetch from http://plain.test and https://pictures.test, which lie on loopback."""
    hosts = [f"http://plain.test:{site.port}", f"pictures.test:{secure.port}", f"http://*.below.test:{site.port}"]
    buckets = {"shots": f"http://plain.test:{site.port}/store"}
    return make(Places(hosts, buckets, LOOPBACK), HASTY, authority.file, names)


def refusal(fetcher: Fetcher, reference: str) -> Refusal:
    with pytest.raises(RefusedImage) as caught:
        fetcher.fetch(reference)
    assert len(str(caught.value)) > 20
    return caught.value.reason


# ---- what is fetched ------------------------------------------------------------------------------------------------


def test_a_picture_comes_over_tls_from_the_host_that_is_named(fetcher: Fetcher, secure: Site) -> None:
    reference = f"https://pictures.test:{secure.port}/picture"
    assert fetcher.fetch(reference) == PICTURE
    assert secure.requests[0].headers["Host"] == f"pictures.test:{secure.port}"


def test_connections_are_kept_for_the_next_picture(fetcher: Fetcher, secure: Site) -> None:
    for _ in range(3):
        assert fetcher.fetch(f"https://pictures.test:{secure.port}/picture") == PICTURE
    assert (secure.connections, len(secure.requests)) == (1, 3)


def test_a_server_that_closes_kept_connections_is_asked_on_a_fresh_one(fetcher: Fetcher, site: Site) -> None:
    def and_hang_up(wire: socket.socket, _: Site) -> None:
        whole(PICTURE)(wire, site)
        wire.shutdown(socket.SHUT_RDWR)

    site.answers["/picture"] = and_hang_up
    for _ in range(3):
        assert fetcher.fetch(f"http://plain.test:{site.port}/picture") == PICTURE
        time.sleep(0.02)
    assert site.connections == 3


def test_chunked_and_unbounded_bodies_are_read(fetcher: Fetcher, site: Site) -> None:
    chunk = b"%x\r\n%b\r\n" % (len(PICTURE), PICTURE)
    site.answers["/chunked"] = lambda wire, _: wire.sendall(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk + b"0\r\n\r\n"
    )

    def until_closed(wire: socket.socket, _: Site) -> None:
        wire.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + PICTURE)
        wire.shutdown(socket.SHUT_RDWR)

    site.answers["/old"] = until_closed
    assert fetcher.fetch(f"http://plain.test:{site.port}/chunked") == PICTURE * 2
    assert fetcher.fetch(f"http://plain.test:{site.port}/old") == PICTURE


def test_keys_of_a_bucket_lie_below_its_address(fetcher: Fetcher, site: Site) -> None:
    site.answers["/store/day%20one/a%23%3F%C3%A9.jpg"] = whole(PICTURE)
    assert fetcher.fetch("s3://shots/day one/a#?é.jpg") == PICTURE
    assert refusal(fetcher, "s3://others/a.jpg") == Refusal.HOST_NOT_ALLOWED
    assert refusal(fetcher, "s3://shots/../others/a.jpg") == Refusal.MALFORMED
    assert refusal(fetcher, "s3://shots/a\r\nX: y") == Refusal.MALFORMED
    assert refusal(fetcher, f"http://plain.test.:{site.port}/absent") == Refusal.MISSING


def test_a_bucket_allows_nothing_beside_its_own_address(site: Site, names: Names) -> None:
    fetcher = make(Places([], {"shots": f"http://plain.test:{site.port}/store"}, LOOPBACK), HASTY, None, names)
    assert refusal(fetcher, f"http://plain.test:{site.port}/picture") == Refusal.HOST_NOT_ALLOWED
    assert site.connections == 0


def test_nothing_of_the_environment_is_used_or_told(
    fetcher: Fetcher, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / ".netrc").write_text("machine plain.test login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    site.answers["/first"] = redirect("/picture", "Set-Cookie: id=1; Path=/")
    assert fetcher.fetch(f"http://plain.test:{site.port}/first") == PICTURE
    assert [set(one.headers) for one in site.requests] == [{"Host", "Accept", "Accept-Encoding", "User-Agent"}] * 2


# ---- where it may not lead ------------------------------------------------------------------------------------------


def test_by_default_nothing_is_asked_for(names: Names) -> None:
    fetcher = make(Places(), HASTY, None, names)
    assert refusal(fetcher, "https://example.org/a.jpg") == Refusal.HOST_NOT_ALLOWED
    assert not names.asked


FORBIDDEN = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "::", "::1",
    "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", [*FORBIDDEN, "0.0.0.0"])  # noqa: S104 (nothing is bound)
def test_a_name_that_leads_to_an_address_that_is_not_public_is_not_followed(address: str) -> None:
    fetcher = make(Places(["http://plain.test"]), HASTY, None, lambda *_: [address])
    assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("addresses", [["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"]])
def test_one_bad_address_spoils_the_good_ones(addresses: list[str]) -> None:
    fetcher = make(Places(["http://plain.test"]), HASTY, None, lambda *_: addresses)
    assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.ADDRESS_NOT_ALLOWED


def test_what_was_checked_is_what_is_connected_to(fetcher: Fetcher, site: Site, names: Names) -> None:
    """A name server that answers otherwise the second time (DNS rebinding) is not asked a second time."""
    reference = f"http://plain.test:{site.port}/picture"
    assert fetcher.fetch(reference) == PICTURE
    assert names.asked == ["plain.test"]
    names.answers["plain.test"] = ["10.0.0.1"]
    assert refusal(fetcher, reference) == Refusal.ADDRESS_NOT_ALLOWED
    assert names.asked == ["plain.test"] * 2, "a refusal is not tried again"


def test_networks_that_are_allowed_never_hold_metadata(site: Site) -> None:
    for address in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fe80::1"):
        everything = Places(["http://plain.test"], None, ["0.0.0.0/0", "::/0"])
        fetcher = make(everything, HASTY, None, lambda *_, one=address: [one])
        assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.ADDRESS_NOT_ALLOWED


def test_an_address_that_is_spelled_out_is_allowed(site: Site, names: Names) -> None:
    fetcher = make(Places([f"http://127.0.0.1:{site.port}"]), HASTY, None, names)
    assert fetcher.fetch(f"http://127.0.0.1:{site.port}/picture") == PICTURE
    assert refusal(fetcher, f"http://127.0.0.2:{site.port}/picture") == Refusal.HOST_NOT_ALLOWED
    assert refusal(fetcher, f"http://[::ffff:127.0.0.1]:{site.port}/picture") == Refusal.HOST_NOT_ALLOWED
    assert not names.asked


ELSEWHERE = {
    "metadata": ("http://169.254.169.254/latest/meta-data/", Refusal.HOST_NOT_ALLOWED),
    "loopback": ("http://127.0.0.1:22/", Refusal.HOST_NOT_ALLOWED),
    "loopback by another name": ("http://inner.below.test:{port}/picture", Refusal.ADDRESS_NOT_ALLOWED),
    "another port": ("http://plain.test:1/picture", Refusal.HOST_NOT_ALLOWED),
    "another host": ("//evil.test/picture", Refusal.HOST_NOT_ALLOWED),
    "a file": ("file:///etc/passwd", Refusal.MALFORMED),
    "inline": ("data:image/png;base64,QUJD", Refusal.MALFORMED),
    "a script": ("javascript:alert(1)", Refusal.MALFORMED),
    "a user": ("http://plain.test:{port}@evil.test/", Refusal.MALFORMED),
    "a broken address": ("http://[::1/", Refusal.UNREACHABLE),
}


@pytest.mark.parametrize(("to", "expected"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_redirect_is_checked_as_if_it_were_new(
    fetcher: Fetcher, site: Site, names: Names, to: str, expected: Refusal
) -> None:
    names.answers["inner.below.test"] = ["10.0.0.1"]
    site.answers["/first"] = redirect(to.format(port=site.port))
    assert refusal(fetcher, f"http://plain.test:{site.port}/first") == expected


def test_at_most_three_redirects_are_followed(fetcher: Fetcher, site: Site) -> None:
    for step in range(1, 5):
        site.answers[f"/{step}"] = redirect(f"http://plain.test:{site.port}/{step - 1}")
    site.answers["/0"] = whole(PICTURE)
    assert fetcher.fetch(f"http://plain.test:{site.port}/3") == PICTURE
    assert refusal(fetcher, f"http://plain.test:{site.port}/4") == Refusal.REDIRECTED


def test_a_certificate_must_be_the_hosts_and_from_a_trusted_authority(
    authority: Authority, names: Names, secure: Site
) -> None:
    places = Places([f"other.test:{secure.port}", f"pictures.test:{secure.port}", f"127.0.0.1:{secure.port}"])
    allowed = Places(places._hosts, None, LOOPBACK)
    trusting = make(allowed, HASTY, authority.file, names)
    assert refusal(trusting, f"https://other.test:{secure.port}/picture") == Refusal.UNTRUSTED
    assert trusting.fetch(f"https://127.0.0.1:{secure.port}/picture") == PICTURE
    usual = make(allowed, HASTY, None, names)
    assert refusal(usual, f"https://pictures.test:{secure.port}/picture") == Refusal.UNTRUSTED
    assert [one.headers["Host"] for one in secure.requests] == [f"127.0.0.1:{secure.port}"]


# ---- strangers that stall, flood or lie -----------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
STALLING: dict[str, Say] = {
    "no answer": silent,
    "a header without end": dripping(OK + b"X: ", b"y"),
    "headers without end": dripping(OK, b"X-Y: z\r\n"),
    "interim answers without end": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body in drops": dripping(OK + b"Content-Length: 90000\r\n\r\n", b"x"),
    "a body in drops, then closed": dripping(OK + b"Connection: close\r\nContent-Length: 90000\r\n\r\n", b"x"),
    "a body of an old server in drops": dripping(b"HTTP/1.0 200 OK\r\n\r\n", b"x"),
    "chunks in drops": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "trailers without end": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_stalls_is_given_up_in_time(fetcher: Fetcher, site: Site, secure: Site, scheme: str) -> None:
    stranger, host = (site, "plain.test") if scheme == "http" else (secure, "pictures.test")
    stranger.answers |= {f"/{name.replace(' ', '_')}": answer for name, answer in STALLING.items()}

    def wait(name: str) -> tuple[Refusal, float]:
        began = time.monotonic()
        reason = refusal(fetcher, f"{scheme}://{host}:{stranger.port}/{name.replace(' ', '_')}")
        return reason, time.monotonic() - began

    with ThreadPoolExecutor(len(STALLING)) as pool:
        found = dict(zip(STALLING, pool.map(wait, STALLING), strict=True))
    assert {name: reason for name, (reason, _) in found.items()} == dict.fromkeys(STALLING, Refusal.TIMED_OUT)
    assert max(seconds for _, seconds in found.values()) < HASTY.total_s + 0.7


def test_who_shakes_no_hand_is_given_up_in_time(authority: Authority, names: Names) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        fetcher = make(Places([f"pictures.test:{port}"], None, LOOPBACK), HASTY, authority.file, names)
        began = time.monotonic()
        assert refusal(fetcher, f"https://pictures.test:{port}/a.jpg") == Refusal.TIMED_OUT
        assert time.monotonic() - began < HASTY.total_s + 0.7


def test_a_name_server_that_stalls_is_given_up_in_time() -> None:
    answered = threading.Event()

    def stalled(*_: object) -> list[str]:
        answered.wait(10)
        return []

    fetcher = make(Places(["http://plain.test"]), HASTY, None, stalled)
    began = time.monotonic()
    assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.TIMED_OUT
    assert time.monotonic() - began < HASTY.total_s + 0.5
    answered.set()


FLOOD = b"x" * 65_536
FLOODING: dict[str, Say] = {
    "a body without end": dripping(b"HTTP/1.0 200 OK\r\n\r\n", FLOOD, 0),
    "chunks without end": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + FLOOD + b"\r\n", 0),
    "an honest length": lambda wire, _: wire.sendall(OK + b"Content-Length: 100001\r\n\r\n"),
    "a length beyond all": lambda wire, _: wire.sendall(OK + b"Content-Length: 99999999999999999999\r\n\r\n"),
}


@pytest.mark.parametrize("answer", FLOODING.values(), ids=FLOODING)
def test_reading_stops_at_the_limit(fetcher: Fetcher, site: Site, answer: Say) -> None:
    site.answers["/flood"] = answer
    began = time.monotonic()
    assert refusal(fetcher, f"http://plain.test:{site.port}/flood") == Refusal.TOO_LARGE
    assert time.monotonic() - began < 0.7, "neither waited for nor tried again"


def test_a_picture_of_just_the_limit_is_read(fetcher: Fetcher, site: Site) -> None:
    site.answers["/full"] = whole(b"x" * HASTY.max_bytes)
    assert len(fetcher.fetch(f"http://plain.test:{site.port}/full")) == HASTY.max_bytes


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_compressed_answer_is_refused_unread(fetcher: Fetcher, site: Site, coding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < HASTY.max_bytes
    site.answers["/bomb"] = whole(bomb, "200 OK", f"Content-Encoding: {coding}")
    assert refusal(fetcher, f"http://plain.test:{site.port}/bomb") == Refusal.UNREADABLE


BROKEN: dict[str, Say] = {
    "shorter than it says": lambda wire, _: _last_words(wire, OK + b"Content-Length: 500\r\n\r\nabc"),
    "a chunk that breaks off": lambda wire, _: _last_words(wire, OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    "a chunk of no size": lambda wire, _: _last_words(wire, OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "nothing": lambda wire, _: _last_words(wire, b""),
    "not HTTP": lambda wire, _: _last_words(wire, b"SSH-2.0-OpenSSH_9.9\r\n"),
    "a header line of a megabyte": lambda wire, _: _last_words(wire, OK + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n"),
    "ten thousand headers": lambda wire, _: _last_words(wire, OK + b"X: y\r\n" * 10_000 + b"\r\n"),
}


def _last_words(wire: socket.socket, words: bytes) -> None:
    wire.sendall(words)
    wire.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_asked_for_twice(fetcher: Fetcher, site: Site, answer: Say) -> None:
    site.answers["/broken"] = answer
    assert refusal(fetcher, f"http://plain.test:{site.port}/broken") == Refusal.UNREACHABLE
    assert len(site.requests) == 2


def test_a_fault_that_passes_costs_nothing(fetcher: Fetcher, site: Site) -> None:
    answers = iter([whole(b"", "503 Service Unavailable"), whole(PICTURE)])
    site.answers["/busy"] = lambda *where: next(answers)(*where)  # noqa: PLW0108 (each time another)
    assert fetcher.fetch(f"http://plain.test:{site.port}/busy") == PICTURE


@pytest.mark.parametrize(
    ("status", "expected", "asked"),
    [
        ("404 Not Found", Refusal.MISSING, 1), ("410 Gone", Refusal.MISSING, 1),
        ("403 Forbidden", Refusal.HTTP_ERROR, 1), ("401 Unauthorized", Refusal.HTTP_ERROR, 1),
        ("206 Partial Content", Refusal.HTTP_ERROR, 1), ("204 No Content", Refusal.HTTP_ERROR, 1),
        ("302 Found", Refusal.HTTP_ERROR, 1), ("500 Internal Server Error", Refusal.HTTP_ERROR, 2),
        ("429 Too Many Requests", Refusal.HTTP_ERROR, 2),
    ],
)  # fmt: skip
def test_other_answers_are_told_apart(fetcher: Fetcher, site: Site, status: str, expected: Refusal, asked: int) -> None:
    site.answers["/other"] = whole(b"", status)
    assert refusal(fetcher, f"http://plain.test:{site.port}/other") == expected
    assert len(site.requests) == asked


def test_nobody_at_home_is_unreachable(names: Names) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    fetcher = make(Places([f"http://plain.test:{port}"], None, LOOPBACK), HASTY, None, names)
    assert refusal(fetcher, f"http://plain.test:{port}/a.jpg") == Refusal.UNREACHABLE
    assert names.asked == ["plain.test"] * 2


def test_a_name_that_nobody_knows_is_unreachable() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    fetcher = make(Places(["http://plain.test"]), HASTY, None, unknown)
    assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.UNREACHABLE


def test_the_next_address_is_tried_when_one_does_not_answer(fetcher: Fetcher, site: Site, names: Names) -> None:
    names.answers["plain.test"] = ["127.0.0.2", "127.0.0.1"]  # the server listens on the second one
    assert fetcher.fetch(f"http://plain.test:{site.port}/picture") == PICTURE
    assert site.connections == 1


def test_a_host_is_asked_for_a_few_pictures_at_once(site: Site, names: Names) -> None:
    def slowly(wire: socket.socket, here: Site) -> None:
        time.sleep(0.05)
        whole(PICTURE)(wire, here)

    site.answers["/picture"] = slowly
    limits = FetchLimits(max_bytes=100_000, total_s=5, at_once=2)
    fetcher = make(Places([f"http://plain.test:{site.port}"], None, LOOPBACK), limits, None, names)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fetcher.fetch, [f"http://plain.test:{site.port}/picture"] * 16))
    assert found == [PICTURE] * 16
    assert site.busiest == 2
    assert site.connections == 2


def test_who_waits_too_long_for_a_turn_is_told_so(site: Site, names: Names) -> None:
    site.answers["/slow"] = silent
    limits = FetchLimits(max_bytes=100_000, total_s=0.5, at_once=1)
    fetcher = make(Places([f"http://plain.test:{site.port}"], None, LOOPBACK), limits, None, names)
    with ThreadPoolExecutor(3) as pool:
        reasons = list(pool.map(lambda _: refusal(fetcher, f"http://plain.test:{site.port}/slow"), range(3)))
    assert reasons == [Refusal.TIMED_OUT] * 3
