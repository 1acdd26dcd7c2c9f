"""Which prediction is stored, embedded or labelled, and with which probability."""

from monitor.sampling.hashing import selected, uniform
from monitor.sampling.label_plan import LABEL_KEY, Draw, LabelPlan, LabelPlans, annotators_needed
from monitor.sampling.stored_share import StoredShare

__all__ = [
    "LABEL_KEY",
    "Draw",
    "LabelPlan",
    "LabelPlans",
    "StoredShare",
    "annotators_needed",
    "selected",
    "uniform",
]
