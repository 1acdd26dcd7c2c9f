"""What every log format offers: a function from a Kafka record to what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.domain.events import Event
from monitor.domain.halves import Half
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.options import FormatOptions

Decoded = Event | Half | InvalidEvent
"""An InvalidEvent stands for a part of the record that is refused, while the others are taken."""
Decoder = Callable[[Record], Sequence[Decoded]]
"""All that a record says; nothing when it is about something else (a span that called no model, say).

Raises:
    InvalidEvent: nothing of it can be accepted.
"""
Format = Callable[[FormatOptions], Decoder]
"""Makes the decoder of one topic.

Raises:
    SettingsError: an option is missing or means nothing to this format.
"""
