"""Yes/no questions: rates of false alarms and misses, and whether the model says yes too often.

Li, Du, Zhou, Wang, Zhao and Wen (2023), "Evaluating Object Hallucination in Large Vision-Language Models" (POPE),
EMNLP: accuracy, precision, recall, F1 and the share of yes; yes is the positive class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.domain.results import Answer, Judged, Label, Verdict
from monitor.stats.intervals import Interval
from monitor.tasks.metric import Metric, Score, Unknown, accuracy, balance, share
from monitor.tasks.task import Task, said, spoken_verdict, unscored

_YES: Final = frozenset({"yes", "yeah", "yep", "yup", "y", "true"})
_NO: Final = frozenset({"no", "nope", "nah", "n", "false"})
_SPOKEN: Final = frozenset({"yes", "yeah", "yep", "yup"})
"""What is a yes inside a sentence too; "y" may be a Spanish "and", and much is true."""
_NEGATIONS: Final = frozenset({"no", "nope", "nah", "not", "none", "never", "nothing", "nobody", "cannot", "without"})
_UNSURE: Final = frozenset({
    "know", "unsure", "tell", "say", "determine", "determined", "unclear", "unable", "maybe", "perhaps", "possibly",
    "might", "whether", "uncertain", "ambiguous", "inconclusive", "indeterminate",
})  # fmt: skip
_SURE: Final = frozenset({"sure", "certain"})
"""Doubt beside a negation."""
_VERY: Final = r"(?:(?:a bit|a little|almost|entirely|extremely|fully|quite|rather|really|so|too|very) )?"
_JUDGE: Final = r"(?:answer|assess|confirm|decide|discern|distinguish|identify|judge|make out|recogni[sz]e|see|verify)"
_IT_IS: Final = r"^(?:(?:it|this|that)(?: is|'s| was) )?"
_IT_IS_NOT: Final = rf"(?:{_IT_IS}not|^(?:it|this|that) (?:isn't|wasn't))"
_SERVE: Final = r"(?:access|analy[sz]e|assist|comply|discuss|help|process|provide|view)"
_CANNOT: Final = r"(?:cannot|can not|can't|could not|couldn't|am not able to|won't|will not)"
_PICTURE: Final = r"(?:attachment|image|photo|picture)s?"
_SENT: Final = r"(?:(?:is|was|were|has been|have been) )?(?:attached|given|provided|shared)"
_DOUBT: Final = re.compile("|".join((
    rf"{_IT_IS}{_VERY}(?:hard|difficult|tricky|impossible) to {_JUDGE}\b",
    rf"{_IT_IS_NOT} {_VERY}(?:possible|easy) to {_JUDGE}\b",
    rf"{_IT_IS_NOT} {_VERY}clear(?: (?:at|enough|from|here|if|in|that|to|wh\w+)\b|$)",
    rf"^(?:it|this|that|there|the \w+)(?: is|'s) (?:just |simply )?too (?:\w+ ){{1,2}}to {_JUDGE}\b",
    rf"{_IT_IS}{_VERY}possible(?: that\b|$)",
    r"\b(?:cannot|can not|can't|could not|couldn't) (?:be )?(?:\w+ly )?(?:answer|assess|confirm|decid|judg|verif)\w*",
    rf"\bi(?: am|'m) not {_VERY}confident\b",
    r"(?:\bno|n't(?: have)? (?:an?|any)) (?:idea|clue)\b",
    rf"\bi(?: {_CANNOT}|'m not able to) (?:\w+ly )?{_SERVE}\b",
    rf"\bi (?:{_CANNOT}|don't|do not) see (?:(?:the|this|your) {_PICTURE}|(?:an?|any)? ?images?)\b(?! (?:in|of|on)\b)",
    rf"(?:\bno|n't (?:an?|any)|\bnot an?) {_PICTURE} {_SENT}\b",
    r"(?:\bnot|n't) (?:enough|sufficient) (?:context|detail|details|evidence|information)\b",
    r"\b(?:yes (?:n?or )?no|no (?:n?or )?yes|true (?:n?or )?false|false (?:n?or )?true)\b",
)))  # fmt: skip
"""Doubt in more than one word, and refusals: who cannot see the picture does not deny what is asked. Most of it stands
at the beginning: "there is a dog, but it is hard to see" is a dog."""
_AFFIRMING: Final = re.compile(
    r"\A(?:it is|this is|they are|i see)\b|(?:\A|, )there(?: is| are|'s an?| (?:appears|seems) to be)\b"
    r"|\A(?:absolutely|certainly|definitely|indeed|of course|i (?:think|believe) so)\Z"
)
"""At the beginning; "there is" also behind a comma, as in "In the image, there is a dog"."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_QUESTION: Final = re.compile(
    rf"\A(?![\W_]*(?:{'|'.join(sorted(_YES | _NO))})\b)(?:[^.!?;\n]*\?\s*+)+[\W_]*(?=\w)", re.IGNORECASE
)
"""The question said again, before the answer."""
_LEAD: Final = re.compile(
    r"\A[\W_]*(?:(?:the\s+)?(?:correct\s+|final\s+)?answer\b[\W_]*(?:is\b)?"
    r"|(?:it|this|that|the\s+statement)\s+is\s+(?=(?:true|false)\b(?!\s+\w)))",
    re.IGNORECASE,
)
"""What may stand before the word that decides: "Answer:", "The answer is"."""
_ASIDE: Final = re.compile(
    r"\b(?:(?:there is|there's|i have) )?(?:no|without(?: a| any)?) doubt\b(?: that\b)?|\bi(?:'d| would) say\b",
    re.IGNORECASE,
)
"""What neither denies nor doubts, though its words would."""
_OPEN: Final = re.compile(
    r"[\W_]*(?:n\.a\b|[^\W_]+(?:[ *_]*/|\W+or\W+(?:yes|no|true|false|y|n)\b)"
    r"|no +(?:idea|clue|telling|way +(?:to|of) +(?:be|judg|know|say|see|tell)\w*)\b"
    rf"|no +{_PICTURE} +{_SENT}\b)",
    re.IGNORECASE,
)
"""A yes or no that decides nothing: "N/A", "yes/no", "yes or no", "no idea"."""
_SENTENCE_END: Final = re.compile(r"[.!?;\n]")
_READ: Final = 500
"""Characters of an answer that are read: yes or no stands at its beginning."""


