"""Rows that are too old, deleted in chunks along an index."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, text

CHUNK = 5000
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table may expire."""

    table: str
    moment: str
    """The column that says how old a row is."""
    condition: str = "true"
    """Only rows that satisfy it ever expire; :end is the moment before which they do."""
    by_event_time: bool = False
    """Rows sum up predictions, and say nothing of replays: on days with replayed predictions they are exempt too."""


_SUPERSEDED = """EXISTS (
    SELECT FROM sampling_plans AS later
    WHERE later.effective_from > sampling_plans.effective_from AND later.effective_from <= :end
)"""
"""A plan is as old as the one that took over from it: it holds until then, and plans are stored hours ahead."""

RULES: dict[str, tuple[Rule, ...]] = {
    "rollups": (
        Rule("rollups_minute", "minute", by_event_time=True),
        Rule("pair_counts", "minute", by_event_time=True),
    ),
    "sketches": (
        Rule("embedding_sketches", "hour", by_event_time=True),
        Rule("sketched_hours", "hour", by_event_time=True),
    ),
    "drift_results": (
        Rule("drift_results", "tick", by_event_time=True),
        Rule("drift_explanations", "window_end", by_event_time=True),
        Rule("slice_discoveries", "window_end", by_event_time=True),
        Rule("drift_judgements", "since", by_event_time=True),
    ),
    "slo_evaluations": (Rule("slo_evaluations", "tick", by_event_time=True),),
    # Transitions and notifications go with their alert; an open one stays, however old.
    "alerts": (Rule("alerts", "resolved_at"), Rule("silences", "ends_at")),
    "labels": (Rule("labels", "ts", "replay IS NULL"),),
    "verdicts": (
        Rule("verdicts", "ts", "replay IS NULL"),
        Rule("accuracy_estimates", "window_start"),
        Rule("sampling_plans", "effective_from", _SUPERSEDED),
    ),
    "label_tasks": (Rule("label_tasks", "ts"),),
    "deployments": (Rule("deployments", "ts", by_event_time=True),),
    "dead_letters": (Rule("dead_letters", "created_at"),),
    "stream_gaps": (Rule("stream_gaps", "noticed_at"),),
    "ingest_counters": (Rule("ingest_counters", "minute"),),
    "audit_log": (Rule("audit_log", "at"),),
}
"""Setting of the section `retention` -> what it rules, besides the tables that are kept by day."""


def expired(connection: Connection, rule: Rule, cutoff: datetime, spared: Collection[date]) -> int:
    """How many rows are older than `cutoff`, those of the spared days left out."""
    count = text(f"SELECT count(*) FROM {rule.table} WHERE {_between(rule)}")
    return sum(connection.execute(count, bounds).scalar_one() for bounds in _stretches(rule, cutoff, spared))


def expire(connection: Connection, rule: Rule, cutoff: datetime, spared: Collection[date]) -> Iterator[int]:
    """Delete them, a chunk at a time; yields the rows of each. In autocommit mode."""
    delete = text(f"""
        WITH gone AS (
            DELETE FROM {rule.table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {rule.table} WHERE {_between(rule)} ORDER BY {rule.moment} LIMIT {CHUNK}
            )) RETURNING {rule.moment} AS moment
        ) SELECT count(*) AS rows, max(moment) AS last FROM gone
    """)
    for bounds in _stretches(rule, cutoff, spared):
        rows = CHUNK
        while rows == CHUNK:
            rows, last = connection.execute(delete, bounds).one()
            bounds["start"] = last or bounds["start"]  # past the exempt rows that this chunk went over
            yield rows


def _between(rule: Rule) -> str:
    return f"{rule.moment} >= :start AND {rule.moment} < :end AND {rule.condition}"


def _stretches(rule: Rule, cutoff: datetime, spared: Collection[date]) -> Iterator[dict[str, datetime]]:
    """From the beginning to the cutoff, without the spared days."""
    start = _BEGINNING
    for day in sorted(spared if rule.by_event_time else ()):
        midnight = datetime.combine(day, time(), UTC)
        if start < min(midnight, cutoff):
            yield {"start": start, "end": min(midnight, cutoff)}
        start = midnight + _DAY
    if start < cutoff:
        yield {"start": start, "end": cutoff}
