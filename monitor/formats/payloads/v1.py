"""V1 bodies, TensorFlow Serving's REST forms: `{"instances": [...]}` and `{"predictions": [...]}` row by row, or
`{"inputs": {...}}` and `{"outputs": {...}}` column by column.

KServe, "V1 Protocol" (https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol). What an
instance or a prediction looks like is up to the model.
"""

from __future__ import annotations

from typing import Any

from monitor.formats.payloads.answers import are_probabilities, candidates
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields
from monitor.formats.payloads.values import text_of


def instance(value: Any, roles: Roles) -> Fields:
    """One item of a request: an object with names, or a text or picture by itself; numbers alone say nothing."""
    if isinstance(value, dict) and value.keys() != {"b64"}:
        return roles.request(value)
    return roles.request({"": value}) if isinstance(value, str | dict) else {"input": {}}


def prediction(value: Any, roles: Roles) -> Fields:
    """One item of a response: an object with names, a text or class, or the probabilities of the classes.

    Raises:
        InvalidEvent: a number is not finite.
    """
    if isinstance(value, dict):
        return roles.response(value)
    if are_probabilities(value):
        found = candidates(None, value)
        return {"output": {"answer": found[0]["answer"], "confidence": found[0]["score"], "candidates": found}}
    if isinstance(value, list) and len(value) != 1:
        return {"output": {}}
    answer = text_of(value)
    return {"output": {} if answer is None else {"answer": answer}}
