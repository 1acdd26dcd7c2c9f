"""Which answers people see, and how their labels become scores."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from monitor.settings.section import Days, Positive, Rate, Strict, Time, Weight


class Labels(Strict, frozen=True):
    sample_rate: Rate = 0.1
    """Share of predictions drawn for labelling, at least. Set 1 when all are labelled, or when you draw them at random.
    With a `daily_budget` it holds until the first plan is made."""
    uncertainty_boost: Annotated[float, Field(ge=1, le=100)] = 2.0
    """How much more often an answer that is as likely wrong as right is drawn than one that is sure; 1: not at all."""
    daily_budget: Positive | None = None
    """Labels that people can give a day. Rates then follow the traffic so that no more is asked of them; none: they
    are those of `sample_rate`."""
    slice_minimum: Annotated[int, Field(ge=0)] = 20
    """With a `daily_budget`: draws a day that every value of `ingest.slice_dimensions` gets if the budget allows."""
    annotators: Annotated[int, Field(ge=1, le=10)] = 1
    """How many people answer each task."""
    overlap: Rate = 0.1
    """Share of the tasks that at least two people answer, so that their agreement is known."""
    lease: Time = timedelta(minutes=15)
    """How long a task stays with whoever took it, before others are offered it."""
    lifetime: Days = timedelta(days=14)
    """Tasks that nobody answered for so long expire: they leave the queue and the backlog."""


class Captions(Strict, frozen=True):
    human_rating: Weight = 0.5
    """How much people's ratings count in `caption_quality`. Only the proportions of these weights matter; a caption has
    a quality when all that count are known of it."""
    cider_d: Weight = 0.5
    """How much CIDEr-D counts: 1.0 gives full marks."""
    bleu_4: Weight = 0.0
    """How much BLEU-4 counts."""
    rouge_l: Weight = 0.0
    """How much ROUGE-L counts."""
    clip_score: Weight = 0.0
    """How much CLIPScore counts."""

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not any(weight for _, weight in self):
            raise ValueError("set at least one weight of captions.* above 0")
        return self
