"""A record that its producer made to cost: it is refused, or read, in about the time of any other of its size."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Rejection, encode
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FORMATS, Decoded
from monitor.formats.options import FormatOptions
from monitor.formats.payloads.rows import MAX_GROWTH, MAX_ROWS
from tests.pace import cost

MEGABYTE = 1024 * 1024
LONG = "x" * (MEGABYTE // 2)
OPTIONS = FormatOptions(model="m", max_record_bytes=MEGABYTE)
Headers = tuple[tuple[str, bytes], ...]
KSERVE = (("ce_type", b"org.kubeflow.serving.inference.request"), ("ce_id", b"a"))
SELDON = (("type", b"io.seldon.serving.inference.request"), ("requestid", b"a"))


def read(name: str, value: bytes, headers: Headers = ()) -> list[Decoded]:
    record = Record(Partition("c", "t", "i", 0), 0, 1763719205_000, value, headers)
    return list(FORMATS[name](OPTIONS)(record))


def call(request: dict[str, Any], answers: int, **envelope: Any) -> bytes:
    body = {"id": "a", **envelope, "request": {"instances": [request]}, "response": {"predictions": ["y"] * answers}}
    return json.dumps(body).encode()


def batch(items: int) -> bytes:
    return json.dumps({"instances": ["y"] * items}).encode()


@pytest.mark.parametrize(
    ("name", "value", "headers"),
    [
        ("oip", call({"prompt": LONG}, MAX_ROWS), ()),
        ("oip", call({}, MAX_ROWS, metadata={f"k{n}": "v" * 250 for n in range(2000)}), ()),
        ("kserve", batch(MAX_ROWS), (*KSERVE, ("ce_namespace", LONG.encode()))),
        ("seldon", batch(MAX_ROWS), (*SELDON, ("namespace", LONG.encode()))),
    ],
    ids=["a prompt of many answers", "metadata of many answers", "a header of many items", "a tag of many items"],
)
def test_what_many_items_share_does_not_multiply_a_record_a_thousandfold(
    name: str, value: bytes, headers: Headers
) -> None:
    with pytest.raises(InvalidEvent, match="items share") as refused:
        read(name, value, headers)
    assert refused.value.reason == Rejection.OVERSIZED


def test_what_many_items_share_is_theirs_where_it_is_short() -> None:
    predictions = read("oip", call({"prompt": "p" * 8000}, MAX_ROWS))
    assert len(predictions) == MAX_ROWS
    assert MAX_GROWTH * MEGABYTE / 4 < sum(len(encode(one)) for one in predictions) < MAX_GROWTH * MEGABYTE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        b'{"id": "binary_data_size' + b'\\"' * (MEGABYTE // 2),
        b'{"id": "binary_data_size' + b'"' * MEGABYTE,
        b'{"binary_data_size": ' + b'"\\' * (MEGABYTE // 2),
        json.dumps({"id": "a", "inputs": [{"name": "prompt", "shape": [2**63 - 1] * 50_000}]}).encode(),
    ],
    ids=["escaped quotation marks", "quotation marks", "a text that ends in a backslash", "a shape of many dimensions"],
)  # fmt: skip
def test_a_megabyte_that_is_none_is_refused_at_once(value: bytes) -> None:
    def refuse() -> None:
        with pytest.raises(InvalidEvent):
            read("oip", value)

    assert cost(refuse) < 20  # it was hours, and seconds
