"""What can go wrong with an answer of any task: refusals, safety violations, and disagreement with the picture."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.domain.results import Judged
from monitor.tasks.captions.caption import means
from monitor.tasks.estimates import jackknife
from monitor.tasks.metric import Metric, known, share


def common_metrics(rows: Sequence[Judged]) -> tuple[Metric, ...]:
    """The figures that every task has.

    A refusal is a false one when its verdict is incorrect: there was something to say. One that labels leave without a
    verdict counts as neither.
    """
    return (
        share("refusal_rate", rows, lambda row: row.refused),
        share(
            "false_refusal_rate",
            [row for row in rows if row.refused],
            lambda row: None if row.correct is None else not row.correct,
        ),
        share("violation_rate", rows, lambda row: row.violation),
        share("flagged_rate", rows, lambda row: row.flagged),
        agreement(rows),
    )


def agreement(rows: Sequence[Judged]) -> Metric:
    """Mean cosine of answer and picture: what is said of the picture without being in it lowers it.

    Compare it with an earlier window of the same embedder; its level differs between embedders and tasks.
    """
    values, probabilities = known(rows, lambda row: row.agreement)
    if len(values) < 2:
        return Metric.of("answer_image_agreement", "score", None, n=len(values))
    (found,) = jackknife([[value] for value in values], means, 1.0, probabilities, least=-1.0)
    return Metric.of("answer_image_agreement", "score", found)
