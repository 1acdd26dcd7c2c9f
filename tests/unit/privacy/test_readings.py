"""Readings of many bytes at once say what regular expressions say of them one by one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.privacy.readings import readings, unescaped, unquoted

PIECES = [
    b"\\", b"\\\\", b'\\"', b"\\/", b"\\n", b"\\q", b"\\u", b"\\u00", b"\\u0041", b"\\u00fC", b"\\u0000", b"\\u07FF",
    b"\\u0800", b"\\u4e2d", b"\\ud83d", b"\\uDE00", b"\\x41", b"\\x4", b"%41", b"%4", b"%", b"4", b"a", b"\xff", b"\n",
    b"\r\n", b" ", b"QUJDREVGR0hJSktM", b"-_-_", b"x" * 60, b64encode(b'{"x": "\\u0041%42\\"y"}'),
]  # fmt: skip
"""What is an escape or a word, by itself or with what stands beside it."""
PLAIN = dict(zip(b"\"\\/'bfnrt", b"\"\\/'\b\f\n\r\t", strict=True))
contents = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=12).map(b"".join)


def one_by_one(content: bytes) -> bytes:
    """Without escapes, an escape at a time."""

    def plain(found: re.Match[bytes]) -> bytes:
        escape = found[0]
        if len(escape) == 2:
            return bytes([PLAIN[escape[1]]]) if escape[1] in PLAIN else escape
        if escape[1:2] == b"x":
            return bytes.fromhex(escape[2:].decode())
        units = bytes.fromhex(escape.replace(b"\\u", b"").decode())
        return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")

    escapes = rb"\\(?:u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*+|x[0-9A-Fa-f]{2}|.)"
    return re.sub(escapes, plain, content, flags=re.DOTALL)


def word_by_word(content: bytes, least: int) -> Iterator[bytes]:
    """What words say that are base64, from each of their first characters on."""
    words = re.findall(rb"[A-Za-z0-9+/]{%d,}" % least, content)
    for start in range(4 if words else 0):
        cut = [word[start:] for word in words]
        yield b"\n".join(b64decode(one[: -1 if len(one) % 4 == 1 else None] + b"==") for one in cut)


@given(contents)
def test_escapes_go_as_they_do_one_by_one(content: bytes) -> None:
    assert unescaped(content) == one_by_one(content)
    assert unquoted(content) == unquote_to_bytes(content)


@given(contents.filter(lambda one: b"\x00" not in one), st.integers(8, 20))
def test_the_readings_are_those_of_every_level(content: bytes, shortest: int) -> None:
    levels = [content]
    while len(levels) < 4 and (plain := one_by_one(levels[-1])) != levels[-1]:
        levels.append(plain)
    if b"%" in levels[-1]:
        levels.append(unquote_to_bytes(levels[-1]))
    folded = levels[-1].translate(bytes.maketrans(b"-_", b"+/")).replace(b"\r\n", b"\n")
    folded = re.sub(rb"\n(?<=[A-Za-z0-9+/]{60}\n)(?=[A-Za-z0-9+/])", b"", folded)
    for said in word_by_word(folded, -(-8 * shortest // 6)):
        levels += [said] + [plain for plain in [one_by_one(said)] if plain != said]
        levels += [unquote_to_bytes(levels[-1])] if b"%" in levels[-1] else []
    lines = [re.sub(b"\n+", b"\n", one).strip(b"\n") for one in readings(content, shortest)]
    assert lines == [re.sub(b"\n+", b"\n", one).strip(b"\n") for one in levels]


@given(st.lists(contents, min_size=1, max_size=6))
def test_those_of_many_hold_those_of_each(several: list[bytes]) -> None:
    together = list(readings(b"\x01".join(several), 8))
    for content in several:
        for said in readings(content, 8):
            assert all(any(line in one for one in together) for line in said.split(b"\n"))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
def test_wide_letters_become_narrow(codec: str) -> None:
    assert any(b'{"x": "m\xfcller"}' in one for one in readings('{"x": "müller"}'.encode(codec), 8))
