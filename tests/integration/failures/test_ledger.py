"""What the producer's ledger must hold to be compared with the store byte by byte."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.privacy import PrivacyOptions, Redactor
from tests.integration.failures.ledger import Traffic

SEED, MANY = 34, 1000


def test_nothing_that_is_refused_looks_like_personal_data_which_dead_letters_would_lose() -> None:
    traffic, redactor = Traffic(SEED, datetime(2026, 11, 21, tzinfo=UTC)), Redactor(PrivacyOptions())
    event = traffic._event(0)
    garbage = [traffic._garbage(event)[0] for _ in range(MANY)]
    assert [one for one in garbage if redactor.dead_letter(one) != one] == []
