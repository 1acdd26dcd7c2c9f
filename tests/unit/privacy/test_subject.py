"""Where a record names the person it is about, and the hash by which their records are found."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b

import pytest

from monitor.domain.events import Annotator, Label, Model, Prediction
from monitor.errors import SettingsError
from monitor.privacy import Subjects
from monitor.privacy.subject import NOBODY

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATHS = ("extra.subject", "extra.user.id", "slices.user")
OLD, NEW = b"old key of 16 bytes", b"new key of 16 bytes"


def prediction(**fields: object) -> Prediction:
    return Prediction(request_id="r", ts=NOW, model=Model("m"), task="vqa", status="ok", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"extra": {"subject": "u7"}},
        {"extra": {"user.id": "u7"}},
        {"extra": {"user": {"id": "u7"}}},
        {"slices": {"user": "u7"}},
        {"extra": {"subject": "u7", "user.id": "other"}},
        {"extra": {"subject": "", "user.id": "u7"}},
    ],
)
def test_the_first_path_that_is_there_names_the_subject(fields: dict[str, object]) -> None:
    subjects = Subjects(PATHS, (NEW,))
    expected = blake2b(b"u7", digest_size=16, key=NEW, person=b"snellen.subject").digest()
    assert subjects.digest_of(prediction(**fields)) == expected
    assert subjects.digests("u7") == [expected]


@pytest.mark.parametrize("extra", [{}, {"user": "u7"}, {"subject": None}, {"subject": True}, {"subject": ["u7"]}])
def test_a_record_may_name_nobody(extra: dict[str, object]) -> None:
    assert Subjects(PATHS).digest_of(prediction(extra=extra)) == NOBODY


def test_numbers_are_ids_too_and_labels_have_subjects() -> None:
    label = Label(request_id="r", ts=NOW, annotator=Annotator("a", "user"), extra={"subject": 7})
    assert Subjects(PATHS).digest_of(label) == Subjects(PATHS).digests("7")[0]


def test_after_a_change_of_keys_old_rows_are_still_found() -> None:
    stored = Subjects(PATHS, (OLD,)).digest_of(prediction(extra={"subject": "u7"}))
    rotated = Subjects(PATHS, (NEW, OLD))
    assert stored in rotated.digests("u7")
    assert rotated.digest_of(prediction(extra={"subject": "u7"})) != stored


@pytest.mark.parametrize("path", ["user", "extra", "extra.", "input.prompt"])
def test_a_path_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match=r"must be extra\.NAME or slices\.NAME"):
        Subjects([path])


ODD = [{}, {"extra": None}, {"extra": ["subject"]}, {"extra": "u7"}, {"slices": 7}, {"extra": {"user": "u7"}}]


@pytest.mark.parametrize("fields", ODD)
def test_a_side_of_a_call_may_be_of_any_shape_and_name_nobody(fields: dict[str, object]) -> None:
    assert Subjects(PATHS).digest_of_fields(fields) == NOBODY


def test_a_side_of_a_call_names_whom_the_prediction_would() -> None:
    subjects = Subjects(PATHS, (NEW,))
    for fields in ({"extra": {"user": {"id": "u7"}}}, {"slices": {"user": "u7"}}, {"extra": {"subject": 7}}):
        assert subjects.digest_of_fields(fields) == subjects.digest_of(prediction(**fields)) != NOBODY


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b'"u7"', b"[" * 100_000, b"7", b'[{"extra": {}}, 7, null]'])
def test_bytes_that_name_nobody_are_no_fault(content: bytes) -> None:
    assert Subjects(PATHS).named_in(content) == set()


def test_json_may_name_several() -> None:
    subjects = Subjects(PATHS, (NEW,))
    several = b'[{"extra": {"subject": "u7"}}, {"slices": {"user": "u8"}}, {"extra": {"subject": "u7"}}]'
    assert subjects.named_in(several) == {subjects.digest("u7"), subjects.digest("u8")}
    assert subjects.named_in(several[1:29]) == {subjects.digest("u7")}
