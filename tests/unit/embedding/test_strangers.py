"""Pictures from servers that stall, flood, lie or are not there."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.embedding.fetching import Fetcher, FetchLimits
from monitor.embedding.places import Places
from monitor.embedding.refusals import Refusal
from tests.certificates import Authority
from tests.pace import wait_for, within
from tests.unit.embedding.fetchers import HASTY, LOOPBACK, PATIENT, Names, make, refusal
from tests.unit.embedding.site import PICTURE, Say, Site, dripping, silent, whole

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
def test_who_stalls_is_given_up_in_time(hasty: Fetcher, site: Site, secure: Site, scheme: str) -> None:
    stranger, host = (site, "plain.test") if scheme == "http" else (secure, "pictures.test")
    stranger.answers |= {f"/{name.replace(' ', '_')}": answer for name, answer in STALLING.items()}

    def wait(name: str) -> Refusal:
        return refusal(hasty, f"{scheme}://{host}:{stranger.port}/{name.replace(' ', '_')}")

    with ThreadPoolExecutor(len(STALLING)) as pool:
        found = {name: pool.submit(wait, name) for name in STALLING}
        wait_for(lambda: all(one.done() for one in found.values()), HASTY.total_s + 0.7, "all are given up")
    assert {name: one.result() for name, one in found.items()} == dict.fromkeys(STALLING, Refusal.TIMED_OUT)


def test_who_shakes_no_hand_is_given_up_in_time(authority: Authority, names: Names) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        fetcher = make(Places([f"pictures.test:{port}"], None, LOOPBACK), HASTY, authority.file, names)
        reason = within(HASTY.total_s + 0.7, lambda: refusal(fetcher, f"https://pictures.test:{port}/a.jpg"))
    assert reason == Refusal.TIMED_OUT


def test_a_name_server_that_stalls_is_given_up_in_time() -> None:
    answered = threading.Event()

    def stalled(*_: object) -> list[str]:
        answered.wait(10)
        return []

    fetcher = make(Places(["http://plain.test"]), HASTY, None, stalled)
    reason = within(HASTY.total_s + 0.5, lambda: refusal(fetcher, "http://plain.test/a.jpg"))
    answered.set()
    assert reason == Refusal.TIMED_OUT


FLOOD = b"x" * 65_536
FLOODING: dict[str, Say] = {
    "a body without end": dripping(b"HTTP/1.0 200 OK\r\n\r\n", FLOOD, 0),
    "chunks without end": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + FLOOD + b"\r\n", 0),
    "an honest length": lambda wire, _: wire.sendall(OK + b"Content-Length: 100001\r\n\r\n"),
    "a length beyond all": lambda wire, _: wire.sendall(OK + b"Content-Length: 99999999999999999999\r\n\r\n"),
}


@pytest.mark.parametrize("answer", FLOODING.values(), ids=FLOODING)
def test_reading_stops_at_the_limit(fetcher: Fetcher, site: Site, answer: Say) -> None:
    """Neither waited for nor tried again."""
    site.answers["/flood"] = answer
    reason = within(0.7, lambda: refusal(fetcher, f"http://plain.test:{site.port}/flood"))
    assert reason == Refusal.TOO_LARGE


def test_a_picture_of_just_the_limit_is_read(fetcher: Fetcher, site: Site) -> None:
    site.answers["/full"] = whole(b"x" * PATIENT.max_bytes)
    assert len(fetcher.fetch(f"http://plain.test:{site.port}/full")) == PATIENT.max_bytes


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_compressed_answer_is_refused_unread(fetcher: Fetcher, site: Site, coding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < PATIENT.max_bytes
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
    fetcher = make(Places([f"http://plain.test:{port}"], None, LOOPBACK), PATIENT, None, names)
    assert refusal(fetcher, f"http://plain.test:{port}/a.jpg") == Refusal.UNREACHABLE
    assert names.asked == ["plain.test"] * 2


def test_a_name_that_nobody_knows_is_unreachable() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    fetcher = make(Places(["http://plain.test"]), PATIENT, None, unknown)
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
