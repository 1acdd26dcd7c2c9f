"""What the intervals of the calibration measures cover, and whether a recommended repair holds up.

    python -m benchmarks.calibration [--seed 1] [--trials 200] [--only coverage] [--sizes 30 100] [--quick]

Truth is the same measure of two million answers of the same traffic; of the largest gaps, that of the bins which the
sample fills. `covers` is the share of trials whose 95% interval
holds it. Kinds of traffic: calibrated, over-confident by 10 points everywhere, over-confident where confidence is high
and not elsewhere, nearly always right, 48 points under-confident in three answers of ten and sound in the others, and
of any confidence though nearly always right; each drawn with equal probabilities, and with probabilities that favour
unsure answers. In the last two kinds, how far confidence is off depends most on how the sample's confidences happened
to fall.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from monitor.stats.calibration import MEASURES, Calibration, ReliabilityBin, calibration
from monitor.stats.inputs import Floats
from monitor.stats.scaling import repairs

POPULATION = 2_000_000
Answers = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Traffic:
    """Confidences, and how often answers of such a confidence are right."""

    drawn: Callable[[np.random.Generator, int], Floats]
    accuracy: Callable[[Floats], Floats]

    def confidences(self, rng: np.random.Generator, n: int) -> Floats:
        return self.drawn(rng, n).round(6)

    def right(self, confidence: Floats) -> Floats:
        """The chance [n] that each answer is right."""
        return np.clip(self.accuracy(confidence), 0.0, 1.0)

    def draw(self, rng: np.random.Generator, n: int) -> Answers:
        confidence = self.confidences(rng, n)
        return confidence, (rng.random(n) < self.right(confidence)).astype(np.float64), np.ones(n)


def beta(a: float, b: float) -> Callable[[np.random.Generator, int], Floats]:
    return lambda rng, n: rng.beta(a, b, n)


TRAFFIC: dict[str, Traffic] = {
    "calibrated": Traffic(beta(5, 2), lambda c: c),
    "10 points over-confident": Traffic(beta(5, 2), lambda c: c - 0.1),
    "over-confident where sure": Traffic(beta(4, 1.5), lambda c: c - 0.3 * c**4),
    "nearly always right": Traffic(beta(40, 1.5), lambda c: c),
    "48 points under-confident in 30%": Traffic(
        lambda rng, n: np.where(rng.random(n) < 0.3, 0.5, 0.95), lambda c: np.where(c < 0.7, 0.98, 0.93)
    ),
    "of any confidence, nearly always right": Traffic(beta(1, 1), lambda c: np.full(c.shape, 0.97)),
}
SIZES = (30, 100, 500, 3000)


@dataclass(frozen=True)
class Truth:
    """What is true of a traffic: of measures, and of the gap of any stretch of confidences."""

    measures: dict[str, float]
    confidence: Floats
    gap_before: Floats
    """[n + 1]: the gaps of the answers of lower confidence, added up."""

    @classmethod
    def of(cls, traffic: Traffic, rng: np.random.Generator) -> Truth:
        confidence, correct, _ = traffic.draw(rng, POPULATION)
        measures = {key: one.value for key, one in calibration(confidence, correct).measures().items()}
        measures["ece_debiased"] = measures["ece"]
        rising = np.sort(confidence)
        return cls(measures, rising, np.concatenate([[0.0], np.cumsum(rising - traffic.right(rising))]))

    def for_(self, found: Calibration) -> dict[str, float]:
        """What the measures of a sample are to cover. The largest gap is that of the bins which the sample fills: of
        others it can know nothing, and the population of hardly any answers that fall there."""
        largest = {"maximum": found.bins, "maximum_equal_mass": found.bins_equal_mass}
        return self.measures | {key: self._largest(table) for key, table in largest.items()}

    def _largest(self, table: tuple[ReliabilityBin, ...]) -> float:
        first, last = (
            np.searchsorted(self.confidence, [getattr(one, end) for one in table if one.n])
            for end in ("lower", "upper")
        )
        last[-1] = self.confidence.size if table[-1].n else last[-1]  # the last bin holds 1 too
        kept = last > first
        gaps = (self.gap_before[last] - self.gap_before[first])[kept] / (last - first)[kept]
        return float(np.abs(gaps).max())


def sampled(traffic: Traffic, rng: np.random.Generator, n: int) -> Answers:
    """`n` answers of which unsure ones are drawn up to four times as often."""
    confidence, correct, _ = traffic.draw(rng, 8 * n + 100)
    probability = np.clip(0.25 * (1.0 + 3.0 * (confidence < 0.6)) * (1.0 + 0.5 * (confidence > 0.9)), 0.0, 1.0)
    kept = np.flatnonzero(rng.random(confidence.size) < probability)[:n]
    return confidence[kept], correct[kept], probability[kept]


def coverage(seed: int, trials: int, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """One row per kind of traffic, design and size; `width` is the median one."""
    found = []
    for place, (name, traffic) in enumerate(TRAFFIC.items()):
        rng = np.random.default_rng([seed, place])
        truth = Truth.of(traffic, rng)
        for weighted in (False, True):
            for n in sizes:
                held: dict[str, int] = defaultdict(int)
                ends = defaultdict(list)
                for _ in range(trials):
                    answers = sampled(traffic, rng, n) if weighted else traffic.draw(rng, n)
                    measured = calibration(answers[0], answers[1], probability=answers[2])
                    true = truth.for_(measured)
                    for key, one in measured.measures().items():
                        held[key] += one.interval.lower - 1e-4 <= true[key] <= one.interval.upper + 1e-4
                        ends[key].append(one.interval.upper - one.interval.lower)
                found.append({
                    "traffic": name, "weighted": weighted, "n": n,
                    "covers": {key: round(held[key] / trials, 3) for key in MEASURES},
                    "width": {key: round(float(np.median(ends[key])), 3) for key in MEASURES},
                })  # fmt: skip
    return found


def differences(seed: int, trials: int, n: int) -> dict[str, float]:
    """Coverage of the difference of an over-confident window and a calibrated one, by measure."""
    rng = np.random.default_rng(seed)
    one, two = TRAFFIC["10 points over-confident"], TRAFFIC["calibrated"]
    truth = Truth.of(one, rng), Truth.of(two, rng)
    held: dict[str, int] = defaultdict(int)
    for _ in range(trials):
        found = [calibration(*traffic.draw(rng, n)[:2]) for traffic in (one, two)]
        true = [side.for_(measured) for side, measured in zip(truth, found, strict=True)]
        for key, change in found[0].against(found[1]).items():
            held[key] += change.interval.lower <= true[0][key] - true[1][key] <= change.interval.upper
    return {key: round(held[key] / trials, 3) for key in MEASURES}


def repaired(seed: int, trials: int) -> list[dict[str, Any]]:
    """How often a repair is recommended, by the temperature that is needed, and whether it keeps what it promises.

    `promised` and `kept` are the corrected ECE after the repair: as the answers at hand say, and as a hundred thousand
    further answers say that are scaled by the temperature found (medians over trials).
    """
    found = []
    for temperature in (1.0, 1.3, 1.8):
        for n in (200, 1000, 4000):
            rng = np.random.default_rng(seed)
            advised, promised, kept, before = 0, [], [], []
            for _ in range(trials):
                repair = repairs(*_heated(rng, n, temperature))[0]
                advised += repair.holds
                confidence, correct = _heated(rng, POPULATION // 20, temperature)
                scaled = expit(logit(confidence) / (repair.temperature or 1.0))
                before.append(calibration(confidence, correct).ece.corrected)
                kept.append(calibration(scaled, correct).ece.corrected)
                promised.append(repair.after.ece.corrected)
            found.append({
                "temperature": temperature, "n": n, "recommended": round(advised / trials, 2),
                "before": round(float(np.median(before)), 4), "promised": round(float(np.median(promised)), 4),
                "kept": round(float(np.median(kept)), 4),
            })  # fmt: skip
    return found


def _heated(rng: np.random.Generator, n: int, temperature: float) -> tuple[Floats, Floats]:
    """Confidences that scaling by `temperature` would make right."""
    true = rng.beta(5, 2, n).clip(1e-6, 1 - 1e-6)
    return np.asarray(expit(logit(true) * temperature)), (rng.random(n) < true).astype(np.float64)


PARTS = ("coverage", "changes", "repairs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of answers to try")
    parser.add_argument("--quick", action="store_true", help="small sizes and few trials: a smoke test")
    options = parser.parse_args()
    trials, sizes = (20, SIZES[:2]) if options.quick else (options.trials, tuple(options.sizes))
    result: dict[str, Any] = {"seed": options.seed, "trials": trials}
    if "coverage" in options.only:
        rows = coverage(options.seed, trials, sizes)
        result["mean"] = {key: round(float(np.mean([row["covers"][key] for row in rows])), 3) for key in MEASURES}
        result["worst"] = {key: min(row["covers"][key] for row in rows) for key in MEASURES}
        result["cells"] = rows
    if "changes" in options.only:
        result["differences"] = {str(n): differences(options.seed, trials, n) for n in sizes[1:3]}
    if "repairs" in options.only:
        result["repairs"] = repaired(options.seed, max(5, trials // 3))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
