"""Lines of what clouds log of the calls of their models, read as a topic would be."""

from __future__ import annotations

import json
from typing import Any

from monitor.domain.events import Prediction
from monitor.domain.records import Partition, Record
from monitor.formats import FORMATS, FormatOptions, auto


def decoded(value: Any, name: str = "auto", **options: Any) -> Any:
    record = Record(Partition("c", "t", "id", 0), 0, 1763719205_000, json.dumps(value).encode())
    if name == "auto":
        assert auto.detected(record) in ("openai_chat", "oip")
    (one,) = FORMATS[name](FormatOptions(**options))(record)
    return one


def whole(value: Any, name: str = "auto", **options: Any) -> Prediction:
    one = decoded(value, name, **options)
    assert isinstance(one, Prediction)
    return one
