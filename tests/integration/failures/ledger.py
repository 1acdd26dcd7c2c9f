"""What a producer sent, kept outside of the service: the truth that the store is held against.

The producer repeats itself, contradicts itself and sends garbage. When a broker's log is gone it sends again what
PostgreSQL does not hold, as one with a spool of its own would.
"""

from __future__ import annotations

import base64
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import numpy as np

from monitor.domain.events import Rejection
from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BOUNDS_MS
from monitor.sampling import selected
from monitor.services.embed import EMBED_KEY

EMBED_RATE = 0.3
DIMENSION = 8
CARRIED_EMBEDDER = "carried@1"
OTHER_MODEL_AFTER = 500
"""Names that were never seen before come while traffic flows."""
Kind = Literal["predictions", "labels"]
Rows = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class Message:
    kind: Kind
    value: bytes
    key: str | None = None


@dataclass
class Ledger:
    """What must be in the store at the end."""

    predictions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id: the first content."""
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: dict[bytes, str] = field(default_factory=dict)
    """Reason by content."""
    spool: dict[Message, None] = field(default_factory=dict)
    """Everything that was ever sent, in order."""
    sent: Counter[bytes] = field(default_factory=Counter)

    def embedded(self) -> dict[str, set[str]]:
        """Kinds of vectors by the ids of predictions that have some."""
        expected = {}
        for request_id, event in self.predictions.items():
            if "embeddings" in event:
                expected[request_id] = {"image"}
            elif selected(request_id, EMBED_RATE, EMBED_KEY):
                expected[request_id] = {"prompt", "answer"}
        return expected

    def rollups(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """(minute, model, version, variant, task, dimension, value) -> counts, histograms and cost."""
        cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for event in self.predictions.values():
            minute = datetime.fromisoformat(event["ts"]).replace(second=0, microsecond=0)
            for part in (("", ""), ("device", event["slices"]["device"])):
                cells.setdefault((minute, event["model"]["name"], "v1", "stable", "vqa", *part), []).append(event)
        return {key: _counts(events) for key, events in cells.items()}


def _counts(events: list[dict[str, Any]]) -> tuple[Any, ...]:
    status = Counter(one["status"] for one in events)
    latency = [0] * (len(LATENCY_BOUNDS_MS) + 1)
    confidence = [0] * CONFIDENCE_BINS
    for one in events:
        if one["status"] == "ok":
            latency[bisect_left(LATENCY_BOUNDS_MS, one["latency_ms"])] += 1
        percent = round(100 * one["output"]["confidence"])
        confidence[min(percent * CONFIDENCE_BINS // 100, CONFIDENCE_BINS - 1)] += 1
    cost = sum(one["cost_usd"] for one in events)
    return (*(status[name] for name in ("ok", "error", "timeout", "rejected")), latency, confidence, cost)


class Traffic:
    """Makes messages and writes them into the ledger."""

    def __init__(self, seed: int, now: datetime) -> None:
        self._rng = random.Random(seed)
        self._start = now - timedelta(hours=6)
        self.ledger = Ledger()

    def messages(self, predictions: int) -> Iterator[Message]:
        """So many new predictions, with repetitions, contradictions, garbage and labels among them."""
        rng, ledger = self._rng, self.ledger
        for _ in range(predictions):
            event = self._event(len(ledger.predictions))
            key = event["request_id"]
            ledger.predictions[key] = event
            yield self._sent(Message("predictions", msgspec.json.encode(event), key))
            if rng.random() < 0.05:
                repeated = rng.choice(list(ledger.predictions)[-200:])
                content = msgspec.json.encode(ledger.predictions[repeated])
                yield self._sent(Message("predictions", content, repeated))
            if rng.random() < 0.02:
                value = msgspec.json.encode({**event, "error_code": "other content"})
                ledger.rejected[value] = Rejection.CONTRADICTORY
                yield self._sent(Message("predictions", value, key))
            if rng.random() < 0.02:
                value, reason = self._garbage(event)
                ledger.rejected[value] = reason
                yield self._sent(Message("predictions", value))
            if rng.random() < 0.2:
                label = self._label(event)
                ledger.labels[key] = label
                yield self._sent(Message("labels", msgspec.json.encode(label), key))

    def missing(self, rows: Rows) -> list[Message]:
        """What was sent and is not in the store, in the order in which it was sent."""
        stored = set(rows("SELECT request_id FROM predictions"))
        vectors: dict[str, set[str]] = {}
        for request_id, kind in rows("SELECT request_id, kind FROM embeddings"):
            vectors.setdefault(request_id, set()).add(kind)
        embedded = self.ledger.embedded()
        whole = {one for one in stored if vectors.get(one, set()) >= embedded.get(one, set())}
        labels = set(rows("SELECT request_id FROM labels"))
        dead = {bytes(raw) for raw in rows("SELECT raw FROM dead_letters")}
        return [
            one
            for one in self.ledger.spool
            if not (one.value in dead if one.value in self.ledger.rejected else one.key in _of(one, whole, labels))
        ]

    def again(self, messages: Iterable[Message]) -> Iterator[Message]:
        return map(self._sent, messages)

    def _sent(self, message: Message) -> Message:
        self.ledger.spool.setdefault(message)
        self.ledger.sent[message.value] += 1
        return message

    def _event(self, number: int) -> dict[str, Any]:
        rng = self._rng
        moment = self._start + timedelta(seconds=rng.randrange(6 * 3600 - 600), milliseconds=rng.randrange(1000))
        status = rng.choices(["ok", "error", "timeout", "rejected"], [90, 5, 3, 2])[0]
        event: dict[str, Any] = {
            "schema": "prediction/v1",
            "request_id": f"r{number}",
            "ts": moment.astimezone(UTC).isoformat(),
            "model": {"name": rng.choice([f"m{number // OTHER_MODEL_AFTER}", "m"]), "version": "v1"},
            "task": "vqa",
            "status": status,
            "latency_ms": rng.choice(LATENCY_BOUNDS_MS) * rng.choice([0.99, 1.0, 1.01]),
            "cost_usd": rng.randrange(100) / 64,
            "input": {"prompt": rng.choice(["what is it", "which colour", "how many"])},
            "output": {"answer": rng.choice(["red", "a mug", "two"]), "confidence": rng.randrange(101) / 100},
            "slices": {"device": f"cam-{rng.randrange(5)}"},
        }
        if rng.random() < 0.5:
            vector = np.array([rng.gauss(0, 1) for _ in range(DIMENSION)], dtype="<f4")
            data = base64.b64encode(vector.tobytes()).decode()
            event["embeddings"] = [{"kind": "image", "embedder": CARRIED_EMBEDDER, "dtype": "f4", "data": data}]
        return event

    def _garbage(self, event: dict[str, Any]) -> tuple[bytes, str]:
        unique = "".join(self._rng.choices("abcdef", k=16))  # of digits one may be a card's number, and be removed
        changed = {**event, "request_id": unique}
        return self._rng.choice(
            [
                (b"{" + unique.encode(), Rejection.UNREADABLE),
                (msgspec.json.encode({**changed, "latency_ms": "slow"}), Rejection.INVALID),
                (msgspec.json.encode({**changed, "schema": "prediction/v9"}), Rejection.UNKNOWN_SCHEMA),
                (msgspec.json.encode({**changed, "ts": "2001-01-01T00:00:00Z"}), Rejection.TOO_OLD),
                (msgspec.json.encode({**changed, "task": "a\x00b"}), Rejection.UNSTORABLE),
            ]
        )

    def _label(self, event: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema": "label/v1",
            "request_id": event["request_id"],
            "ts": event["ts"],
            "annotator": {"id": "a", "kind": "human"},
            "verdict": self._rng.choice(["correct", "incorrect"]),
        }


def _of(message: Message, predictions: set[str], labels: set[str]) -> set[str]:
    return labels if message.kind == "labels" else predictions
