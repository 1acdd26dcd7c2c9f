"""One file per service level indicator: what counts as an event, and which events are bad. Pure.

A new SLI is one file here and one line in `SLIS`; the end of docs/sli.md says what belongs to it elsewhere.
"""

from __future__ import annotations

from monitor.sli.availability import Availability
from monitor.sli.coverage import Coverage
from monitor.sli.drift import Drift
from monitor.sli.label_accuracy import LabelAccuracy
from monitor.sli.label_backlog import LabelBacklog
from monitor.sli.latency import Latency

SLIS: dict[str, Availability | Latency | LabelAccuracy | Coverage | LabelBacklog | Drift] = {
    "availability": Availability(),
    "latency": Latency(),
    "label_accuracy": LabelAccuracy(),
    "coverage": Coverage(),
    "label_backlog": LabelBacklog(),
    "drift": Drift(),
}
