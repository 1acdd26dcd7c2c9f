"""Reading one record: within which limits, by which topic's format, or as sides of calls that a dead letter kept."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.domain.events import Rejection
from monitor.domain.halves import Half
from monitor.domain.kept_halves import read_kept
from monitor.domain.records import TOPIC_HEADER, Record
from monitor.errors import InvalidEvent
from monitor.formats import Decoded, Decoder
from monitor.privacy import holds_marker

log = logging.getLogger(__name__)

OUR_FAULT = "a fault of Snellen, please report it"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a record may be, and the records of a batch together."""

    max_record_bytes: int
    max_future: timedelta
    max_age: timedelta
    decoded_bytes: int = 64 * 1024 * 1024
    """What the records of a batch may decode to, about: a megabyte may hold ten thousand spans, or become thirty."""


def decoder_of(record: Record, decoders: Mapping[str, Decoder]) -> Decoder:
    """
    Raises:
        InvalidEvent: nobody reads the topic any more that a repeated record stood in.
    """
    topic = record.partition.topic
    if topic not in decoders:
        fault = f"header {TOPIC_HEADER}: {topic!r} is no topic of ingest.topics (any more): name it there, and replay"
        raise InvalidEvent(Rejection.UNKNOWN_SCHEMA, fault)
    return decoders[topic]


def read_record(record: Record, decode: Decoder, limits: Limits) -> Sequence[Decoded]:
    """What the record says.

    Raises:
        InvalidEvent: the client could not read it, it is larger than allowed, or it cannot be decoded; of sides that
            come from a dead letter, their call is not known any more.
    """
    if record.fault is not None:
        raise InvalidEvent(Rejection.UNREADABLE, record.fault)
    if len(record.value) > limits.max_record_bytes:
        allowed = limits.max_record_bytes
        raise InvalidEvent(
            Rejection.OVERSIZED, f"{len(record.value)} bytes, {allowed} are allowed (ingest.max_record_bytes)"
        )
    return decode(record) if record.half is None else _kept_halves(record)


def log_our_fault(what: str, record: Record, error: Exception) -> None:
    """With the place in our code, without the message of the error: it may quote the record."""
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error(
        "%s, by a fault of ours",
        what,
        extra={"offset": record.offset, "error": type(error).__name__, "traceback": where},
    )


def _kept_halves(record: Record) -> Sequence[Half]:
    halves = read_kept(record)
    for one in halves:
        if holds_marker(one.pair_id):
            fault = (
                f"call {one.pair_id!r}: an earlier release removed a part of its id as personal data, so nobody knows"
            )
            raise InvalidEvent(Rejection.INVALID, f"{fault} which call it was")
    return halves
