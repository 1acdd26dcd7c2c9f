"""One file per format in which label tasks leave and labels come back. Pure: streams in, streams out.

A new format is one file here, one line in `LABEL_FILES`, and its row in docs/labels.md.
"""

from __future__ import annotations

from monitor.labelling.csv import Csv
from monitor.labelling.jsonl import Jsonl
from monitor.labelling.label_studio import LabelStudio
from monitor.labelling.rows import LabelFile, Row

LABEL_FILES: dict[str, LabelFile] = {"jsonl": Jsonl(), "csv": Csv(), "label-studio": LabelStudio()}

__all__ = ["LABEL_FILES", "LabelFile", "Row"]
