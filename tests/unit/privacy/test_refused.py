"""What is left of refused records that are packed, or hold something that is."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from monitor.formats.limits import inflated
from monitor.privacy import PrivacyOptions, Redactor
from monitor.privacy.gzipped import LEAST, MOST, Unpacker, Unreadable, packed, said_within

MAIL, GONE = "jane@example.com", "[email removed]"
BODY = {"messages": [{"role": "user", "content": f"mail {MAIL}"}], "n": 1}
RAW = json.dumps(BODY).encode()
ZIP = gzip.compress(RAW)
BOMB = gzip.compress(bytes(MOST + 1))
BROKEN = {
    "cut": ZIP[:-9],
    "sum": ZIP[:-8] + bytes(8),
    "more": ZIP + b"more",
    "noise": ZIP[:15] + b"\xff" * 40,
    "bomb": BOMB,
}


def kept(content: bytes, removed: set[str] | None = None, **options: Any) -> bytes:
    return Redactor(PrivacyOptions(**options)).dead_letter(content, removed)


def as_text(content: bytes) -> str:
    return b64encode(content).decode()


def test_gzip_is_unpacked_redacted_and_packed_again() -> None:
    removed: set[str] = set()
    left = kept(ZIP, removed)
    assert json.loads(inflated(left, 1000)) == {"messages": [{"role": "user", "content": f"mail {GONE}"}], "n": 1}
    assert MAIL in removed
    assert kept(left) == left
    assert kept(ZIP) == left  # the clock has no part in it
    assert (
        gzip.decompress(kept(gzip.compress(f"tel +49 30 123456 {MAIL}".encode())))
        == b"tel " + b"*" * 13 + b" " + b"*" * 16
    )


@pytest.mark.parametrize("content", [b'{"a": 1}', b"", b"nothing of a person"])
def test_where_nothing_is_found_it_stays_as_it_came(content: bytes) -> None:
    for one in (gzip.compress(content), gzip.compress(content) + gzip.compress(content)):
        assert kept(one) is one
    text = json.dumps({"data_base64": as_text(gzip.compress(content))}).encode()
    assert kept(text) is text


@pytest.mark.parametrize("name", BROKEN)
def test_of_gzip_that_cannot_be_read_nothing_is_kept(name: str) -> None:
    assert kept(BROKEN[name]) == b""
    assert kept(BROKEN[name], dead_letters="keep") is BROKEN[name]
    text = as_text(BROKEN[name])
    assert json.loads(kept(json.dumps({"data_base64": text, "id": "a"}).encode())) == {
        "data_base64": f"[hidden {len(text)} characters]",
        "id": "a",
    }


FORMS: dict[str, Callable[[bytes], str]] = {
    "standard": as_text,
    "urlsafe": lambda one: urlsafe_b64encode(one).decode(),
    "unpadded": lambda one: as_text(one).rstrip("="),
    "address": lambda one: f"data:application/gzip;base64,{as_text(one)}",
    "lines": lambda one: as_text(one)[:20] + "\n" + as_text(one)[20:],
}


@pytest.mark.parametrize("form", [one for one in FORMS if one != "lines"])
@pytest.mark.parametrize("content", [ZIP, RAW], ids=["gzip", "json"])
def test_texts_in_base64_are_looked_into(content: bytes, form: str) -> None:
    removed: set[str] = set()
    event = {"specversion": "1.0", "data_base64": FORMS[form](content), "more": [{"data": FORMS[form](content)}]}
    left = json.loads(kept(json.dumps(event).encode(), removed))
    assert MAIL in removed
    for text in (left["data_base64"], left["more"][0]["data"]):
        beginning, _, digits = text.rpartition(",")
        assert beginning == FORMS[form](b"").rpartition(",")[0]
        plain = inflated(b64_of(digits), 1000)
        assert (MAIL.encode() in plain, GONE.encode() in plain) == (False, True)


def b64_of(text: str) -> bytes:
    from base64 import b64decode

    standard = text.replace("-", "+").replace("_", "/")
    return b64decode(standard + "=" * (-len(standard) % 4))


def test_what_only_begins_like_it_is_a_text() -> None:
    texts = ["H4sI", "H4sI is no base64", f"eyJ {MAIL}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "Hello", "W3si!"]
    left = json.loads(kept(json.dumps(texts).encode()))
    assert left == [one.replace(MAIL, GONE) for one in texts]


def test_gzip_in_gzip_is_opened_once_and_no_deeper() -> None:
    twice = gzip.compress(json.dumps({"body": as_text(ZIP)}).encode())
    body = json.loads(gzip.decompress(kept(twice)))["body"]
    assert GONE.encode() in gzip.decompress(b64_of(body))
    assert MAIL.encode() not in zlib.decompress(kept(gzip.compress(gzip.compress(ZIP))) or zlib.compress(b""), 47)


def test_a_value_that_another_of_its_name_replaced_goes() -> None:
    content = b'{"data_base64": "%s", "data_base64": ""}' % b64encode(ZIP)
    assert kept(content) == b'{"data_base64":""}'


def test_keys_and_headers_may_be_packed() -> None:
    left = Redactor(PrivacyOptions()).attached(ZIP)
    assert GONE.encode() in gzip.decompress(left)


def test_all_of_a_record_together_unpacks_to_no_more_than_its_room() -> None:
    small_bomb = as_text(gzip.compress(b"a" * LEAST))
    content = json.dumps([small_bomb] * 200).encode()
    left = json.loads(kept(content))
    opened = left.count(small_bomb)
    assert 0 < opened < 200
    assert set(left) == {small_bomb, f"[hidden {len(small_bomb)} characters]"}


def test_bombs_take_little_memory_and_time() -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024))
    began = time.process_time()
    tracemalloc.start()
    assert kept(bomb) == b""
    said, is_whole = said_within([bomb, b64encode(bomb), b"\x08\x01" + bomb])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (said, is_whole) == ([], False)
    assert peak < 6 * MOST
    assert time.process_time() - began < 5
    assert kept(gzip.compress(b"") * 50_000) == b""
    many = said_within([b"\x1f\x8b\x08" * 300_000])
    assert many == ([], False)


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_room_is_used_to_its_end_and_not_beyond(beyond: int) -> None:
    content = gzip.compress(bytes(LEAST + beyond))
    unpack = Unpacker(100)
    if beyond:
        with pytest.raises(Unreadable):
            unpack.whole(content)
        with pytest.raises(Unreadable):
            unpack.whole(ZIP)  # there is none left, which must not mean any amount
    else:
        assert len(unpack.whole(content)) == LEAST


PLACES: dict[str, bytes] = {
    "value": ZIP,
    "members": gzip.compress(b"first") + ZIP,
    "binary": b"\x0a\x05\xff\x00" + ZIP + b"\x12\x03abc",
    "chance": b"x\x1f\x8b\x08\x00 is none " + ZIP,
    "standard": json.dumps({"data_base64": as_text(ZIP)}).encode(),
    "urlsafe": json.dumps({"data_base64": FORMS["urlsafe"](ZIP)}).encode(),
    "escaped": json.dumps({"data_base64": as_text(ZIP)}).replace("/", "\\/").encode(),
    "nested": json.dumps({"text": json.dumps({"data_base64": as_text(ZIP)})}).encode(),
    "lines": b"\n".join(b64encode(ZIP + bytes(90))[at : at + 76] for at in range(0, 300, 76)),
    "twice": gzip.compress(json.dumps({"body": as_text(ZIP)}).encode()),
    "broken json": b'{"data_base64": "' + b64encode(ZIP) + b'", ',
}


@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_packed_anywhere_is_found(place: str) -> None:
    said, is_whole = said_within([b"key", PLACES[place]])
    assert any(MAIL.encode() in one for one in said)
    assert is_whole


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_gzip_and_cannot_be_read_is_told(name: str) -> None:
    expected = name != "more"  # what follows is read as it is
    assert said_within([BROKEN[name]])[1] is not expected
    assert said_within([json.dumps({"a": as_text(BROKEN[name])}).encode()])[1] is not expected


def test_what_looks_like_it_in_the_midst_of_others_was_none() -> None:
    for content in (b"png\x1f\x8b\x08\xff\xff more", b"x" + ZIP[:-9], b"nothing", b"", b"xH4sIAAAA"):
        assert said_within([content]) == ([], True)
    assert said_within([]) == ([], True)


def test_packed_is_the_same_at_any_time() -> None:
    assert gzip.decompress(packed(b"abc")) == b"abc"
    assert packed(b"abc")[4:8] == bytes(4)
