"""References are read by one strict grammar, and lead nowhere that is not allowed."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.embedding.fetching import Fetcher, FetchLimits
from monitor.embedding.places import Places
from monitor.embedding.references import References
from monitor.embedding.refusals import Refusal
from monitor.embedding.urls import parse_url
from monitor.errors import ImageRefused, SettingsError

ALLOWED = Places(
    ["images.example.com", "*.cdn.example.com", "images.example.com:8443", "http://plain.example.com", "[2606::1]"],
    {"shots": "https://shots.example.com/base/", "other": "https://store.example.com:9000"},
)


def reason(reference: str) -> Refusal:
    with pytest.raises(ImageRefused) as caught:
        ALLOWED.locate(reference)
    return caught.value.reason


FOUND = {
    "https://images.example.com/a.jpg": "https://images.example.com/a.jpg",
    "HTTPS://Images.EXAMPLE.com:443/a.jpg": "https://images.example.com/a.jpg",
    "https://images.example.com": "https://images.example.com/",
    "https://images.example.com?id=1": "https://images.example.com/?id=1",
    "https://images.example.com./a.jpg#part": "https://images.example.com/a.jpg",
    "https://images.example.com:8443/a.jpg?x=%20&y=a b": "https://images.example.com:8443/a.jpg?x=%20&y=a%20b",
    "https://images.example.com/é/\\x": "https://images.example.com/%C3%A9/%5Cx",
    "https://a.b.cdn.example.com/a.jpg": "https://a.b.cdn.example.com/a.jpg",
    "http://plain.example.com/a@b.jpg": "http://plain.example.com/a@b.jpg",
    "https://[2606:0::1]/a.jpg": "https://[2606::1]/a.jpg",
    "s3://shots/a/b c?.jpg": "https://shots.example.com/base/a/b%20c%3F.jpg",
    "S3://other/a%2Fb": "https://store.example.com:9000/a%252Fb",
}


@pytest.mark.parametrize(("reference", "url"), FOUND.items())
def test_what_is_allowed_is_found(reference: str, url: str) -> None:
    assert str(ALLOWED.locate(reference).url) == url


OTHERS = [
    "http://images.example.com/a.jpg",
    "https://plain.example.com/a.jpg",
    "https://images.example.com:444/a.jpg",
    "https://cdn.example.com/a.jpg",
    "https://evilcdn.example.com/a.jpg",
    "https://images.example.com.evil.com/a.jpg",
    "https://evil.com/images.example.com",
    "https://evil.com?images.example.com",
    "https://evil.com#images.example.com",
    "https://127.0.0.1/a.jpg",
    "https://[::1]/a.jpg",
    "https://xn--mages-example-com-3nc.com/",
    "s3://store/a.jpg",
    "s3://shots.evil/a.jpg",
]


@pytest.mark.parametrize("reference", OTHERS)
def test_other_hosts_are_not_allowed(reference: str) -> None:
    assert reason(reference) == Refusal.HOST_NOT_ALLOWED


TRICKS = {
    "user": "https://images.example.com@evil.com/",
    "user and password": "https://u:p@images.example.com/",
    "empty user": "https://@images.example.com/",
    "backslash": "https://evil.com\\@images.example.com/",
    "backslash after": "https://images.example.com\\.evil.com/",
    "white space": "https://images.example.com /",
    "tab": "https://images.exam\tple.com/",
    "line feed": "https://images.example.com/\r\nHost: evil.com",
    "NUL": "https://images.example.com\x00.evil.com/",
    "leading space": " https://images.example.com/",
    "percent in host": "https://images%2eexample.com/",
    "kelvin sign": "https://\u212aelvin.example.com/",
    "full-width letters": "https://ｉmages.example.com/",
    "ideographic full stop": "https://images\u3002example\u3002com/",
    "cyrillic a": "https://im\u0430ges.example.com/",
    "dotless i": "https://\u0131mages.example.com/",
    "soft hyphen": "https://images\u00ad.example.com/",
    "no host": "https:///a.jpg",
    "no slashes": "https:images.example.com/a.jpg",
    "one slash": "https:/images.example.com/a.jpg",
    "three slashes": "https:///images.example.com/a.jpg",
    "empty label": "https://images..example.com/",
    "leading dot": "https://.cdn.example.com/",
    "two dots at the end": "https://images.example.com../",
    "empty port": "https://images.example.com:/",
    "port 0": "https://images.example.com:0/",
    "port beyond": "https://images.example.com:65536/",
    "signed port": "https://images.example.com:+443/",
    "arabic digits": "https://images.example.com:\u0664\u0664\u0663/",
    "decimal address": "https://2130706433/",
    "hexadecimal address": "https://0x7f000001/",
    "hexadecimal part": "https://127.0.0.0x1/",
    "octal address": "https://0177.0.0.1/",
    "short address": "https://127.1/",
    "address with a dot": "https://127.0.0.1.5/",
    "zone": "https://[fe80::1%25eth0]/",
    "no IPv6": "https://[::g]/",
    "open bracket": "https://[::1/",
    "label too long": f"https://{'a' * 64}.example.com/",
    "name too long": f"https://{'a.' * 126}aa/",
    "too long": "https://images.example.com/" + "a" * 8192,
    "surrogate": "https://images.example.com/\ud800",
    "bucket without key": "s3://shots/",
    "bucket with user": "s3://a@shots/b",
    "key that climbs": "s3://shots/../../other/a.jpg",
    "key with a surrogate": "s3://shots/\udfff",
}


@pytest.mark.parametrize("reference", TRICKS.values(), ids=TRICKS)
def test_what_needs_interpretation_is_refused(reference: str) -> None:
    assert reason(reference) == Refusal.MALFORMED


def test_every_wrong_entry_of_the_settings_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        Places(
            ["*", "*.com", "https://u@h.com", "host/path", "ftp://host", "bücher.de", "*.10.0.0.1", "0x7f.1",
             "169.254.169.254", "http://[fd00:ec2::254]:80", "fine.example.com"],
            {"a": "shots.example.com", "b": "https://example.com/?q", "c": "https://169.254.169.254/", "d": "https://h"},
            ["10.0.0.1/8", "office", "10.0.0.0/8"],
        )  # fmt: skip
    assert len(caught.value.faults) == 10 + 3 + 2
    assert all(fault.startswith("embedder.image_") for fault in caught.value.faults)


# ---- no reference whatever reaches a socket ------------------------------------------------------------------------

_reached: list[str] = []
_watching = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Told by the interpreter itself (PEP 578) of every connection and every look-up, whoever makes it."""
    if _watching and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        _reached.append(f"{event} {arguments}")


