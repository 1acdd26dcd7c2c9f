"""What drifted, what moved, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboards.data.connection import SLOW_TO_CHANGE, cached, config, engine
from monitor import bootstrap
from monitor.domain.slices import Slice
from monitor.domain.window import Window
from monitor.services.bless import Actor, activate
from monitor.services.bless import bless as bless_traffic
from monitor.services.references import Made
from monitor.store import judgements
from monitor.store.engine import transaction
from monitor.store.queries import drift
from monitor.store.queries import drift_alarms as alarms
from monitor.store.queries import explanations as explained

references = cached(drift.references)
unfitted_streams = cached(drift.unfitted)
courses = cached(drift.courses)
findings = cached(drift.findings)
findings_overlapping = cached(drift.findings_overlapping)
latest_findings = cached(drift.latest_findings)
drift_alarms = cached(alarms.drift_alarms)
promised_level = cached(alarms.promised_level)
explanations = cached(explained.explanations)
explanation_examples = cached(explained.explanation_examples)
latest_discovery = cached(explained.latest_discovery, SLOW_TO_CHANGE)
discovery_examples = cached(explained.discovery_examples, SLOW_TO_CHANGE)


def judge(reference_id: int, part: Slice, since: datetime, by: str, *, useful: bool, comment: str) -> bool:
    """Keep whether an alarm of drift was of use; false when nothing drifted there.

    Raises:
        ValueError: `by` is no name, or the comment is too long.
        StoreError: PostgreSQL does not answer.
    """
    with transaction(engine()) as connection:
        done = judgements.judge(
            connection, reference_id, part, since, by, bootstrap.now(), useful=useful, comment=comment
        )
    st.cache_data.clear()
    return done


def bless(model: str, window: Window, streams: Sequence[str], by: str) -> list[Made]:
    """Make the model's traffic in a window its drift reference.

    Raises:
        NotEnoughData: the window is too short, or there is no traffic in it.
        StoreError: PostgreSQL does not answer.
    """
    options, actor = bootstrap.reference_options(config()), Actor(by.strip(), bootstrap.now())
    made = bless_traffic(engine(), options, model, window, streams, actor)
    st.cache_data.clear()
    return made


def activate_reference(reference_id: int, by: str) -> None:
    """Compare with an earlier reference again.

    Raises:
        NotEnoughData: there is none of this number.
        UnreadableState: it cannot be read.
        StoreError: PostgreSQL does not answer.
    """
    activate(engine(), bootstrap.reference_options(config()), reference_id, Actor(by.strip(), bootstrap.now()))
    st.cache_data.clear()
