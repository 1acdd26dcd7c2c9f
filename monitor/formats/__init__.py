"""One decoder per log format: bytes of a record in, a typed event out."""

from collections.abc import Callable

from monitor.domain.events import Event
from monitor.formats import native

Decoder = Callable[[bytes], Event]

FORMATS: dict[str, Decoder] = {
    "native": native.decode,
}
