"""Pictures over HTTP(S) from a real server on loopback: what is fetched, and where that may not lead."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from monitor.embedding.fetching import Fetcher
from monitor.embedding.places import Places
from monitor.embedding.refusals import Refusal
from tests.certificates import Authority
from tests.unit.embedding.fetchers import LOOPBACK, PATIENT, Names, make, refusal
from tests.unit.embedding.site import PICTURE, Site, redirect, whole

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
    fetcher = make(Places([], {"shots": f"http://plain.test:{site.port}/store"}, LOOPBACK), PATIENT, None, names)
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
    fetcher = make(Places(), PATIENT, None, names)
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
    fetcher = make(Places(["http://plain.test"]), PATIENT, None, lambda *_: [address])
    assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("addresses", [["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"]])
def test_one_bad_address_spoils_the_good_ones(addresses: list[str]) -> None:
    fetcher = make(Places(["http://plain.test"]), PATIENT, None, lambda *_: addresses)
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
        fetcher = make(everything, PATIENT, None, lambda *_, one=address: [one])
        assert refusal(fetcher, "http://plain.test/a.jpg") == Refusal.ADDRESS_NOT_ALLOWED


def test_an_address_that_is_spelled_out_is_allowed(site: Site, names: Names) -> None:
    fetcher = make(Places([f"http://127.0.0.1:{site.port}"]), PATIENT, None, names)
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
    trusting = make(allowed, PATIENT, authority.file, names)
    assert refusal(trusting, f"https://other.test:{secure.port}/picture") == Refusal.UNTRUSTED
    assert trusting.fetch(f"https://127.0.0.1:{secure.port}/picture") == PICTURE
    usual = make(allowed, PATIENT, None, names)
    assert refusal(usual, f"https://pictures.test:{secure.port}/picture") == Refusal.UNTRUSTED
    assert [one.headers["Host"] for one in secure.requests] == [f"127.0.0.1:{secure.port}"]
