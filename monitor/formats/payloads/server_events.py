"""Server-sent events: WHATWG HTML, section 9.2.6 (https://html.spec.whatwg.org/multipage/server-sent-events.html); and
JSON Lines (https://jsonlines.org), as which some servers stream."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_BOM = b"\xef\xbb\xbf"
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_to_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_stream(body: bytes) -> bool:
    """Does the body begin as server-sent events do? Its content type may say otherwise."""
    return body[:64].removeprefix(_BOM).lstrip().startswith(_STARTS)


def events(body: bytes) -> Iterator[bytes]:
    """The data of each event: its `data` lines joined. Comments and other fields are passed over.

    A last event that no empty line ends counts too: logs often strip what is at the end.
    """
    lines: list[bytes] = []
    for line in body.removeprefix(_BOM).splitlines():
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif not line and lines:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)


def lines_of(body: bytes) -> list[bytes]:
    """The objects that a body has on its lines, of which the last may have been cut; none where it is of another kind.

    Only asked of what is no JSON as a whole.
    """
    lines = [one for one in map(bytes.strip, body.split(b"\n")) if one]
    if len(lines) < 2 or not all(one.startswith(b"{") for one in lines):
        return []
    try:
        _to_members(lines[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return lines
