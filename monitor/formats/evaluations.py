"""Evaluations in telemetry as labels: what becomes of a name, a label and a score that mean what their evaluator says.

Neither convention fixes scales or words, so only what is plain is taken; see docs/formats.md. An evaluation that says
nothing of correctness, quality or safety is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from monitor.domain.events import Label
from monitor.formats.parts import is_hidden
from monitor.formats.payloads.rows import Fields
from monitor.formats.predictions import REQUEST_ID, request_id, written
from monitor.formats.spans import Attributes, LogEvent, Span, moment_of
from monitor.formats.trees import at, children, tree

RESULT: Final = "gen_ai.evaluation.result"
ANNOTATOR_ID, ANNOTATOR_KIND = "snellen.annotator.id", "snellen.annotator.kind"
SCORE_MAX = "snellen.score.max"
"""The best score of the evaluation's scale, which begins at 0; 1 where it is not said."""
KINDS: Final = ("human", "llm", "code", "user")

VERDICTS: Final = {
    **dict.fromkeys(("correct", "accurate", "factual", "right"), "correct"),
    **dict.fromkeys(("incorrect", "inaccurate", "hallucinated", "wrong"), "incorrect"),
    **dict.fromkeys(("unsure", "unknown", "uncertain"), "unsure"),
}
"""Words that are verdicts, whatever the evaluation is called."""
OF_CORRECTNESS: Final = frozenset(
    {"correctness", "correct", "accuracy", "exact_match", "answer_correctness", "qa_correctness", "vqa_accuracy"}
)
"""Evaluations whose scores 0 and 1 are verdicts."""
PASSES: Final = {**dict.fromkeys(("pass", "passed"), "correct"), **dict.fromkeys(("fail", "failed"), "incorrect")}
"""Words that are verdicts of those evaluations. Of others they say that an answer is relevant, fluent or polite enough:
Azure's evaluators give them whatever they look at."""
OF_QUALITY: Final = OF_CORRECTNESS | {"quality", "caption_quality", "answer_quality", "rating", "overall"}
"""Evaluations whose scores are ratings: the more, the better."""
OF_SAFETY: Final = frozenset(
    {
        "safety", "toxicity", "harmfulness", "harm", "violence", "hate", "hate_unfairness", "hate_and_unfairness",
        "self_harm", "sexual", "indirect_attack",
    }
)  # fmt: skip
VIOLATIONS: Final = {
    **dict.fromkeys(("unsafe", "toxic", "harmful", "flagged", "fail", "failed", "violation"), True),
    **dict.fromkeys(
        ("safe", "non_toxic", "not_toxic", "harmless", "not_harmful", "pass", "passed", "no_violation"), False
    ),
}
"""Words of those evaluations."""
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Evaluation:
    name: str
    label: Any = None
    score: Any = None
    explanation: Any = None
    annotator_id: Any = None
    annotator_kind: Any = None
    score_max: Any = None

    def says(self) -> Fields:
        """Verdict, rating and safety violation, as far as it plainly says any."""
        name, word = _word(self.name.rpartition(".")[2]), _word(self.label)
        if name in OF_SAFETY:
            return {"safety_violation": VIOLATIONS[word]} if word in VIOLATIONS else {}
        found: Fields = {"verdict": VERDICTS[word]} if word in VERDICTS else {}
        if not found and name in OF_CORRECTNESS and word in PASSES:
            found["verdict"] = PASSES[word]
        elif not found and name in OF_CORRECTNESS and self._share in (0.0, 1.0):
            found["verdict"] = "correct" if self._share else "incorrect"
        if name in OF_QUALITY and self._share is not None and "verdict" not in found:
            found["rating"] = 100 * self._share
        return found

    @property
    def _share(self) -> float | None:
        """The score as a share of the best; None when it lies outside the scale."""
        best = self.score_max if _is_number(self.score_max) and self.score_max > 0 else 1
        share = self.score / best if _is_number(self.score) else -1.0
        return share if 0 <= share <= 1 else None

    def as_label(self, of: str, ts: datetime, place: str) -> Label | None:
        """The label that it gives to the prediction `of`; None when it plainly says nothing.

        Raises:
            InvalidEvent: the values do not keep the contract.
        """
        says = self.says()
        if not says:
            return None
        kind = str(self.annotator_kind or "llm").lower()
        fields: Fields = {
            "request_id": of,
            "ts": ts,
            "annotator": {"id": str(self.annotator_id or self.name), "kind": kind if kind in KINDS else "code"},
            "extra": {"evaluation": self.name},
            **says,
        }
        if isinstance(self.explanation, str) and self.explanation and not is_hidden(self.explanation):
            fields["comment"] = self.explanation
        for name, value in (("label", self.label), ("score", self.score)):
            if value is not None:
                fields["extra"][name] = value
        return written(fields, Label, f"{place}, evaluation {self.name!r}")


