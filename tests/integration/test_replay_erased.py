"""What was erased is not sent again by a replay of the file that holds it, which so can be finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from monitor.domain.events import Label, Prediction
from monitor.domain.records import Batch
from monitor.mapping.mapping import Mapped
from monitor.privacy import Subjects
from monitor.services.erase import EraseService
from monitor.services.ingest import IngestService
from monitor.services.missing import contradicted, missing
from tests.integration.conftest import make_eraser

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SUBJECTS = Subjects(("extra.user_id",), (b"a key of 16 bytes and more",))
ANN = "person-ann-4711"
Send = Callable[..., Batch]
Build = Callable[..., dict[str, Any]]


@pytest.fixture
def events(prediction: Build, label: Build) -> dict[bytes, Mapped]:
    """Of a file: Ann's request and what was said of it, Bob's request and what Ann and Bob said of that."""
    predictions = [prediction("ann-request-1", extra={"user_id": ANN}), prediction("bob-request-1")]
    labels = [
        label("ann-request-1"),
        label("bob-request-1", comment="ann was here", extra={"user_id": ANN}),
        label("bob-request-1", comment="bob was here"),
    ]
    mapped = [
        *(Mapped.of(msgspec.convert(_fields(one), Prediction)) for one in predictions),
        *(Mapped.of(msgspec.convert(_fields(one), Label)) for one in labels),
    ]
    return {one.content_hash: one for one in mapped}


def _fields(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "schema"}


@pytest.fixture
def ingest(ingest: IngestService) -> IngestService:
    """That of the other tests, with the subjects of these."""
    ingest._options = replace(ingest._options, privacy=replace(ingest._options.privacy, subjects=SUBJECTS))
    return ingest


@pytest.fixture
def eraser(engine: Engine) -> EraseService:
    return make_eraser(engine, SUBJECTS)


def test_a_file_of_which_something_was_erased_is_replayed_to_its_end(
    engine: Engine, ingest: IngestService, send: Send, events: dict[bytes, Mapped], eraser: EraseService
) -> None:
    sent = [one.raw for one in events.values()]
    assert len(missing(engine, "r", events)) == 5
    ingest.write(send(*sent, replay="r"), NOW)
    assert missing(engine, "r", events) == {}
    done = eraser.subject(ANN, "ops", NOW, dry_run=False)
    assert (done.requests, done.rows["labels"]) == (1, 2)
    assert missing(engine, "r", events) == {}, "nothing would be sent, and waited for"
    ingest.write(send(*sent, replay="r"), NOW)
    assert missing(engine, "r", events) == {}
    assert contradicted(engine, events) == []


def test_what_was_erased_before_it_came_is_not_even_sent(
    engine: Engine, ingest: IngestService, send: Send, events: dict[bytes, Mapped], eraser: EraseService
) -> None:
    eraser.requests(["ann-request-1"], "ops", NOW, dry_run=False)
    left = missing(engine, "r", events)
    assert {one.request_id for one in left.values()} == {"bob-request-1"}
    ingest.write(send(*(one.raw for one in events.values()), replay="r"), NOW)
    assert missing(engine, "r", events) == {}


def test_what_was_lost_of_others_is_still_missed(
    engine: Engine, events: dict[bytes, Mapped], eraser: EraseService
) -> None:
    eraser.subject(ANN, "ops", NOW, dry_run=False)
    assert len(missing(engine, "r", events)) == 5, "nothing of hers is known"
    eraser.requests(["some-other-request"], "ops", NOW, dry_run=False)
    assert len(missing(engine, "r", events)) == 5