class YesNo(Task):
    """An answer is correct when it says the same as the label's; one that says neither is incorrect."""

    scorer: Final = "yes_no_match"

    def score(self, prediction: Answer, label: Label) -> Verdict:
        if (spoken := spoken_verdict(label)) is not None:
            return spoken
        truth = agreed(label.answers)
        if truth is None:
            return unscored(self.scorer)
        correct = polarity(said(prediction) or "") is truth
        return Verdict(correct=correct, score=float(correct), scorer=self.scorer)

    def metrics(self, rows: Sequence[Judged]) -> tuple[Metric, ...]:
        """The share of yes, and of neither, is that of all answers: it takes no label."""
        answered = [polar(row) for row in rows if said(row.answer) is not None]
        return (
            accuracy(rows),
            *yes_no_metrics([polar(row) for row in rows]),
            share("yes_share", answered, lambda one: one.said_yes),
            share("undecided_rate", answered, lambda one: one.answer is None),
        )


def polarity(text: str) -> bool | None:
    """True for yes, False for no, None for neither.

    A leading yes or no decides, also after the question or "the answer is", unless it leaves open which ("N/A", "yes or
    no") or is doubt ("no idea"): that is neither. Else the first sentence decides: doubt is neither, a spoken yes is
    yes, unless a negation stands before it, a negation is no, and "there is" and its like are yes. POPE takes every
    answer without a negation for yes, an empty one included.

    >>> polarity("Yes, it's not far."), polarity("There isn't a dog."), polarity("I can't tell."), polarity("blue")
    (True, False, None, None)
    """
    head = _LEAD.sub("", _QUESTION.sub("", text[:_READ].replace("’", "'").strip()), count=1)
    head = _ASIDE.sub("", head)
    sentence = _SENTENCE_END.split(head, maxsplit=1)[0].casefold()
    words = _WORD.findall(sentence)
    if not words:
        return None
    if words[0] in _YES | _NO:
        return None if _OPEN.match(head) else words[0] in _YES
    said = [word in _SPOKEN for word in words if word in _SPOKEN or _negates(word)]
    unsure = _UNSURE if all(said) else _UNSURE | _SURE
    if not unsure.isdisjoint(words) or _DOUBT.search(" ".join(words)):
        return None
    if said:
        return None if True in said[1:] and not said[0] else said[0]
    clauses = (" ".join(_WORD.findall(clause)) for clause in sentence.split(","))
    return True if _AFFIRMING.search(", ".join(clauses)) else None


