"""Labels that several people gave to the same answer, for measuring how far they agree."""

from __future__ import annotations

from sqlalchemy import Connection, text

from monitor.domain.window import Window
from monitor.store.queries.selection import Selection, bounds
from monitor.store.scoring import LabelRow, PredictionRow

_TOGETHER = """
    SELECT p.request_id, p.ts, p.model, p.version, p.variant, p.task, p.answer, p.candidates, p.confidence, p.slices,
           p.replay, l.ts AS said_at, l.annotator_id, l.annotator_kind, l.verdict, l.answers, l.rating
    FROM (
        SELECT ts, request_id FROM label_tasks
        WHERE ts >= :start AND ts < :end AND annotators > 1 AND answers > 1{conditions}
        ORDER BY ts DESC LIMIT :most
    ) AS t JOIN predictions p ON p.ts = t.ts AND p.request_id = t.request_id
    JOIN labels l ON l.request_id = t.request_id AND l.annotator_kind <> 'user' AND NOT l.adjudicates
    WHERE NOT EXISTS (
        SELECT FROM arrivals a WHERE a.request_id = t.request_id AND a.ts > t.ts AND a.ts <= l.ts OFFSET 0
    ) AND (l.ts >= t.ts OR NOT EXISTS (SELECT FROM arrivals a WHERE a.request_id = t.request_id AND a.ts < t.ts))
    ORDER BY p.ts, p.request_id, l.ts, l.annotator_id
"""
"""As `monitor.store.scoring.look_up` tells what a label speaks of: an id may have been used on several days. OFFSET
makes each look go by the index of the days between; as a join it might become one that reads whole days."""


def judged_together(
    connection: Connection, window: Window, selection: Selection, most: int
) -> list[tuple[PredictionRow, LabelRow]]:
    """Every label, by age, of the tasks that were given to several people and answered by more than one.

    Which tasks those are was drawn at random, so what their annotators agree on stands for what is drawn (of which
    unsure answers are more than of all traffic: nothing is weighed by 1/p); a task that got a second opinion because
    somebody doubted the first does not. Adjudications are left out: who gives them knows what
    was said before.

    Args:
        window: of the predictions.
        most: tasks, the newest.
    """
    conditions, parameters = selection.of_rollups()
    given = {**bounds(window), **parameters, "most": most}
    rows = connection.execute(text(_TOGETHER.format(conditions=conditions)), given).all()
    return [
        (
            PredictionRow(
                request_id=row.request_id, ts=row.ts, model=row.model, version=row.version, variant=row.variant,
                task=row.task, answer=row.answer, candidates=row.candidates, confidence=row.confidence,
                slices=row.slices, replay=row.replay, inclusion_probability=None, in_base=None, annotators=None,
            ),
            LabelRow(
                request_id=row.request_id, ts=row.said_at, annotator_id=row.annotator_id,
                annotator_kind=row.annotator_kind, verdict=row.verdict, answers=row.answers, rating=row.rating,
                adjudicates=False,
            ),
        )
        for row in rows
    ]  # fmt: skip
