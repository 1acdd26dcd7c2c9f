"""Label backlog: of the answers that were drawn for labelling, the share that was labelled in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.sli.series import TRAFFIC, MinuteEvents, TaskWaits

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class LabelBacklog:
    """good = answered, by as many people as the task needs, within `threshold` hours of the prediction; bad = not.

    A task becomes an event in the minute in which its time is up, whether it was answered early, late or never: so the
    figure of a minute never changes afterwards, and a queue that nobody works on burns from then on. Tasks that an
    annotator set aside, because they cannot be answered, are no events unless somebody answered them after all.
    """

    series: str = "label_wait_hours"
    good: tuple[str, str] | None = None
    bad: tuple[str, str] | None = None
    thresholds: tuple[float, ...] = (1, 2, 4, 8, 12, 24, 48, 72, 168)
    sampled: bool = False
    sliced: bool = True
    selectable: tuple[str, ...] = TRAFFIC

    def count(self, rows: TaskWaits, threshold: float | None) -> MinuteEvents:
        """Late and all tasks, each in the minute in which its time was up.

        Raises:
            ValueError: `threshold` (hours) is none of `thresholds`.
        """
        if threshold not in self.thresholds:
            raise ValueError(f"{threshold} hours is none of the times to label: {self.thresholds}")
        due = rows.drawn_at + threshold * HOUR_S
        minute = np.floor(due / 60.0).astype(np.int64)
        return MinuteEvents(minute, (rows.answered_at > due).astype(np.int64), np.ones(len(due), dtype=np.int64))