def _negates(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def agreed(answers: Iterable[str]) -> bool | None:
    """What most of the answers say; None when they tie, or when none says yes or no."""
    found = [said_yes for one in answers if (said_yes := polarity(one)) is not None]
    votes = 2 * sum(found) - len(found)
    return None if votes == 0 else votes > 0


@dataclass(frozen=True, slots=True)
class Polar:
    """A question whose right answer is yes (`truth`) or no, and what the model said: yes, no or neither.

    `truth` is None where nobody judged, or where neither is right.
    """

    truth: bool | Unknown | None
    answer: bool | None
    probability: float

    @property
    def said_yes(self) -> bool:
        return self.answer is True


def polar(row: Judged) -> Polar:
    """The truth is what the label's answers say; without them, what the verdict on a yes or no tells."""
    answer = polarity(said(row.answer) or "")
    if row.label.answers or row.correct is None:
        return Polar(agreed(row.label.answers), answer, row.probability)
    if answer is None:
        return Polar(None if row.correct else Unknown.UNNAMED, None, row.probability)
    return Polar(answer is row.correct, answer, row.probability)


def yes_no_metrics(facts: Sequence[Polar]) -> tuple[Metric, ...]:
    """POPE's figures, and the bias towards yes: share of yes in the answers less that in the truth.

    An answer that says neither is no false alarm and no hit; it counts in the denominators, but not in the bias.
    """
    positive, negative = ([one for one in facts if one.truth is not other] for other in (False, True))
    return (
        rate("precision", [one for one in facts if one.said_yes], lambda one: one.truth is True),
        rate("recall", positive, lambda one: one.said_yes),
        f1(facts),
        rate("false_positive_rate", negative, lambda one: one.said_yes),
        rate("false_negative_rate", positive, lambda one: one.answer is False),
        balance("yes_bias", facts, _bias),
    )


def rate(name: str, facts: Iterable[Polar], hit: Callable[[Polar], bool]) -> Metric:
    """Of the facts that have a truth."""
    return share(name, facts, lambda one: hit(one) if isinstance(one.truth, bool) else one.truth)


def _bias(one: Polar) -> Score:
    if one.answer is None:
        return None
    return float(one.answer) - one.truth if isinstance(one.truth, bool) else one.truth


def f1(facts: Sequence[Polar]) -> Metric:
    """Harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn).

    It is 2 j / (1 + j) of the share j of hits among the questions where either side says yes, and so are its bounds.
    """
    either = [one for one in facts if one.truth is not False or one.said_yes]
    hits = rate("f1", either, lambda one: one.truth is True and one.said_yes)
    if hits.value is None or hits.interval is None:
        return hits
    low, value, high = (2 * one / (1 + one) for one in (hits.interval.lower, hits.value, hits.interval.upper))
    return Metric("f1", "share", value, Interval(low, high), hits.n)
