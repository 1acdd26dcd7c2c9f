"""What people say of drift's alarms."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from monitor.domain.events import MAX_NAME
from monitor.domain.slices import Slice

MAX_COMMENT = 1000

_JUDGE = text("""
    INSERT INTO drift_judgements (reference_id, dimension, value, since, useful, actor, comment, at)
    SELECT reference_id, dimension, value, tick, :useful, :by, :comment, :now FROM drift_results
    WHERE reference_id = :reference AND dimension = :dimension AND value = :value AND tick = :since
      AND verdict = 'drift'
""")


def judge(
    connection: Connection,
    reference_id: int,
    part: Slice,
    since: datetime,
    by: str,
    now: datetime,
    *,
    useful: bool,
    comment: str = "",
) -> bool:
    """Keep whether an alarm was of use; `since` is any of its ticks. What was said before is kept too, and outdated.

    Returns:
        False when nothing drifted there.

    Raises:
        ValueError: `by` is empty or longer than `MAX_NAME`, or the comment longer than `MAX_COMMENT`.
    """
    name, words = by.strip(), comment.strip()
    if not name or len(name) > MAX_NAME or len(words) > MAX_COMMENT:
        raise ValueError(
            f"a judgement needs a name of 1 to {MAX_NAME} characters, and a comment of at most {MAX_COMMENT}"
        )
    found = connection.execute(
        _JUDGE,
        {
            "reference": reference_id, "dimension": part.dimension, "value": part.value, "since": since,
            "useful": useful, "by": name, "comment": words or None, "now": now,
        },
    )  # fmt: skip
    return bool(found.rowcount)
