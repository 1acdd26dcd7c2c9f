"""What redaction costs the ingest path, per prediction and per text, beside decoding the same record.

    python -m benchmarks.privacy [--records N]

Times are microseconds of processor time of one core, the best of five rounds; hostile texts are of a quarter megabyte.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from monitor.formats import native
from monitor.privacy import PrivacyOptions, Redactor

ROUNDS = 5
TEXTS = {
    "short": "What is it?",
    "question": "What is the man in the red jacket holding?",
    "numbers": "There are 2 cups and 12 forks at 48.8566, 2.3522 since 2026-11-20T12:00:00Z",
    "address": "Please write to alice@example.com, or call +44 20 7946 0958.",
    "500 characters": "a photo of a street with two cars and a bus in the rain, " * 9,
}
HOSTILE = ("a@", "a@a.", "0 ", "030 ", "4111 ", "030 1234567 ", "tel 1 ", "+", '"a')
PATTERN = {"employee_number": r"E-\d{6}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="of each round")
    print(json.dumps(measure(parser.parse_args().records), indent=2))


def measure(records: int) -> dict[str, Any]:
    """Every part."""
    defaults, pattern = Redactor(PrivacyOptions()), Redactor(PrivacyOptions(patterns=PATTERN))
    raw = [msgspec.json.encode(_record(index)) for index in range(200)] * (records // 200)
    events = [native.decode(one) for one in raw[:200]] * (records // 200)
    return {
        "bytes_per_record": len(raw[0]),
        "decode_us": _per_item(native.decode, raw),
        "redact_us": _per_item(defaults.prediction, events),  # type: ignore[arg-type]
        "redact_with_a_pattern_us": _per_item(pattern.prediction, events),  # type: ignore[arg-type]
        "text_us": {name: _per_item(defaults.text, [one] * 5000) for name, one in TEXTS.items()},
        "hostile_ms": {unit: _per_item(defaults.text, [unit * (250_000 // len(unit))]) / 1000 for unit in HOSTILE},
    }


def _record(index: int) -> dict[str, Any]:
    vector = np.random.default_rng(index).normal(size=512).astype("<f2").tobytes()
    return {
        "schema": "prediction/v1", "request_id": f"request-{index}", "ts": "2026-11-20T12:00:00Z",
        "model": {"name": "clip", "version": "1"}, "task": "vqa", "status": "ok", "latency_ms": 87.5,
        "input": {"image": {"ref": "s3://pictures/1.jpg"}, "prompt": TEXTS["question"]},
        "output": {
            "answer": "an umbrella", "confidence": 0.81,
            "candidates": [{"answer": one, "score": 0.5} for one in ("an umbrella", "a bag", "2 cups")],
        },
        "slices": {"device": "camera-1", "region": "r1"}, "extra": {"user_id": f"u-{index}", "session": "abcdef"},
        "embeddings": [{"kind": "image", "embedder": "e", "dtype": "f2", "data": base64.b64encode(vector).decode()}],
    }  # fmt: skip


def _per_item(act: Callable[[Any], object], items: Sequence[object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for item in items:
            act(item)
        best = min(best, (time.process_time() - start) / len(items))
    return round(best * 1e6, 2)


if __name__ == "__main__":
    main()
