"""Ids are found in whatever form bytes hold them, and only where they are not a part of a longer id."""

from __future__ import annotations

import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.privacy.mentions import Mentions
from tests.pace import cost

IDS = [
    "order-2026-1", "shop/order/4711", "bestellung-müller-1", "order+4711+x", "jane@example.com", 'a "quoted" id',
    "DOMAIN\\user-1", "/orders/2026/1", "заказ-2026-1", "客户编号一二三四五", "id-of-😀-face",
    "8f14e45f-ceea-467f-a0b1-7d2e1b0c9f2a",
]  # fmt: skip
LONG = "x" * 41
"""Lets base64 be wrapped where an id stands."""


def dotnet(text: str) -> bytes:
    """As System.Text.Json escapes: upper-case digits, and all that HTML might mind."""
    return b'"' + b"".join(
        one.encode() if one.isascii() and (one.isalnum() or one in " -./_:{}") else
        b"".join(b"\\u%04X" % unit for unit in memoryview(one.encode("utf-16-le")).cast("H"))
        for one in text
    ) + b'"'  # fmt: skip


def php(text: str) -> bytes:
    return json.dumps(text).replace("/", "\\/").encode()


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda one: one.encode(),
    "json": lambda one: json.dumps([one]).encode(),
    "json in UTF-8": lambda one: msgspec.json.encode({"x": one}),
    "php": php,
    "dotnet": dotnet,
    "every character escaped": lambda one: "".join(f"\\u{ord(c):04x}" for c in one if c != "😀").encode()
    if "😀" not in one else dotnet(one),
    "json in json": lambda one: json.dumps({"body": php(one).decode()}).encode(),
    "json in json in json": lambda one: json.dumps(json.dumps({"body": json.dumps(one)})).encode(),
    "behind an escape": lambda one: b'"\\n' + json.dumps(one)[1:-1].encode() + b'\\t"',
    "json that was cut": lambda one: b'{"x": ' + dotnet(one) + b', "y": "',
    "query string": lambda one: b"GET /x?a=1&user=" + quote(one, safe="").encode() + b"&b=2",
    "path": lambda one: b"/users%2F" + quote(one, safe="").encode() + b"/orders",
    "base64": lambda one: b64encode(one.encode()),
    "base64 of JSON": lambda one: b'{"data": "' + b64encode(b'{"x": ' + dotnet(one) + b"}") + b'"}',
    "url-safe, without padding": lambda one: b"e30." + urlsafe_b64encode(f'{{"sub":"{one}~?>"}}'.encode()).rstrip(b"=")
    if not {'"', "\\"} & set(one) else b64encode(one.encode()),
    "wrapped": lambda one: encodebytes(f"{LONG}: {one}, {LONG}".encode()),
    "wrapped in JSON": lambda one: json.dumps(encodebytes(f"{LONG}: {one}, {LONG}".encode()).decode()).encode(),
    "base64 in PHP": lambda one: php(b64encode(f"??>>{one} ".encode()).decode()),
    "a sentence": lambda one: f"Asked by {one}. Then".encode(),
    "quoted": lambda one: f"„{one}“, „x“".encode(),
    "Chinese": lambda one: f"用户{one}的订单".encode(),
    "protobuf": lambda one: bytes([0x12, len(one.encode())]) + one.encode() + b"2\x04abcd",
    "avro": lambda one: bytes([4, 65, 66, 2 * len(one.encode())]) + one.encode() + b"8" + b"x" * 28,
    "msgpack": lambda one: msgspec.msgpack.encode({"aa": one, "b": "xyz"}),
    "length that is a letter": lambda one: b"\x0aC" + one.encode() + b" " * (66 - len(one.encode())) + b".\x12\x01x",
}  # fmt: skip


@pytest.mark.parametrize("ident", IDS)
@pytest.mark.parametrize("form", WRITTEN)
def test_an_id_is_found_however_it_is_written(ident: str, form: str) -> None:
    content = WRITTEN[form](ident)
    assert Mentions([ident]).within(content) == {ident}
    others = [f"other-{number:05}" for number in range(100)]
    assert Mentions([ident, *others]).within(content) == {ident}, "and among very many"


LONGER = [
    "order-2026-15", "order-2026-1-b", "order-2026-1_b", "order-2026-1.5", "order-2026-1é",
    "order-2026-1@shop.example", "reorder-2026-1", "re.order-2026-1", "éorder-2026-1", "7-order-2026-1",
]  # fmt: skip


@pytest.mark.parametrize("longer", LONGER)
@pytest.mark.parametrize("form", WRITTEN)
def test_a_longer_id_is_another(longer: str, form: str) -> None:
    content = WRITTEN[form](longer)
    assert Mentions(["order-2026-1"]).within(content) == set()
    series = [f"order-2026-{number:03}" for number in range(100)]
    assert Mentions(["order-2026-1", *series]).within(content) == set()


ENDED = [
    b"order-2026-15 order-2026-1", b"order-2026-1.", b"a=order-2026-1&b", b"[order-2026-1]", b"urn:x:order-2026-1",
    b"a/order-2026-1/b", b"order-2026-1...", b"'order-2026-1'", b"\\x27order-2026-1\\x27", b"order-2026-1\\users",
    b"\xff\xfeorder-2026-1\x00", b"order-2026-1%",
]  # fmt: skip


@pytest.mark.parametrize("content", ENDED)
def test_what_ends_an_id(content: bytes) -> None:
    assert Mentions(["order-2026-1"]).within(content) == {"order-2026-1"}


