"""Whose word decides about an answer, and what it is compared with: one rule for verdicts and for metrics."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.domain.results import Answer, Candidate
from monitor.services.label_words import comparable, deciding, last_words


@dataclass(frozen=True)
class Said:
    annotator_id: str
    said: str
    adjudicates: bool = False


FIRST, OTHER, LAST = Said("ann", "yes"), Said("bo", "no"), Said("ann", "no")
SETTLED, SETTLED_LAST = Said("chi", "yes", adjudicates=True), Said("chi", "no", adjudicates=True)


def test_the_last_word_of_each_annotator_counts() -> None:
    assert last_words([FIRST, OTHER, LAST]) == deciding([FIRST, OTHER, LAST]) == [LAST, OTHER]
    assert deciding([]) == []


def test_where_somebody_adjudicates_that_word_alone_counts() -> None:
    assert deciding([FIRST, SETTLED, OTHER, SETTLED_LAST, LAST]) == [SETTLED_LAST]


def test_nothing_is_compared_where_something_was_removed_from_one_of_the_texts() -> None:
    marked = "call [phone removed]"
    assert comparable(Answer("two", (Candidate("three", 0.1),)), ["two", "2"]) == ("two", "2")
    assert comparable(Answer(), []) == ()
    assert comparable(Answer(marked), ["two"]) == ()
    assert comparable(Answer("two", (Candidate(marked, 0.1),)), ["two"]) == ()
    assert comparable(Answer("two"), ["two", marked]) == ()