def of_span(span: Span) -> Iterator[Label]:
    """Labels from the span's own evaluation events, and from the annotations that are put on it.

    Raises:
        InvalidEvent: one does not keep the contract.
    """
    for event in span.events:
        if event.name == RESULT:
            of = str(event.attributes.get(REQUEST_ID) or request_id(span))
            ts = moment_of(event.time_ns or span.end_ns, f"{span.place}: the time of its evaluation")
            label = _result(event.attributes).as_label(of, ts, span.place)
            if label is not None:
                yield label
    for evaluation in _annotations(span.attributes):
        ts = moment_of(span.end_ns or span.start_ns, f"{span.place}: the end time")
        label = evaluation.as_label(request_id(span), ts, span.place)
        if label is not None:
            yield label


def of_event(event: LogEvent) -> Label | None:
    """The label of an evaluation that was logged on its own, on the span that it evaluates.

    Raises:
        InvalidEvent: it does not say which, or does not keep the contract.
    """
    span = event.as_span()
    ts = moment_of(event.time_ns, f"{span.place}: the time of the evaluation")
    return _result(event.attributes).as_label(request_id(span), ts, span.place)


def _result(attributes: Attributes) -> Evaluation:
    return Evaluation(
        name=str(attributes.get("gen_ai.evaluation.name", "")),
        label=attributes.get("gen_ai.evaluation.score.label"),
        score=attributes.get("gen_ai.evaluation.score.value"),
        explanation=attributes.get("gen_ai.evaluation.explanation"),
        annotator_id=attributes.get(ANNOTATOR_ID),
        annotator_kind=attributes.get(ANNOTATOR_KIND, attributes.get("annotator_kind")),
        score_max=attributes.get(SCORE_MAX),
    )


def _annotations(attributes: Attributes) -> Iterator[Evaluation]:
    """`annotations.<i>.annotation.*` and `evaluations.<i>.evaluation.*` of OpenInference, which mean the same.

    https://github.com/Arize-ai/openinference/blob/main/spec/annotations.md
    """
    prefixes = ("annotations.", "evaluations.")
    nested = tree({name: value for name, value in attributes.items() if (name + ".").startswith(prefixes)})
    for several, single in (("annotations", "annotation"), ("evaluations", "evaluation")):
        for one in children(nested.get(several)):
            found = at(one, single)
            if isinstance(found, dict) and found.get("name"):
                yield _annotation(found)


def _annotation(found: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        name=str(found["name"]),
        label=found.get("label"),
        score=found.get("score"),
        explanation=found.get("explanation"),
        annotator_id=found.get("identifier"),
        annotator_kind=found.get("annotator_kind"),
    )


def _word(value: Any) -> str:
    """In lower case, its parts joined by underscores: `Self-harm`, `self harm` and `SelfHarm` are one."""
    parted = _CAPITAL.sub("_", str(value or "").strip()[:64])
    return parted.lower().replace("-", "_").replace(" ", "_")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
