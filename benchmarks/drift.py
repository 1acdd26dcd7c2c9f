"""False alarms, power and cost of the drift test, on synthetic traffic and on the demo's own.

    python -m benchmarks.drift [--quick]

Rates are shares of looks at unchanged (or changed) windows whose p-value lies below the nominal level. Each reference
is drawn anew, so that its luck is part of the rate. `ratio`s compare speeds within the run: machines differ.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift_traffic import Agreement, Clip, Draw, Rows, World, changes, traffics
from monitor.drift.compare import MIN_CURRENT, compare
from monitor.drift.fit import learn
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import sketch

LEVELS = (0.01, 0.05)
MODEL = Path(__file__).parents[1] / "demo" / "clip" / "model"
DEMO_WINDOWS = 16


@dataclass(frozen=True)
class Size:
    """How much traffic there is: windows of a reference, rows in each, rows of the window that is looked at."""

    windows: int
    per_window: int
    current: int


SMALL, USUAL, SHORT, LONG = Size(20, 25, 50), Size(24, 75, 75), Size(24, 200, 50), Size(24, 200, 1000)
MANY, LARGE = Size(84, 60, 60), Size(20, 250, 5000)
PLAN: dict[int, tuple[tuple[str, ...], tuple[Size, ...]]] = {
    1: (("independent", "bursty", "seasonal"), (SMALL, USUAL, LONG)),
    64: (("independent", "bursty", "seasonal", "moody"), (SMALL, USUAL, SHORT, LONG, MANY)),
    512: (("independent", "bursty", "seasonal"), (USUAL, Size(24, 200, 200))),
}
"""Dimension -> kinds of traffic and sizes that are tried on it; the largest window is tried once more, below."""
POWER = Size(16, 250, 500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: a smoke test, no figures to quote")
    parser.add_argument("--images", type=int, help="requests of the demo to encode")
    options = parser.parse_args()
    print(json.dumps(measure(quick=options.quick, images=options.images), indent=2))


def measure(*, quick: bool, images: int | None) -> dict[str, Any]:
    """All four parts, with the time that they took."""
    began = time.perf_counter()
    result: dict[str, Any] = {
        "false_alarms_synthetic": false_alarms(references=2 if quick else 20, looks=10 if quick else 20),
        "power_synthetic": power(references=2 if quick else 8, looks=5),
        "demo": demo(images or (480 if quick else 2000), references=4 if quick else 40, looks=10),
        "cost": cost(repeats=20 if quick else 200),
    }
    return {"seconds": round(time.perf_counter() - began, 1), "quick": quick, **result}


# ---- synthetic traffic ---------------------------------------------------------------------------------------------


def false_alarms(references: int, looks: int) -> list[dict[str, Any]]:
    """Rates on unchanged traffic by dimension, kind of traffic and size."""
    found = []
    for dimension, (kinds, sizes) in PLAN.items():
        world: World = Agreement(seed=1) if dimension == 1 else Clip(dimension, seed=dimension)
        draws = traffics(world)
        times = references if dimension < 512 else references // 2
        runs = [(kind, size, times) for kind in kinds for size in sizes]
        if dimension == 64:
            runs.append(("independent", LARGE, max(references // 5, 1)))
        for kind, size, repeated in runs:
            p = unchanged(draws[kind], size, repeated, looks, world.rng)
            found.append({"dimension": dimension, "traffic": kind, **vars(size), **rates(p)})
    return found


def unchanged(draw: Draw, size: Size, references: int, looks: int, rng: np.random.Generator) -> list[float]:
    """p-values of `looks` unchanged windows under each of `references` fresh references."""
    found = []
    for _ in range(references):
        reference = _reference(draw, size)
        seen = (draw(int(rng.integers(size.windows)), size.current) for _ in range(looks))
        found += [look(reference, rows) for rows in seen]
    return found


def power(references: int, looks: int) -> list[dict[str, Any]]:
    """Rates on windows with a planted change, under independent traffic."""
    found = []
    for world in (Clip(512, seed=5), Clip(64, seed=6), Agreement(seed=7)):
        altered = changes(world)
        p: dict[str, list[float]] = {change: [] for change in altered}
        for _ in range(references):
            reference = _reference(lambda _, n, w=world: w.draw(n), POWER)
            for change, draw in altered.items():
                p[change] += [look(reference, draw(POWER.current)) for _ in range(looks)]
        plan = {"dimension": world.dimension, **vars(POWER)}
        found += [{**plan, "change": change, **rates(p_values)} for change, p_values in p.items()]
    return found


# ---- the demo's traffic --------------------------------------------------------------------------------------------


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
            p["unchanged"] += [look(reference, rng.permutation(others)[:n]) for _ in range(looks)]
            for name, streams in altered.items():
                p[name].append(look(reference, rng.permutation(streams[stream])[:n]))
        found = {name: rates(p_values) for name, p_values in p.items()}
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


# ---- cost ----------------------------------------------------------------------------------------------------------


def cost(repeats: int) -> dict[str, Any]:
    """Time of a comparison and of sketching, 512-d, beside the least that the same question can cost without sums."""
    world = Clip(512, seed=9)
    rows, window = world.draw(4000), world.draw(500)
    reference = build(rows, np.repeat(np.arange(16), 250), "bench")
    current = sketch(window, reference.fit)
    compared = _seconds(lambda: compare(reference.fit, reference.baseline, current, reference.dispersion), repeats)
    quadratic = _seconds(lambda: _mmd(rows[:2000], window), max(repeats // 40, 3))
    sketched = _seconds(lambda: sketch(window, reference.fit), repeats)
    axes = reference.fit.axes.astype(np.float64)
    projected = _seconds(lambda: window.astype(np.float64) @ axes, repeats)
    return {
        "compare_us": round(1e6 * compared, 1),
        "one_mmd_without_permutations_us": round(1e6 * quadratic, 1),
        "compare_ratio": round(compared / quadratic, 4),
        "sketch_vectors_per_s": round(len(window) / sketched),
        "projection_alone_vectors_per_s": round(len(window) / projected),
        "sketch_ratio": round(projected / sketched, 3),
        "learn_2000_rows_ms": round(1e3 * _seconds(lambda: learn(rows[:2000], "bench"), 3), 1),
        "sketch_bytes": len(current.to_bytes()),
        "fit_bytes": len(reference.fit.to_bytes()),
        "dispersion_bytes": len(reference.dispersion.to_bytes()),
    }


def _mmd(first: Rows, second: Rows) -> float:
    """One squared maximum mean discrepancy with a Gaussian kernel: what a permutation test computes 100 times."""
    rows = np.concatenate([first, second]).astype(np.float64)
    squares = (rows**2).sum(axis=1)
    kernel = np.exp(-np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0.0))
    n = len(first)
    return float(kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean())


# ---- shared --------------------------------------------------------------------------------------------------------


def look(reference: Reference, rows: Rows) -> float:
    """The p-value of one comparison."""
    result = compare(reference.fit, reference.baseline, sketch(rows, reference.fit), reference.dispersion)
    if result.p_value is None:
        raise RuntimeError(f"no p-value: {result.reason}")
    return result.p_value


def rates(p_values: list[float]) -> dict[str, Any]:
    """Share of looks below each level, with their number."""
    p = np.array(p_values)
    return {"looks": p.size, **{f"below_{level}": round(float((p < level).mean()), 4) for level in LEVELS}}


def _reference(draw: Draw, size: Size) -> Reference:
    rows = np.concatenate([draw(window, size.per_window) for window in range(size.windows)])
    return build(rows, np.repeat(np.arange(size.windows), size.per_window), "bench")


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of one call."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


if __name__ == "__main__":
    main()
