"""What was served: models, requests, deployments, canaries."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboards.data.connection import SLOW_TO_CHANGE, asked, cached, config
from monitor import bootstrap
from monitor.services.compare_canary import CanaryReport, compare_canary
from monitor.store.queries import canary, catalogue, deployments, examples, traffic

served_models = cached(catalogue.served_models, SLOW_TO_CHANGE)
predicted_extent = cached(catalogue.predicted_extent)
total_traffic = cached(traffic.total_traffic)
requests_by_model = cached(traffic.requests_by_model, SLOW_TO_CHANGE)
traffic_over_time = cached(traffic.traffic_over_time)
last_deployments = cached(deployments.last_deployments)
deployments_within = cached(deployments.deployments_within)
canary_rollouts = cached(canary.canary_rollouts)
example_requests = cached(examples.examples)


@st.cache_data(ttl=SLOW_TO_CHANGE, max_entries=20, show_spinner=False)
def canary_report(rollout: canary.Rollout, as_of: datetime) -> CanaryReport:
    """The canary beside the stable version, as known at a moment."""
    options = bootstrap.canary_options(config())
    return asked(lambda connection: compare_canary(connection, rollout, as_of, options))