sys.addaudithook(_hook)


@pytest.fixture(scope="module", autouse=True)
def _watch() -> Iterator[None]:
    global _watching  # noqa: PLW0603 (a hook cannot be taken away again)
    _watching = True
    yield
    _watching = False


asked: list[str] = []


def _documentation_only(host: str, _: int) -> Sequence[str]:
    asked.append(host)
    return ["192.0.2.1"]  # refused before anything is connected to


references = References([], 1000, Fetcher(ALLOWED, FetchLimits(1000), None, _documentation_only))
SCHEMES = ["http:", "https:", "HTTP:", "s3:", "file:", "ftp:", "gopher:", "data:", "//", "", "hTTpS:", "ws:", "dict:"]
PIECES = [
    "//", "/", "\\", "@", ":", "#", "?", ".", "..", "%", "%2f", "%00", "\x00", "\t", "\r\n", " ", "[", "]", "*", "www",
    "images.example.com", "cdn.example.com", "evil.com", "127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]",
    "169.254.169.254", "shots", "443", "80", "8443", "99999", "user", "\u3002", "\u212a", "\ud800", "xn--", "a.jpg",
]  # fmt: skip
crafted = st.builds(
    "".join, st.tuples(st.sampled_from(SCHEMES), st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
)
DONE = "fetched"


@settings(max_examples=1500)
@given(st.one_of(crafted, st.text()))
@example("https://images.example.com/a.jpg")
@example("https://evil.com/a.jpg")
def test_no_reference_reaches_a_host_that_is_not_allowed(reference: str) -> None:
    _reached.clear()
    asked.clear()
    try:
        outcome: str = references.read(reference) and DONE
    except ImageRefused as refused:
        outcome = refused.reason
    assert outcome != DONE or reference[:5].lower() == "data:"
    assert not _reached
    for host in asked:
        assert host in ("images.example.com", "plain.example.com", "shots.example.com", "store.example.com") or (
            host.endswith(".cdn.example.com")
        )


def test_the_watch_would_have_seen_it() -> None:
    _reached.clear()
    with socket.socket() as wire:
        wire.settimeout(0.5)
        assert wire.connect_ex(("127.0.0.1", 1)) != 0
    socket.getaddrinfo("127.0.0.1", 1)
    assert [one.split()[0] for one in _reached] == ["socket.connect", "socket.getaddrinfo"]


@given(st.text(max_size=60))
def test_urls_are_read_as_they_are_written(text: str) -> None:
    """What was found is found again: no second reading of it means something else."""
    try:
        url = parse_url(f"https://images.example.com/{text}")
    except ValueError:
        return
    assert url.origin.host == "images.example.com"
    assert parse_url(str(url)) == url
    assert str(url).isascii()
    assert not set(str(url)) & set(" \r\n\t\x00\\")
