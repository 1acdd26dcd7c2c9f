"""Whose data a record is: found by the settings' defaults wherever the protocol itself says it, else by an option."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.domain.events import Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Partition, Record
from monitor.formats import FORMATS, FormatOptions
from monitor.privacy import Subjects
from monitor.settings.privacy import Privacy

SUBJECTS = Subjects(Privacy().subject)
WHO = "u-4711"
MESSAGES = [{"role": "user", "content": "Where?"}]
ANSWER = {"choices": [{"message": {"content": "There."}, "finish_reason": "stop"}]}
TENSORS = {"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [2], "data": ["a?", "b?"]}]}


def found(form: str, value: Any, headers: dict[str, str] | None = None, subject: str | None = None) -> list[bytes]:
    """Hashes of the persons named by what a record says; of a call in two records each side is looked at alone."""
    named = tuple((name, text.encode()) for name, text in (headers or {}).items())
    record = Record(Partition("cluster", form, "id", 0), 0, 1763719205_000, json.dumps(value).encode(), named)
    said = FORMATS[form](FormatOptions(model="m", subject=subject))(record)
    assert said
    hashes = []
    for one in said:
        assert isinstance(one, Prediction | Half)
        hashes.append(SUBJECTS.digest_of_fields(one.fields) if isinstance(one, Half) else SUBJECTS.digest_of(one))
    return hashes


def span(attributes: dict[str, str], trace: str = "4bf92f3577b34da6a3ce929d0e0e4736") -> dict[str, Any]:
    pairs = [{"key": name, "value": {"stringValue": text}} for name, text in attributes.items()]
    ids = {"traceId": trace, "spanId": "00f067aa0ba902b7", "startTimeUnixNano": "1763719200000000000"}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{**ids, "attributes": pairs}]}]}]}


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
LITELLM = {"id": "c1", "model": "m", "startTime": 1763719200.0, "endTime": 1763719201.0, "messages": MESSAGES}


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("openai_chat", {"request": {"messages": MESSAGES, "user": WHO}, "response": ANSWER, "id": "c1", "ts": 1}),
        ("openai_chat", {"request": {"messages": MESSAGES, "safety_identifier": WHO}, "id": "c1"}),
        ("openai_chat", {"request": {"messages": MESSAGES, "metadata": {"user_id": WHO}}, "id": "c1"}),
        ("openai_chat", {"request": {"messages": MESSAGES}, "metadata": {"user_id": WHO}, "id": "c1"}),
        ("openai_chat", {"request": {"messages": MESSAGES}, "user": WHO, "id": "c1"}),
        ("openai_chat", {**LITELLM, "response": ANSWER, "end_user": WHO}),
        ("openai_chat", {**LITELLM, "response": ANSWER, "metadata": {"user_api_key_end_user_id": WHO}}),
        ("openai_chat", {**LITELLM, "response": ANSWER, "metadata": {"requester_metadata": {"user_id": WHO}}}),
        ("openai_chat", {**LITELLM, "response": ANSWER, "end_user": "", "metadata": {"user_api_key_user_id": WHO}}),
        ("oip", {"request": TENSORS, "metadata": {"user_id": WHO}, "id": "c1"}),
        ("otlp", span({**CHAT, "user.id": WHO})),
        ("otlp", span({**CHAT, "enduser.id": WHO})),
        ("otlp_joined", span({**CHAT, "user.id": WHO})),
        ("otlp", span({"openinference.span.kind": "LLM", "llm.model_name": "m", "user.id": WHO})),
    ],
)
def test_whom_the_protocol_names_is_found_by_the_defaults(form: str, value: Any) -> None:
    assert set(found(form, value)) == set(SUBJECTS.digests(WHO))


EVENT = {"ce_type": "org.kubeflow.serving.inference.request", "ce_id": "c1"}
LOGGED = json.dumps({"X-Tenant": ["a"], "X-User-Id": [WHO]})
SELDON = {"type": "io.seldon.serving.inference.request", "requestid": "c1"}


@pytest.mark.parametrize(
    ("form", "value", "headers", "subject"),
    [
        ("kserve", TENSORS, {**EVENT, "ce_metadata": LOGGED}, "x-user-id"),
        ("kserve", {"messages": MESSAGES, "user": "another"}, {**EVENT, "ce_metadata": LOGGED}, "X-User-Id"),
        ("seldon", {"strData": "Where?"}, {**SELDON, "X-User-Id": WHO}, "X-User-Id"),
        ("seldon", {"strData": "Where?", "meta": {"tags": {"user": WHO}}}, SELDON, "user"),
        ("oip", TENSORS, {"x-request-id": "c1", "X-User-Id": WHO}, "X-User-Id"),
        ("oip", {"request": TENSORS, "id": "c1", "metadata": {"customer": WHO}}, None, "customer"),
        ("openai_chat", {"messages": MESSAGES}, {"x-request-id": "c1", "X-User-Id": WHO}, "X-User-Id"),
        ("otlp", span({**CHAT, "app.customer": WHO}), None, "app.customer"),
    ],
)
def test_whom_a_header_or_attribute_names_is_found_by_the_option(
    form: str, value: Any, headers: dict[str, str] | None, subject: str
) -> None:
    assert set(found(form, value, headers, subject)) == set(SUBJECTS.digests(WHO))
    assert not set(found(form, value, headers)) & set(SUBJECTS.digests(WHO))


@pytest.mark.parametrize("user", [None, "", [], {}, True, 1.5])
def test_what_is_no_id_names_nobody(user: Any) -> None:
    assert found("openai_chat", {"request": {"messages": MESSAGES, "user": user}, "id": "c1"}) == [b""]


def test_a_number_is_an_id_too() -> None:
    assert found("openai_chat", {"request": {"messages": MESSAGES, "user": 4711}, "id": "c1"}) == SUBJECTS.digests(
        "4711"
    )
