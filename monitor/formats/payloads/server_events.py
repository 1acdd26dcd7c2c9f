"""Server-sent events: WHATWG HTML, section 9.2.6 (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from collections.abc import Iterator

_BOM = b"\xef\xbb\xbf"
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


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
