"""Whichever way people label, the figures are the same, or there are none: 500 answers, labelled in three ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monitor.domain.results import Answer, Candidate, Judged, Label
from monitor.tasks import TASKS
from monitor.tasks.metric import Metric
from monitor.tasks.task import said

ROWS = 500
Draw = Callable[[np.random.Generator], tuple[Answer, str]]


def ranking(rng: np.random.Generator) -> tuple[Answer, str]:
    """Ten candidates, of which the k-th is right with a chance that falls with k."""
    names = [str(one) for one in rng.permutation(10)]
    place = rng.choice(10, p=[0.8, 0.08, 0.04, 0.02, 0.02, 0.01, 0.01, 0.01, 0.005, 0.005])
    return Answer(names[0], tuple(Candidate(one, -k) for k, one in enumerate(names))), names[place]


def yes_or_no(rng: np.random.Generator) -> tuple[Answer, str]:
    """Three answers in ten say neither, one in ten is wrong."""
    truth, other = rng.permutation(["yes", "no"])
    return Answer(str(rng.choice(["I cannot tell.", truth, other], p=[0.3, 0.6, 0.1]))), str(truth)


def question(rng: np.random.Generator) -> tuple[Answer, str]:
    if rng.random() < 0.5:
        return yes_or_no(rng)
    truth, other = rng.permutation(["cat", "dog"])
    return Answer(str(rng.choice([truth, other], p=[0.8, 0.2]))), str(truth)


def option(rng: np.random.Generator) -> tuple[Answer, str]:
    truth, other = rng.permutation(["A", "B"])
    return Answer(str(rng.choice([truth, other, "the left one"], p=[0.7, 0.2, 0.1]))), str(truth)


DRAWS: dict[str, Draw] = {
    "classification": ranking, "retrieval": ranking, "vqa": question, "yes_no": yes_or_no, "multiple_choice": option,
}  # fmt: skip
OPEN = {
    "classification": {"top_3", "top_5"},
    "retrieval": {"recall_at_5", "recall_at_10", "hit_at_5", "hit_at_10", "mrr"},
    "vqa": {"recall", "f1", "false_positive_rate", "false_negative_rate", "yes_share"},
    "yes_no": {"recall", "f1", "false_positive_rate", "false_negative_rate"},
    "multiple_choice": {"unreadable_rate"},
}
"""What verdicts alone leave open."""


def by_answers(_right: bool, truth: str) -> Label:
    return Label(answers=(truth,))


def by_verdict(right: bool, _truth: str) -> Label:
    return Label(verdict="correct" if right else "incorrect")


def as_the_page_asks(right: bool, truth: str) -> Label:
    return Label(verdict="correct") if right else Label(verdict="incorrect", answers=(truth,))


def figures(name: str, way: Callable[[bool, str], Label], seed: int = 31) -> dict[str, Metric]:
    """But for the accuracy of retrieval: nobody calls a first candidate right because another one is."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(ROWS):
        answer, truth = DRAWS[name](rng)
        label = way(said(answer) == truth, truth)
        verdict = TASKS[name].score(answer, label)
        drawn = float(rng.uniform(0.1, 1.0))
        rows.append(Judged(answer, Label(answers=label.answers), verdict.correct, verdict.score, probability=drawn))
    return {one.name: one for one in TASKS[name].metrics(rows)[name == "retrieval" :]}


@pytest.mark.parametrize("name", DRAWS)
def test_a_right_answer_named_only_where_the_models_is_wrong_gives_the_figures_of_one_always_named(name: str) -> None:
    assert figures(name, as_the_page_asks) == figures(name, by_answers)


@pytest.mark.parametrize("name", DRAWS)
def test_verdicts_alone_give_the_same_figures_or_a_reason(name: str) -> None:
    known, found = figures(name, by_answers), figures(name, by_verdict)
    assert {one.name for one in found.values() if one.value is None} == OPEN[name]
    for metric in found.values():
        if metric.name in OPEN[name]:
            assert "no label says what is right" in metric.reason
            assert not metric.enough
        else:
            assert metric == known[metric.name]


@pytest.mark.parametrize("name", DRAWS)
def test_of_other_answers_the_page_gives_intervals_that_overlap(name: str) -> None:
    known, found = figures(name, by_answers), figures(name, as_the_page_asks, seed=32)
    for metric in known.values():
        other = found[metric.name]
        assert metric.interval is not None
        assert other.interval is not None
        assert metric.interval.lower <= other.interval.upper
        assert other.interval.lower <= metric.interval.upper


def test_lists_of_what_is_likely_give_top_1_and_no_biased_top_3() -> None:
    """A model that logs the classes which it gives 5% and more: short lists are those of easy pictures."""
    rng, rows, first = np.random.default_rng(33), [], []
    for _ in range(ROWS):
        easy = rng.random() < 0.75
        chances = np.sort(rng.dirichlet([60.0, *[0.15] * 9] if easy else [0.6] * 10))[::-1]
        truth = rng.choice(10, p=chances)
        logged = tuple(Candidate(str(one), float(chance)) for one, chance in enumerate(chances) if chance >= 0.05)
        rows.append(Judged(Answer("0", logged), Label(answers=(str(truth),)), bool(truth == 0)))
        first.append(truth == 0)
    top_1, top_3, top_5 = TASKS["classification"].metrics(rows)[1:]
    assert (top_1.value, top_1.n) == (pytest.approx(np.mean(first)), ROWS)
    assert top_3.value is top_5.value is None
    assert "fewer than k" in top_3.reason
