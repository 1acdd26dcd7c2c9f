"""The shape of a mapping file, made from the contract's structs: what the contract gets can be mapped at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model, model_validator

from monitor.domain.events import Label, Prediction
from monitor.mapping.expressions import parse
from monitor.mapping.times import Duration, Synthesis


class Section(BaseModel):
    """Fields of a struct, each an expression, a section of its own, or named expressions; None where not mapped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Synthesized(Section):
    """`ts` of a prediction whose log has no time."""

    synthesize: Synthesis


class AfterPrediction(Section):
    """`ts` of a label that came this long after its prediction."""

    after_prediction: Duration


_EXPRESSION = Annotated[Any, BeforeValidator(parse)]  # `monitor.mapping.expressions.Expression`


def _time(special: type[Section]) -> Any:
    """The type of a time: an expression, or an object with the one key of `special`."""
    (key,) = special.model_fields

    def read(node: Any) -> Any:
        return special.model_validate(node) if isinstance(node, dict) and key in node else parse(node)

    return Annotated[Any, BeforeValidator(read)]


def _section(struct: type[Struct], *, ts: Any = None, optional: Iterable[str] = (), extra: Iterable[str] = ()) -> Any:
    hints = get_type_hints(struct)
    fields: dict[str, Any] = {}
    for info in msgspec.structs.fields(struct):
        kind = ts if info.name == "ts" else _kind(hints[info.name])
        required = info.required and info.name not in optional
        fields[info.encode_name] = (kind, ... if required else None)
    fields |= dict.fromkeys(extra, (_EXPRESSION, None))
    return create_model(f"{struct.__name__}Section", __base__=Section, **fields)


def _kind(hint: Any) -> Any:
    for one in (hint, *get_args(hint)):
        if isinstance(one, type) and issubclass(one, Struct) and get_origin(hint) is not tuple:
            return _section(one)
    return dict[str, _EXPRESSION] if get_origin(hint) is dict else _EXPRESSION


_PREDICTION = _section(Prediction, ts=_time(Synthesized), extra=["where"])
_LABEL = _section(Label, ts=_time(AfterPrediction), optional=["request_id"], extra=["where"])


def _complete(self: Any) -> Any:
    """One section at least, and one place that says whose label it is."""
    prediction, label = self.prediction, self.label
    if prediction is None and label is None:
        raise ValueError("one of the sections prediction and label is needed")
    if label is None:
        return self
    if prediction is not None and (prediction.where is None) != (label.where is None):
        without = "label" if label.where is None else "prediction"
        raise ValueError(f"{without}.where is missing: where labels are rows of their own, both sections have one")
    of_its_own = prediction is None or label.where is not None
    if not of_its_own and label.request_id is not None:
        raise ValueError(
            "label.request_id is the prediction's; leave it out, or, where labels are rows of their own,"
            " give both sections a `where`"
        )
    if of_its_own and label.request_id is None:
        raise ValueError("label.request_id is missing: in a row that is no prediction, it says whose label it is")
    if of_its_own and isinstance(label.ts, AfterPrediction):
        raise ValueError("label.ts: after_prediction needs the prediction in the same row")
    return self


Document: type[Section] = create_model(
    "Document",
    __base__=Section,
    __validators__={"_complete": cast("Any", model_validator(mode="after")(_complete))},
    prediction=(_PREDICTION | None, None),
    label=(_LABEL | None, None),
    where=(_EXPRESSION, None),
)
"""The whole file: `prediction`, and `label` where rows know the outcome; `where` says which rows are meant. In the
sections it says which of them are predictions and which labels."""
