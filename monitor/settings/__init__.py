"""Every setting, read once: environment (`SNELLEN_...`), then `snellen.toml`, then what `snellen up` started.

Nothing else reads the environment. All faults are reported at once, with name and hint. One file holds what belongs
together; docs/settings.md lists every field, and a test compares the two.
"""

from monitor.settings.drift import REFERENCE_WINDOWS
from monitor.settings.embedder import Embedder
from monitor.settings.ingest import Ingest, Topic
from monitor.settings.labels import Labels
from monitor.settings.retention import Retention
from monitor.settings.settings import CONFIG_VARIABLE, Settings, load

__all__ = [
    "CONFIG_VARIABLE",
    "REFERENCE_WINDOWS",
    "Embedder",
    "Ingest",
    "Labels",
    "Retention",
    "Settings",
    "Topic",
    "load",
]