@given(before=st.binary(max_size=5), ident=st.text(min_size=8, max_size=20), after=st.binary(max_size=5))
def test_ids_are_found_in_raw_bytes_in_json_and_in_base64(before: bytes, ident: str, after: bytes) -> None:
    try:
        plain = b" " + ident.encode() + b" "
    except UnicodeEncodeError:
        return
    for holder in (before + plain + after, b64encode(before + plain + after), msgspec.json.encode({"x": [ident]})):
        assert Mentions([ident]).within(holder) == {ident}


@given(content=st.binary(max_size=200), ids=st.sets(st.text("ab\\u0é", min_size=1, max_size=10)))
def test_any_bytes_can_be_looked_through(content: bytes, ids: set[str]) -> None:
    assert Mentions(ids).within(content) <= ids


FILES = [
    b"/2026/order-2026-1.jpg", b'"order-2026-1.JPEG"', b"order-2026-1.tar.gz ", b"See order-2026-1.json.",
    b"order-2026-1.png?x=1", b"order-2026-1.jp\\u0067", b"order-2026-1.webp\\\\n",
]  # fmt: skip
NO_FILES = [b"order-2026-1.b", b"order-2026-1.jpgs", b"order-2026-1.jpg-2", b"order-2026-1.jpg.b", b"order-2026-12.jpg",
            b"order-2026-1.example", b"thumb_order-2026-1.jpg", b"order-2026-1jpg"]  # fmt: skip


def test_a_file_that_is_named_after_an_id_is_about_it() -> None:
    mentions = Mentions(["order-2026-1"])
    assert [mentions.within(one) for one in FILES] == [{"order-2026-1"}] * len(FILES)
    assert [mentions.within(one) for one in NO_FILES] == [set()] * len(NO_FILES)


@pytest.mark.parametrize("codec", ["latin-1", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("ident", ["bestellung-müller-1", "order-2026-1", "mü/1"])
def test_other_encodings_hold_ids_too(ident: str, codec: str) -> None:
    assert Mentions([ident]).within(f'{{"x": "{ident}"}}'.encode(codec)) == {ident}
    assert Mentions([ident]).within(f'{{"x": "{ident}7"}}'.encode(codec)) == set()


OTHERS = [f"other-{number:05}" for number in range(100)]
SHORT = ["u7", "mü/1", "u-4711"]
SERIES = [f"s{number}" for number in range(40)]
several = st.lists(
    st.sampled_from([form(one) for form in WRITTEN.values() for one in (*IDS, *SHORT, "order-2026-15")])
    | st.binary(max_size=6), max_size=3,
).map(b"".join)  # fmt: skip


@given(st.lists(several, max_size=40), st.lists(st.sampled_from(IDS + SHORT), max_size=4), st.booleans(), st.booleans())
def test_of_many_contents_none_is_passed_over_that_holds_an_id(
    contents: list[bytes], ids: list[str], among_many: bool, among_many_short: bool
) -> None:
    mentions = Mentions([*ids, *(OTHERS if among_many else ()), *(SERIES if among_many_short else ())])
    holders = {place for place, one in enumerate(contents) if mentions.within(one)}
    assert holders <= set(mentions.suspects([[one] for one in contents]))
    assert holders <= set(mentions.suspects([[b"x", one, b"y"] for one in contents]))


def test_to_pass_over_many_contents_costs_a_fraction_of_looking_at_each() -> None:
    record = json.dumps({"message": json.dumps({"user": "somebody-else", "prompt": 'a "mug"? ' * 50})}).encode()
    for ids in (["order-2026-1"], ["u7"], ["order-2026-1", *OTHERS]):
        mentions, page = Mentions(ids), [record] * 1000
        assert mentions.suspects([[one] for one in page]) == []
        each = cost(lambda: [mentions.within(one) for one in page])  # noqa: B023 (it is called here)
        assert cost(lambda: mentions.suspects([[one] for one in page])) < each / 3  # noqa: B023


def test_short_ids_are_found_only_as_whole_texts() -> None:
    short = Mentions(["u7", "mü/1", "😀", ""])
    assert short.within(b'{"id":"u7","x":["m\\u00FC\\/1","\\ud83d\\uDE00"]}') == {"u7", "mü/1", "😀"}
    assert short.within('"mü/1 '.encode() + b'""u7"') == {"u7"}
    for other in (b" u7 ", b'"u77"', b'"say \\"u7\\""', b'"u7\\n"', b'""'):
        assert short.within(other) == set()
    assert short.within(b"u7") == {"u7"}, "as a key or a header"


def test_short_ids_are_found_in_binary_formats_behind_their_length() -> None:
    short = Mentions(["u-4711", "u7"])
    assert short.within(b"\x0a\x06u-4711\x12\x01x") == {"u-4711"}, "Protocol Buffers"
    assert short.within(b"\x02\x0cu-4711\x08") == {"u-4711"}, "Avro"
    for other in (b"\x0a\x07u-47110\x12\x01x", b"\x0a\x02u7\x12\x01x", b"a text\x20u-4711", b"\x08\x01u-4711"):
        assert short.within(other) == set()


@pytest.mark.parametrize(
    "content",
    [b'"' * 1_000_000, b"\\" * 1_000_000, b"\\u0041" * 166_000, b"%41" * 333_000, b"a" * 300_000,
     b"aaaaaaaa\n" * 111_000, b"order-20265" * 90_000, b64encode(bytes(range(256)) * 2900), b'\\"' * 500_000],
    ids=["quotes", "backslashes", "escapes", "percents", "one letter", "lines", "near hits", "base64", "escaped"],
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 2000])
def test_hostile_bytes_take_no_longer_than_in_step_with_their_length(content: bytes, count: int) -> None:
    mentions = Mentions(["u7", "order-2026", "aaaaaaaa"] + [f"order-{number}" for number in range(count)])
    assert cost(lambda: mentions.within(content), attempts=1) < 60
