"""The demo's requests and incidents, encoded by the small CLIP that ships with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift.levels import p_value, rates
from benchmarks.drift.traffic import Rows
from monitor.drift.compare import MIN_CURRENT
from monitor.drift.reference import build

MODEL = Path(__file__).parents[2] / "demo" / "clip" / "model"
DEMO_WINDOWS = 24


def demo(images: int, references: int, looks: int) -> dict[str, Any]:
    """Rates on the demo's requests, encoded by the small CLIP that ships with it.

    Half of the requests make a reference, windows are drawn from the other half, and the halves are dealt anew each
    time. The altered requests are the demo's own incidents.
    """
    if not MODEL.is_dir():
        return {"skipped": f"there is no model in {MODEL.name}: run demo/clip/train.py"}
    usual, altered = _demo_streams(images)
    rng = np.random.default_rng(3)
    result: dict[str, Any] = {"requests": images, "windows": DEMO_WINDOWS, "streams": {}}
    for stream, rows in usual.items():
        per_window = len(rows) // 2 // DEMO_WINDOWS
        n = max(per_window, MIN_CURRENT)
        p: dict[str, list[float]] = {"unchanged": [], **{name: [] for name, streams in altered.items()}}
        for _ in range(references):
            dealt = rng.permutation(len(rows))
            kept, others = np.split(rows[dealt], [DEMO_WINDOWS * per_window])
            reference = build(kept, np.repeat(np.arange(DEMO_WINDOWS), per_window), "demo")
            p["unchanged"] += [p_value(reference, rng.permutation(others)[:n], 0) for _ in range(looks)]
            for name, streams in altered.items():
                p[name].append(p_value(reference, rng.permutation(streams[stream])[:n], 0))
        found = {name: rates(np.array(p_values).reshape(references, -1)) for name, p_values in p.items()}
        result["streams"][stream] = {"per_window": per_window, "current": n, **found}
    return result


def _demo_streams(images: int) -> tuple[dict[str, Rows], dict[str, dict[str, Rows]]]:
    """Vectors of usual requests by stream, and by incident."""
    from demo.conditions import Conditions  # noqa: PLC0415 (torch takes seconds, and may be absent)
    from demo.incidents import CAMPAIGN_SHARE, CHANGED_CAMERA, COLD_AND_SOFT  # noqa: PLC0415
    from monitor.embedding.encoder import Encoder  # noqa: PLC0415

    encoder = Encoder(f"local-dir:{MODEL}", threads=2)
    few = max(images // 6, 2 * MIN_CURRENT)
    camera = Conditions(firmware={**Conditions().firmware, CHANGED_CAMERA: COLD_AND_SOFT})
    pairs = _encoded(encoder, Conditions(), images, seed=1)
    swapped = _encoded(encoder, Conditions(), few, seed=2)
    return _streams(*pairs), {
        "camera firmware": _streams(*_encoded(encoder, camera, few, seed=3)),
        "prompt campaign": _streams(*_encoded(encoder, Conditions(campaign_share=CAMPAIGN_SHARE), few, seed=4)),
        "pairs swapped": _streams(np.roll(swapped[0], 1, axis=0), swapped[1]),
    }


def _encoded(encoder: Any, conditions: Any, n: int, seed: int) -> tuple[Rows, Rows]:
    """Image and prompt vectors of n requests that ask in words."""
    from PIL import Image  # noqa: PLC0415

    from demo.cameras import CAMERAS, photograph  # noqa: PLC0415
    from demo.scenes import render  # noqa: PLC0415
    from demo.traffic import Traffic  # noqa: PLC0415

    traffic = Traffic("bench", datetime(2026, 1, 1, tzinfo=UTC), seed=seed)
    asked = (case for case in iter(lambda: traffic.take(conditions), None) if case.prompt is not None)
    cases = [next(asked) for _ in range(n)]
    rng = np.random.default_rng(seed)
    pictures = (
        Image.fromarray(photograph(render(one.scene), CAMERAS[one.device], conditions.firmware[one.device], rng))
        for one in cases
    )
    return encoder.encode_images(pictures), encoder.encode_texts(one.prompt for one in cases)


def _streams(images: Rows, prompts: Rows) -> dict[str, Rows]:
    return {"image": images, "prompt": prompts, "agreement": (images * prompts).sum(axis=1, keepdims=True)}
