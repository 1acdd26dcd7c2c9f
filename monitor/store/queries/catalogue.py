"""What there is to ask about: models, replays, and the event times that the tables cover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.window import MINUTE, Window
from monitor.store.queries.accuracy import COUNTS
from monitor.store.queries.selection import Selection


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as it was served."""

    model: str
    version: str
    variant: str


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where labelled predictions came from: a replay, or live traffic."""

    replay: str | None
    """None: live traffic."""
    name: str | None
    """Of the replay, where it was registered."""
    verdicts: int


@dataclass(frozen=True, slots=True)
class Extent:
    """First and last event time; both None for an empty table."""

    first: datetime | None
    last: datetime | None

    def window(self) -> Window | None:
        """From the first to just after the last, in whole minutes of the end."""
        if self.first is None or self.last is None:
            return None
        return Window(self.first, self.last + MINUTE)


# From one kind to the next along an index: what there is to scan grows with the kinds, not with history.
_MODELS = text("""
    WITH RECURSIVE kinds AS (
        (SELECT model, version, variant FROM rollups_minute WHERE dimension = '' ORDER BY 1, 2, 3 LIMIT 1)
        UNION ALL
        SELECT following.* FROM kinds, LATERAL (
            SELECT model, version, variant FROM rollups_minute AS r
            WHERE dimension = '' AND (r.model, r.version, r.variant) > (kinds.model, kinds.version, kinds.variant)
            ORDER BY 1, 2, 3 LIMIT 1
        ) AS following
    )
    SELECT model, version, variant FROM kinds, LATERAL (
        SELECT minute AS last_minute FROM rollups_minute AS r
        WHERE dimension = '' AND (r.model, r.version, r.variant) = (kinds.model, kinds.version, kinds.variant)
        ORDER BY minute DESC LIMIT 1
    ) AS last
    ORDER BY last_minute DESC, model, version, variant
""")
_SOURCES = text("""
    SELECT replay, replays.name, verdicts
    FROM (SELECT replay, count(*) AS verdicts FROM verdicts GROUP BY replay) AS found
    LEFT JOIN replays ON replays.id = replay ORDER BY replay IS NOT NULL, replays.name, replay
""")
_REPLAYS = text("SELECT id FROM replays ORDER BY created_at, id")
_PREDICTED = text("SELECT min(minute) AS first, max(minute) AS last FROM rollups_minute")


def served_models(connection: Connection) -> list[ServedModel]:
    """Every model, version and variant, the one seen last first."""
    return [ServedModel(**row) for row in connection.execute(_MODELS).mappings()]


def label_sources(connection: Connection) -> list[LabelSource]:
    """Sources with labelled predictions: live traffic first, then replays by name."""
    return [LabelSource(**row) for row in connection.execute(_SOURCES).mappings()]


def replays(connection: Connection) -> list[str]:
    """Ids of all replays that were ever begun, the first one first."""
    return list(connection.execute(_REPLAYS).scalars())


def predicted_extent(connection: Connection) -> Extent:
    """Of all predictions, to the minute."""
    return Extent(**connection.execute(_PREDICTED).mappings().one())


def labelled_extent(connection: Connection, selection: Selection) -> Extent:
    """Of the labelled predictions of this selection that an accuracy rests on."""
    conditions, parameters = selection.of_rows()
    query = text(f"SELECT min(ts) AS first, max(ts) AS last FROM verdicts WHERE {COUNTS}{conditions}")
    return Extent(**connection.execute(query, parameters).mappings().one())
