"""Confidence from log-probabilities: the geometric mean over the tokens of the answer."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.formats.payloads.confidence import Token, TopToken, alternatives, answer_tokens, confidence


def tokens(*given: tuple[str, float]) -> list[Token]:
    return [Token(token, logprob) for token, logprob in given]


def test_one_token_has_its_probability() -> None:
    assert confidence(tokens(("mug", math.log(0.8)))) == pytest.approx(0.8)


def test_several_have_the_geometric_mean() -> None:
    assert confidence(tokens(("a", math.log(0.9)), (" mug", math.log(0.4)))) == pytest.approx(math.sqrt(0.9 * 0.4))


def test_it_is_one_over_the_perplexity() -> None:
    """OpenAI Cookbook, "Using logprobs", section 5: perplexity = exp(-mean of the log-probabilities)."""
    logprobs = [-0.1, -0.7, -0.25]
    perplexity = math.exp(-sum(logprobs) / len(logprobs))
    assert confidence(tokens(*(("x", one) for one in logprobs))) == pytest.approx(1 / perplexity)


def test_white_space_and_end_markers_around_the_answer_do_not_count() -> None:
    around = tokens(
        ("\n\n", -5), ("<s>", -5), ("a", -1), (" ", -2), ("mug", -3), ("<|im_end|>", -5), ("</s>", -5), ("", -5)
    )
    assert [one.token for one in answer_tokens(around)] == ["a", " ", "mug"]
    assert confidence(answer_tokens(around)) == pytest.approx(math.exp(-2))


def test_nothing_is_said_without_tokens_or_with_an_unknown_one() -> None:
    assert confidence([]) is None
    assert confidence(answer_tokens(tokens((" ", -1)))) is None
    assert confidence(tokens(("a", -1), ("mug", -9999.0))) is None


def test_more_than_certain_is_certain() -> None:
    assert confidence(tokens(("mug", 4261.0))) == 1.0
    assert alternatives(Token("mug", 0, [TopToken("mug", 1e300)])) == [{"answer": "mug", "score": 1.0}]


def test_alternatives_are_distinct_texts_the_likeliest_first() -> None:
    top = [
        TopToken("no", -2.0),
        TopToken(" yes", -3.0),
        TopToken("yes", -0.5),
        TopToken("x", -9999.0),
        TopToken("\n", -1),
    ]
    assert [one["answer"] for one in alternatives(Token("yes", -0.5, top))] == ["yes", "no"]


@given(st.lists(st.floats(-50, 1e-6), min_size=1, max_size=50))
def test_it_lies_between_the_least_and_the_most_probable_token(logprobs: list[float]) -> None:
    sure = confidence(tokens(*(("x", one) for one in logprobs)))
    assert sure is not None
    assert 0 <= sure <= 1
    assert min(1.0, math.exp(min(logprobs))) <= sure + 1e-12
    assert sure <= math.exp(max(logprobs)) + 1e-12
