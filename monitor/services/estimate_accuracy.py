"""Write down what accuracy a day seems to have before its labels are in, so that labels can judge the estimate."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from monitor.domain.window import DAY, HOUR, Window, floor
from monitor.services.unlabelled import estimated, past_meaning
from monitor.store.engine import transaction
from monitor.store.estimates import estimated_models, insert_estimates
from monitor.store.queries.confidences import all_confidences
from monitor.store.queries.selection import LIVE, Selection
from monitor.store.queries.slices import Dimension

PATIENCE: Final = HOUR
"""After the end of a day, for answers that come late."""


def estimate_last_day(engine: Engine, tick: datetime) -> int:
    """Estimate the last full UTC day, once, for each model; returns of how many it could be estimated.

    Labels of the day itself have no part in it, nor those that came after `tick`.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
    """
    window = Window.before(floor(tick - PATIENCE, DAY), DAY)
    live = Selection(source=LIVE)
    with transaction(engine) as connection:
        # Both are looked up quickly, and with either there is nothing to do.
        if estimated_models(connection, window) or past_meaning(connection, window, tick, live) is None:
            return 0
        by_model = all_confidences(connection, window, live, Dimension("column", "model"))
        found = {}
        for model in sorted(by_model):
            known = past_meaning(connection, window, tick, Selection(model=model, source=LIVE))
            if (estimate := estimated(by_model[model], known)) is not None:
                found[model] = estimate
        insert_estimates(connection, window, found, tick)
    return len(found)
