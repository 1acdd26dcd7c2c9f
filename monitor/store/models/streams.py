"""Where the streams stand: offsets, gaps, dead letters, counters, replays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import NOW, Base


class StreamOffset(Base):
    """The next offset of a partition, moved only in the transaction that stores the batch before it."""

    __tablename__ = "stream_offsets"

    consumer_group: Mapped[str] = mapped_column(primary_key=True)
    cluster_id: Mapped[str] = mapped_column(primary_key=True)
    topic_id: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str]
    next_offset: Mapped[int] = mapped_column(BigInteger)
    end_offset: Mapped[int | None] = mapped_column(BigInteger)
    """The log's end as the consumer last saw it; lag = end - next."""
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class StreamGap(Base):
    """Records that no longer can be read: the log was made anew, cut, or expired before we came."""

    __tablename__ = "stream_gaps"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    consumer_group: Mapped[str]
    topic: Mapped[str]
    topic_id: Mapped[str]
    partition: Mapped[int]
    expected_offset: Mapped[int] = mapped_column(BigInteger)
    resumed_offset: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    noticed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class DeadLetter(Base):
    """A record that was not accepted, as it was."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("topic_id", "partition", "record_offset", "digest", postgresql_nulls_not_distinct=True),
        Index("ix_dead_letters_replay_of", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    topic: Mapped[str]
    topic_id: Mapped[str]
    partition: Mapped[int]
    record_offset: Mapped[int] = mapped_column(BigInteger)
    record_ts: Mapped[datetime | None]
    reason: Mapped[str]
    detail: Mapped[str]
    raw: Mapped[bytes]
    digest: Mapped[bytes | None]
    """SHA-256 of the bytes as they came; `raw` may hold others, or none. A log that was cut has another record at the
    same offset."""
    key: Mapped[bytes | None]
    headers: Mapped[bytes | None]
    """JSON of [name, base64] pairs: their names may hold characters that jsonb does not."""
    replay: Mapped[str | None]
    replay_of: Mapped[int | None] = mapped_column(BigInteger)
    """The first dead letter of this record, when it failed again."""
    replayed_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    """When the record was accepted at last."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    subject_hashes: Mapped[list[bytes] | None] = mapped_column(ARRAY(LargeBinary))
    """Of whose data it is, and of ids that redaction removed from it; NULL: none are known."""


class WaitingHalf(Base):
    """One side of a call whose sides are logged apart, until the other comes. Each consumer group joins for itself."""

    __tablename__ = "waiting_halves"
    __table_args__ = (
        Index("ix_waiting_halves_due_at", "due_at"),
        Index("ix_waiting_halves_not_lost", "consumer_group", "due_at", postgresql_where=text("NOT lost")),
    )

    consumer_group: Mapped[str] = mapped_column(primary_key=True)
    pair_id: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str]
    ts: Mapped[datetime]
    digest: Mapped[bytes]
    """Of the half as it came, before anything was redacted."""
    fields: Mapped[bytes]
    """What it knows of a `prediction/v1`, as JSON."""
    replay: Mapped[str | None]
    topic: Mapped[str]
    topic_id: Mapped[str]
    partition: Mapped[int]
    record_offset: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime]
    """When it counts as lost, by the clock of the collectors."""
    lost: Mapped[bool] = mapped_column(server_default=text("false"))
    """Counted as logging loss; taken back should the other side still come."""
    subject_hash: Mapped[bytes | None]
    """Of the person whom the side named before it was redacted; empty: nobody, NULL: written by a release that did not
    look."""
    vectors: Mapped[bytes | None]
    """Of the embed group: what was made of the side before it was redacted (MessagePack), by fingerprint and kind."""


class PairCount(Base):
    """Calls logged in two records: how many met, and of how many one side never came. By the minute of the request,
    or of the side that did come."""

    __tablename__ = "pair_counts"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    joined: Mapped[int]
    lost: Mapped[int]


class IngestCounter(Base):
    """Running counts per topic and outcome (accepted, duplicate, dead letter reasons): totals that outlive restarts."""

    __tablename__ = "ingest_counters"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    records: Mapped[int] = mapped_column(BigInteger)


class Replay(Base):
    """A file that was sent through Kafka; its start fixes synthesised event times, so that a resume repeats them."""

    __tablename__ = "replays"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    start_ts: Mapped[datetime]
    rows: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
