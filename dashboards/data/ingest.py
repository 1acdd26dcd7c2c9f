"""Whether everything that is logged arrives."""

from __future__ import annotations

from dashboards.data.connection import SLOW_TO_CHANGE, cached, config
from monitor import bootstrap
from monitor.store.partitions import existing_days
from monitor.store.queries import calls, streams
from monitor.store.queries.dead_letters import letters

logged_calls = cached(calls.logged_calls)
_waiting_sides = cached(calls.waiting_sides)
partition_lags = cached(streams.partition_lags)
outcomes_over_time = cached(streams.outcomes_over_time)
last_consumed_minute = cached(streams.last_consumed_minute)
dead_letters = cached(letters)
dead_letters_over_time = cached(streams.dead_letters_over_time)
stream_gaps = cached(streams.stream_gaps)
partition_days = cached(existing_days, SLOW_TO_CHANGE)


def waiting_sides() -> calls.WaitingSides:
    """Sides of calls that wait in the ingest group, now."""
    return _waiting_sides(bootstrap.group(config(), "ingest"))


def readers() -> frozenset[tuple[str, str]]:
    """(consumer group, topic) of all that is to be read, by the settings. Without a model nobody embeds."""
    found = config()
    topics = {"ingest": bootstrap.topics(found)}
    if found.embedder.model:
        topics["embed"] = bootstrap.embed_topics(found)
    return frozenset((bootstrap.group(found, kind), one) for kind, several in topics.items() for one in several)
