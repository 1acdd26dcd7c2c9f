"""Who asks what, and when: requests of people with pictures whose truth the demo knows, and the service does not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from demo.cameras import CAMERAS
from demo.captions import ask
from demo.conditions import Conditions
from demo.scenes import ATTRIBUTES, Scene, sample_scene

PER_MINUTE: Final = 3.0
"""Requests, on average over a day."""
DAILY_SWING: Final = 0.35
"""Part of the average by which the busiest hour exceeds it, and the quietest falls short."""
BUSIEST_HOUR: Final = 14
QUESTIONS: Final = 0.7
"""Share of requests that ask in words; the others want the picture sorted into classes."""
CLASSIFIED: Final = ("object", "colour", "background")
CAMPAIGN_QUESTIONS: Final = ("count", "colour")
TRUNCATED: Final = 0.0015
"""Share of uploads that break off."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request with everything about it; the service is told only a part (`demo.service.Request`)."""

    request_id: str
    ts: datetime
    device: str
    scene: Scene
    task: str
    attribute: str
    prompt: str | None
    truncated_to: float | None
    """Share of the upload's bytes that arrives, None for all of them."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """The answers to choose from."""
        return ATTRIBUTES[self.attribute]

    @property
    def truth(self) -> str:
        """The right answer."""
        return self.scene.facts[self.attribute]


class Traffic:
    """A stream of requests, fixed by its seed: two weeks with and without an incident differ by the incident alone.

    Args:
        run: part of every request id, so that no two runs of the demo share one.
        start: the first request comes after it.
        per_minute: average rate.
        seed: of times, scenes and questions.
    """

    def __init__(self, run: str, start: datetime, *, per_minute: float = PER_MINUTE, seed: int = 0) -> None:
        self._run = run
        self._seed = seed
        self._per_minute = per_minute
        self._times = self._arrivals(start)
        self._number = 0
        self.next_at = next(self._times)
        """When the next request arrives."""

    def take(self, conditions: Conditions) -> Case:
        """The request at `next_at`, made under the given conditions."""
        case = self._ask(self.next_at, conditions)
        self._number += 1
        self.next_at = next(self._times)
        return case

    def _arrivals(self, start: datetime) -> Iterator[datetime]:
        """A Poisson process whose rate follows the time of day, by thinning (Lewis and Shedler, 1979)."""
        rng = np.random.default_rng([self._seed, 0])
        highest = self._per_minute * (1 + DAILY_SWING)
        now = start
        while True:
            now += timedelta(minutes=rng.exponential(1 / highest))
            if rng.random() * highest < rate_at(now, self._per_minute):
                yield now

    def _ask(self, ts: datetime, conditions: Conditions) -> Case:
        rng = np.random.default_rng([self._seed, 1, self._number])
        device = str(rng.choice(list(CAMERAS), p=[camera.share for camera in CAMERAS.values()]))
        scene = sample_scene(rng)
        broken = float(rng.uniform(0.3, 0.9)) if rng.random() < TRUNCATED else None
        in_words, from_campaign = rng.random() < QUESTIONS, rng.random() < conditions.campaign_share
        if in_words or from_campaign:
            attributes = CAMPAIGN_QUESTIONS if from_campaign else tuple(ATTRIBUTES)
            attribute = attributes[rng.integers(len(attributes))]
            prompt = _campaign_prompt(scene, attribute, rng) if from_campaign else _prompt(scene, attribute, rng)
            task = "vqa"
        else:
            attribute, prompt, task = CLASSIFIED[rng.integers(len(CLASSIFIED))], None, "classification"
        return Case(f"{self._run}-{self._number:07d}", ts, device, scene, task, attribute, prompt, broken)


def rate_at(moment: datetime, per_minute: float) -> float:
    """Requests per minute at a time of day (UTC)."""
    hour = moment.astimezone(UTC).hour + moment.minute / 60
    return per_minute * (1 + DAILY_SWING * math.cos((hour - BUSIEST_HOUR) / 24 * math.tau))


def _prompt(scene: Scene, attribute: str, rng: np.random.Generator) -> str:
    """A question that names one other fact, e.g. "What colour is the mug?"."""
    others = [name for name in ATTRIBUTES if name != attribute]
    named = others[rng.integers(len(others))]
    return ask(attribute, {named: scene.facts[named]}, rng)


def _campaign_prompt(scene: Scene, attribute: str, rng: np.random.Generator) -> str:
    """A question that describes the picture at length, e.g. "How many red mugs are there on the sand in dim light?"."""
    named = ("object", "background", "lighting") if attribute == "colour" else ("object", "colour", "background")
    return ask(attribute, {name: scene.facts[name] for name in named}, rng)
