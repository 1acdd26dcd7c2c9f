"""Three people who look at sampled answers: they know the truth, take their time, and now and then get it wrong.

Some answers go to two of them, as Snellen demands. Where these contradict each other, the third one decides, later.
"""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from msgspec import structs

from demo.traffic import Case
from monitor.domain.events import Annotator, Label, Prediction
from monitor.sampling.label_plan import annotators_needed
from monitor.services.draw_labels import LabelDesign

PEOPLE: Final = ("amara", "bo", "chidi")
MEAN_DELAY: Final = timedelta(hours=1)
MEAN_DISPUTE: Final = timedelta(hours=12)
"""From the last of the labels that contradict each other until somebody settles it."""
ERROR_RATE: Final = 0.03


class Labellers:
    """Label the answers that Snellen's sampler draws (a hash of the request id), each after an exponential delay.

    Args:
        design: what the settings `labels.*` say of which answers are drawn, and for how many people.
        seed: of delays, people and their errors.
    """

    def __init__(self, design: LabelDesign, *, seed: int = 0, mean_delay: timedelta = MEAN_DELAY) -> None:
        self._design = design
        self._plan = design.initial_plan
        self._rng = np.random.default_rng([seed, 2])
        self._mean_delay = mean_delay
        self._waiting: list[tuple[datetime, str, Label]] = []

    @property
    def next_at(self) -> datetime | None:
        """When the next label will be given; None when nothing waits."""
        return self._waiting[0][0] if self._waiting else None

    def look_at(self, case: Case, prediction: Prediction) -> None:
        """Put an answer into the queue, if it was drawn."""
        draw = self._plan.draw(case.request_id, prediction.slices, prediction.output.confidence)
        if prediction.status != "ok" or not draw.drawn:
            return
        people = self._rng.permutation(PEOPLE).tolist()
        asked = annotators_needed(case.request_id, self._design.annotators, self._design.overlap)
        given = [self._judge(case, prediction, person) for person in people[:asked]]
        if len({said == case.truth for label in given for said in label.answers}) > 1 and people[asked:]:
            seen = max(label.ts for label in given)
            at = seen + MEAN_DISPUTE * float(self._rng.exponential())
            given.append(structs.replace(self._judge(case, prediction, people[asked]), ts=at, adjudicates=True))
        for label in given:
            heapq.heappush(self._waiting, (label.ts, case.request_id, label))

    def given_by(self, moment: datetime) -> list[Label]:
        """The labels that were given up to a moment and not handed out yet, in order of time."""
        given = []
        while self._waiting and self._waiting[0][0] <= moment:
            given.append(heapq.heappop(self._waiting)[2])
        return given

    def _judge(self, case: Case, prediction: Prediction, person: str) -> Label:
        at = prediction.ts + self._mean_delay * float(self._rng.exponential())
        said = self._mistaken(case, prediction) if self._rng.random() < ERROR_RATE else case.truth
        return Label(request_id=case.request_id, ts=at, annotator=Annotator(id=person, kind="human"), answers=(said,))

    def _mistaken(self, case: Case, prediction: Prediction) -> str:
        """An answer that turns the verdict over: the model's own where it is wrong, any other where it is right."""
        if prediction.output.answer is not None and prediction.output.answer != case.truth:
            return prediction.output.answer
        others = [answer for answer in case.candidates if answer != case.truth]
        return others[self._rng.integers(len(others))]
