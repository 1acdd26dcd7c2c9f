"""Spans of OTLP as a test writes them."""

from __future__ import annotations

import json
from typing import Any

from monitor.domain.records import Partition, Record
from monitor.formats import FormatOptions, otlp

PARTITION = Partition("cluster", "otlp_spans", "id", 0)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def decode(value: bytes, **options: Any) -> list[Any]:
    return list(otlp.decoder(FormatOptions(**options))(Record(PARTITION, 0, -1, value)))


def in_json(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    """OTLP/JSON of these spans; attributes are given plainly."""

    def any_value(value: Any) -> dict[str, Any]:
        match value:
            case bool():
                return {"boolValue": value}
            case int():
                return {"intValue": str(value)}
            case float():
                return {"doubleValue": value}
            case list():
                return {"arrayValue": {"values": [any_value(one) for one in value]}}
            case dict():
                return {"kvlistValue": {"values": pairs(value)}}
        return {"stringValue": value}

    def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]

    whole = [
        {
            "traceId": TRACE,
            "spanId": SPAN,
            "startTimeUnixNano": "1763719200000000000",
            "endTimeUnixNano": "1763719200500000000",
            **span,
            "attributes": pairs(span.get("attributes", {})),
        }
        for span in spans
    ]
    group = {"resource": {"attributes": pairs(resource or {})}, "scopeSpans": [{"spans": whole}]}
    return json.dumps({"resourceSpans": [group]}).encode()
