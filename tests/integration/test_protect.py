"""What is stored of records that hold personal data: nothing of it, wherever it stood, and no count changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from monitor.domain.events import Prediction
from monitor.domain.records import Batch
from monitor.formats import FormatOptions, native
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.ingest import IngestOptions, IngestService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MAIL, PHONE, CARD = "ana.diaz@example.com", "+44 20 7946 0958", "4111 1111 1111 1111"
SECRETS = (MAIL, PHONE, CARD, "7946 0958", "ana.diaz")
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]
TABLES = ("predictions", "labels", "dead_letters", "deployments", "waiting_halves", "rollups_minute", "slice_values")


def make(engine: Engine, options: PrivacyOptions, subject: str = "extra.user_id") -> IngestService:
    return IngestService(
        engine,
        IngestOptions(
            group="g",
            decoders={"t": native.decoder(FormatOptions())},
            limits=Limits(max_record_bytes=1024 * 1024, max_future=timedelta(minutes=5), max_age=timedelta(days=30)),
            slice_dimensions=("device",),
            max_slice_values=10,
            labels=LabelDesign(),
            pair_patience=timedelta(minutes=5),
            privacy=Privacy(Redactor(options), Subjects([subject])),
            store_rate=1.0,
            max_models=200,
            max_embedders=100,
        ),
        lambda *_: None,
    )


@pytest.fixture
def everything(engine: Engine) -> Callable[[], str]:
    """All that is stored, as one text; bytes are shown as the text that they hold."""

    def read() -> str:
        with engine.connect() as connection:
            rows = [row for table in TABLES for row in connection.execute(text(f"SELECT * FROM {table}"))]
        return "\n".join(
            str([bytes(one).decode("utf-8", "replace") if isinstance(one, bytes | memoryview) else one for one in row])
            for row in rows
        )

    return read


def personal(prediction: Build, request_id: str = "a") -> dict[str, Any]:
    return prediction(
        request_id,
        input={"prompt": f"Write to {MAIL}", "context": f"Caller {PHONE}"},
        output={"answer": f"Charged {CARD}", "candidates": [{"answer": f"or {MAIL}", "score": 0.5}]},
        slices={"device": MAIL},
        extra={"user_id": MAIL, "nested": [{"note": f"card {CARD}"}]},
    )


def test_nothing_personal_is_stored_and_what_is_found_says_what_it_was(
    engine: Engine, send: Send, prediction: Build, label: Build, everything: Callable[[], str], rows: Rows
) -> None:
    service = make(engine, PrivacyOptions())
    service.write(
        send(
            personal(prediction),
            label("a", comment=f"she is {MAIL}", correction=f"call {PHONE}"),
            {"schema": "prediction/v1", "request_id": MAIL, "oops": CARD},
            b"not json, from " + MAIL.encode(),
        ),
        NOW,
    )
    stored = everything()
    for secret in SECRETS:
        assert secret not in stored
    [(prompt, answer)] = rows("SELECT prompt, answer FROM predictions")
    assert prompt.startswith("Write to ")
    assert "email" in prompt.lower()
    assert "card" in answer.lower()
    assert rows("SELECT count(*) FROM dead_letters") == [2]


def test_the_same_record_again_is_a_duplicate_though_it_was_redacted(
    engine: Engine, send: Send, prediction: Build
) -> None:
    service = make(engine, PrivacyOptions())
    service.write(send(personal(prediction)), NOW)
    assert service.write(send(personal(prediction)), NOW) == {("t", "duplicate"): 1}
    other = personal(prediction) | {"input": {"prompt": "Write to bob@example.org"}}
    assert service.write(send(other), NOW) == {("t", "contradictory"): 1}


def test_a_person_can_be_found_by_the_hash_though_the_id_was_redacted(
    engine: Engine, send: Send, prediction: Build, label: Build, rows: Rows
) -> None:
    service = make(engine, PrivacyOptions())
    service.write(send(personal(prediction), prediction("b"), label("a", extra={"user_id": MAIL})), NOW)
    [expected] = Subjects(["extra.user_id"]).digests(MAIL)
    assert rows("SELECT request_id, subject_hash FROM predictions ORDER BY 1") == [("a", expected), ("b", b"")]
    assert rows("SELECT subject_hash FROM labels") == [expected]


def test_dead_letters_are_told_apart_by_the_digest_of_what_came(
    engine: Engine, send: Send, prediction: Build, rows: Rows
) -> None:
    raw = [msgspec.json.encode(personal(prediction, str(n)) | {"status": "?"}) for n in range(2)]
    make(engine, PrivacyOptions(dead_letters="drop")).write(send(*raw), NOW)
    found = rows("SELECT raw, digest FROM dead_letters ORDER BY record_offset")
    assert found == [(b"", hashlib.sha256(one).digest()) for one in raw]


def test_with_everything_kept_what_came_is_stored(engine: Engine, send: Send, prediction: Build, rows: Rows) -> None:
    kept = PrivacyOptions("keep", "keep", "keep", "keep", "keep", dead_letters="keep")
    make(engine, kept).write(send(personal(prediction)), NOW)
    assert rows("SELECT prompt FROM predictions") == [f"Write to {MAIL}"]
    assert rows("SELECT value FROM rollups_minute WHERE dimension = 'device'") == [MAIL]


class Tripping(Redactor):
    """As a fault in the redactor would show: some text makes it raise, wherever it stands."""

    def prediction(self, event: Prediction) -> Prediction:
        if event.request_id == "trip":
            raise ZeroDivisionError(MAIL)
        return super().prediction(event)

    def dead_letter(self, content: bytes, removed: set[str] | None = None) -> bytes:
        if b"trip" in content:
            raise ZeroDivisionError(MAIL)
        return super().dead_letter(content, removed)


def test_what_trips_the_redactor_is_refused_without_its_bytes_and_stops_nothing(
    engine: Engine, send: Send, prediction: Build, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    service = make(engine, PrivacyOptions())
    service._options = replace(service._options, privacy=Privacy(Tripping(PrivacyOptions()), Subjects([])))
    batch = send(prediction("a"), personal(prediction, "trip"), prediction("b"))
    assert service.write(batch, NOW) == {("t", "accepted"): 2, ("t", "unreadable"): 1}
    [(reason, detail, raw, digest)] = rows("SELECT reason, detail, raw, digest FROM dead_letters")
    assert (reason, raw) == ("unreadable", b"")
    assert "fault of Snellen" in detail
    assert digest == hashlib.sha256(batch.records[1].value).digest()
    assert MAIL not in caplog.text


def test_another_record_at_the_offset_of_a_dead_letter_is_kept_too(engine: Engine, send: Send, rows: Rows) -> None:
    """As in a log that was cut and has grown anew under the same topic id."""
    service = make(engine, PrivacyOptions())
    batch = send(b"broken")
    service.write(batch, NOW)
    with engine.begin() as connection:
        connection.execute(text("UPDATE stream_offsets SET next_offset = 0"))
    again = replace(batch, records=(replace(batch.records[0], value=b"broken otherwise"),))
    service.write(again, NOW)
    with engine.begin() as connection:
        connection.execute(text("UPDATE stream_offsets SET next_offset = 0"))
    service.write(again, NOW)
    assert rows("SELECT raw FROM dead_letters ORDER BY id") == [b"broken", b"broken otherwise"]
