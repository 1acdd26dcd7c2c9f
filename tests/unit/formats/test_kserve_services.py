"""What KServe's events say of their service is remembered from one event to the next: never for another one."""

from __future__ import annotations

import json

import pytest

from monitor.domain.halves import Half, join
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent
from monitor.formats import FormatOptions
from monitor.formats.kserve import decoder

SERVICES = [
    {"inferenceservicename": "llava", "namespace": "a", "component": "predictor", "endpoint": ""},
    {"inferenceservicename": "llava", "namespace": "b", "component": "predictor", "endpoint": ""},
    {"inferenceservicename": "llava", "namespace": "b", "component": "predictor", "endpoint": "llava-canary"},
    {"inferenceservicename": "moondream", "namespace": "b", "endpoint": ""},
    {"inferenceservicename": "l" * 2000, "namespace": "a", "component": "predictor"},
]
REQUEST = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": "What is this?"}]}
RESPONSE = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "a mug"}}]}
decode = decoder(FormatOptions())


def event(side: str, service: dict[str, str]) -> Record:
    attributes = {"type": f"org.kubeflow.serving.inference.{side}", "id": "1", "time": "2025-11-21T10:00:00Z"}
    headers = tuple((f"ce_{name}", text.encode()) for name, text in (attributes | service).items())
    body = json.dumps(REQUEST if side == "request" else RESPONSE).encode()
    return Record(Partition("cluster", "kserve", "id", 0), 0, 0, body, headers)


def half(side: str, service: dict[str, str]) -> Half:
    (one,) = decode(event(side, service))
    assert isinstance(one, Half)
    return one


def test_services_in_turn_are_told_apart() -> None:
    for service in [*SERVICES, *SERVICES]:
        request, response = half("request", service), half("response", service)
        kept = {name: text for name, text in service.items() if name in ("namespace", "component")}
        model = {
            "name": service["inferenceservicename"],
            "variant": "canary" if service.get("endpoint") else "stable",
            "version": "m",
        }
        assert request.fields["extra"] == kept | {"max_tokens": 16}
        assert (request.fields["model"], response.fields["model"]) == (model, model)
        assert "extra" not in response.fields


def test_a_call_that_is_joined_changes_nothing_of_the_next() -> None:
    first, second = (half("request", SERVICES[0]), half("response", SERVICES[0])), half("request", SERVICES[0])
    prediction = join(*first)
    assert half("request", SERVICES[0]) == second
    assert join(second, half("response", SERVICES[0])) == prediction


def test_more_services_than_are_remembered_are_told_apart() -> None:
    for number in [*range(2000), *range(2000)]:
        assert half("response", {"inferenceservicename": f"s{number}"}).fields["model"]["name"] == f"s{number}"


def test_events_of_an_explainer_say_nothing_whatever_else_they_hold() -> None:
    assert not decode(event("explain", {"namespace": "\x00"}))


def test_what_only_the_request_says_is_asked_of_the_request_alone() -> None:
    hostile = {**SERVICES[0], "namespace": "\x00"}
    with pytest.raises(InvalidEvent, match="NUL"):
        decode(event("request", hostile))
    assert half("response", hostile) == half("response", SERVICES[0])
