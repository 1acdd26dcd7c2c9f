"""What is kept of a record that was refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from monitor.domain.records import REPLAY_HEADER, Partition, Record
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.protect import MAX_KEPT, Privacy
from monitor.store.dead_letters import Rejected

RAW = b'{"prompt": "mail a@b.co"}'
HEADERS = (("ce_subject", b"a@b.co"), (REPLAY_HEADER, b"replay-1"))
RECORD = Record(Partition("c", "t", "i", 0), 7, -1, RAW, HEADERS, key=b"user-1")


def rejected(options: PrivacyOptions) -> Rejected:
    return Privacy(Redactor(options), Subjects(())).rejected(Rejected(RECORD, "invalid", "mail was 'a@b.co'"))


def test_by_default_the_texts_are_redacted_and_the_digest_is_of_what_came() -> None:
    kept = rejected(PrivacyOptions())
    assert kept.record.value == b'{"prompt":"mail [email removed]"}'
    assert kept.detail == "mail was '[email removed]'"
    assert kept.digest == hashlib.sha256(RAW).digest()


@pytest.mark.parametrize("options", [PrivacyOptions(dead_letters="drop"), PrivacyOptions(answers="hide")])
def test_dropped_nothing_stays_but_reason_place_and_what_is_ours(options: PrivacyOptions) -> None:
    kept = rejected(options)
    assert (kept.record.value, kept.record.key, kept.record.headers) == (b"", None, HEADERS[1:])
    assert (kept.record.offset, kept.reason) == (7, "invalid")
    assert kept.digest == hashlib.sha256(RAW).digest()


def test_kept_it_is_what_came() -> None:
    assert rejected(PrivacyOptions(dead_letters="keep")).record == RECORD


@pytest.mark.parametrize("name", ["ce_subject", "x-user"])
def test_key_and_headers_are_redacted_too(name: str) -> None:
    record = replace(RECORD, key=b"jane@example.com", headers=((name, b"mail jane@example.com"), *HEADERS[1:]))
    privacy = Privacy(Redactor(PrivacyOptions()), Subjects(()))
    kept = privacy.rejected(Rejected(record, "invalid", "no")).record
    assert (kept.key, kept.headers) == (b"*" * 16, ((name, b"mail " + b"*" * 16), *HEADERS[1:]))


def test_ids_in_headers_that_could_be_telephone_numbers_stay() -> None:
    record = replace(RECORD, key=None, headers=(("ce_id", b"0171 1234567"),))
    privacy = Privacy(Redactor(PrivacyOptions()), Subjects(()))
    assert privacy.rejected(Rejected(record, "invalid", "no")).record.headers == record.headers


@pytest.mark.parametrize("options", [PrivacyOptions(dead_letters="drop"), PrivacyOptions(answers="hide")])
def test_the_reason_quotes_nothing_of_what_is_dropped(options: PrivacyOptions) -> None:
    detail = """output.answer: lookup: 'my son Tom' is not in the table (yes, no); prompt is "it's me", not 'and so"""
    kept = Privacy(Redactor(options), Subjects(())).rejected(Rejected(RECORD, "invalid", detail))
    assert kept.detail == "output.answer: lookup: '...' is not in the table (yes, no); prompt is '...', not '...'"


FOREIGN = [
    "Jane Roe",
    "Jane's",
    """both ' and " of Jane""",
    "Jane\\",
    "Jane\nRoe",
    "'Jane'",
    "it's 'Jane' \"Roe\"",
    "Jane' Roe",
]


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("cut", [False, True])
def test_no_quotation_shows_what_it_quotes(foreign: str, *, cut: bool) -> None:
    """Our own messages quote as Python does, also bytes, and may cut what they quote."""
    for quoted in (repr(foreign), repr(foreign.encode())):
        detail = f"the record's time is {quoted[:-1] if cut else quoted}"
        kept = Privacy(Redactor(PrivacyOptions(dead_letters="drop")), Subjects(())).rejected(
            Rejected(RECORD, "invalid", detail)
        )
        assert kept.detail == "the record's time is '...'"


@pytest.mark.parametrize("options", [PrivacyOptions(), PrivacyOptions(dead_letters="keep")])
def test_of_what_is_very_large_no_content_is_kept_and_the_reason_says_so(options: PrivacyOptions) -> None:
    privacy = Privacy(Redactor(options), Subjects(()))
    large, largest = (
        Rejected(replace(RECORD, value=bytes(size)), "oversized", "no") for size in (MAX_KEPT, MAX_KEPT + 1)
    )
    assert len(privacy.rejected(large).record.value) == MAX_KEPT
    kept = privacy.rejected(largest)
    assert (kept.record.value, kept.record.headers, kept.record.offset) == (b"", HEADERS[1:], 7)
    assert kept.detail == f"no; no content is kept of more than {MAX_KEPT} bytes"
    assert kept.digest == hashlib.sha256(bytes(MAX_KEPT + 1)).digest()
