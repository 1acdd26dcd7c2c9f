"""False alarms on unchanged traffic: of single looks, and of whole ticks as the service takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from benchmarks.drift.traffic import Agreement, Clip, Draw, Rows, World, traffics
from monitor.domain.results import DriftVerdict
from monitor.domain.window import HOUR
from monitor.drift.compare import compare
from monitor.drift.dispersion import estimate
from monitor.drift.persistence import LOOKS, persists
from monitor.drift.reference import Reference, build
from monitor.drift.sketch import Sketch, merge, sketch
from monitor.sampling import selected
from monitor.settings.drift import Drift
from monitor.stats.multiple_testing import benjamini_hochberg

DEFAULTS = Drift()
LEVELS = (0.01, 0.05)
KINDS = ("independent", "bursty", "seasonal", "seasonal, hours known", "moody")


@dataclass(frozen=True)
class Size:
    """How much traffic there is: windows of a reference, rows in each, rows of the window that is looked at."""

    windows: int
    per_window: int
    current: int


SIZES = (Size(72, 50, 50), Size(24, 75, 75), Size(24, 200, 200), Size(24, 200, 1000), Size(24, 1000, 1000))
LARGE = (Size(24, 1000, 5000), Size(12, 5000, 50_000))
"""Tried on independent and seasonal traffic of 64 dimensions only."""

BURSTS = (Size(12, 75, 75), Size(24, 75, 75), Size(24, 150, 150), Size(72, 75, 75))
"""Windows that hold four to eight bursts of 20 rows each."""


LASTING = (Size(16, 200, 200), Size(24, 200, 200), Size(72, 200, 200), Size(168, 200, 200))
"""Of traffic whose windows resemble their neighbours: levels do not hold there, so these are apart from the others."""


def cells(dimensions: tuple[int, ...], *, large: bool) -> Iterator[tuple[int, str, Size]]:
    for dimension in dimensions:
        for kind in KINDS:
            for size in SIZES:
                if kind != "seasonal, hours known" or size.windows >= 72:
                    yield dimension, kind, size
            if large and dimension == 64 and kind in {"independent", "seasonal"}:
                yield from ((dimension, kind, size) for size in LARGE)
    yield from ((dimension, "bursts of 20", size) for dimension in dimensions[:2] for size in BURSTS)


def looks(dimension: int, kind: str, size: Size, *, seed: int, references: int, times: int) -> dict[str, Any]:
    """p-values of `times` unchanged windows under each of `references` fresh references."""
    world: World = Agreement(seed=seed) if dimension == 1 else Clip(dimension, seed=seed)
    draw = traffics(world)[kind.split(",", maxsplit=1)[0]]
    found = np.empty((references, times))
    for row in found:
        made = reference(draw, size, seasonal=kind.endswith("known"))
        for look in range(times):
            hour = int(world.rng.integers(size.windows))
            row[look] = p_value(made, draw(hour, size.current), hour)
    return {"dimension": dimension, "traffic": kind, **vars(size), "seed": seed, **rates(found)}


def reference(draw: Draw, size: Size, *, seasonal: bool = False) -> Reference:
    """Windows are hours, one after the other."""
    rows = np.concatenate([draw(window, size.per_window) for window in range(size.windows)])
    hours = np.repeat(np.arange(size.windows), size.per_window)
    return build(rows, hours, "bench", hours=hours if seasonal else None)


def p_value(made: Reference, rows: Rows, hour: int) -> float:
    hours = {hour: len(rows)} if made.fit.season is not None else None
    result = compare(made.fit, made.baseline, sketch(rows, made.fit), made.dispersion, hours=hours)
    if result.p_value is None:
        raise RuntimeError(f"no p-value: {result.reason}")
    return result.p_value


def rates(p: np.ndarray) -> dict[str, Any]:
    """Shares of p-values [references, looks] below each level, their standard error over references, and `excess`."""
    found: dict[str, Any] = {"references": len(p), "looks": p.size}
    for level in LEVELS:
        shares = (p < level).mean(axis=1)
        error = float(shares.std(ddof=1) / np.sqrt(len(shares)))
        found |= {f"below_{level}": float(shares.mean()), f"error_{level}": error}
        found[f"excess_{level}"] = excess(shares, level)
    return found


def excess(shares: NDArray[np.float64], level: float) -> float:
    """The p-value of "no more often than the level", by the t-test over references: looks under one reference share its
    luck."""
    if shares.std() == 0.0:
        return float(shares[0] <= level)
    return float(ttest_1samp(shares, level, alternative="greater").pvalue)


# ---- ticks ---------------------------------------------------------------------------------------------------------

DEVICES = {"phone": 0.4, "kiosk": 0.3, "web": 0.2, "car": 0.1}
COMPARED = ("all traffic", *DEVICES)
SAMPLE_RATE = 0.5
TICKS = 24
TICKET = 7
"""Ticks of a day at which drift must persist before the objective of `examples/slos/drift.yaml` opens a ticket."""
WINDOW, SPAN = DEFAULTS.window // HOUR, DEFAULTS.reference_span // HOUR
"""Hours of a window and of a reference: as the service has them where nobody sets others."""


def ticks(kind: str, *, seed: int, references: int, per_hour: int = 400) -> dict[str, Any]:
    """The service's path: a keyed sample is embedded, every stream and slice sketched, and each hour the last hours of
    each are compared, the tick's findings corrected by Benjamini and Hochberg, and alarms kept where two of three ticks
    agree."""
    alarms, kept = np.zeros((references, 2)), np.zeros((references, 2))
    looks = np.empty((references, TICKS, 2 * len(COMPARED)))
    for index in range(references):
        worlds: list[World] = [Clip(64, seed=seed + index), Agreement(seed=seed + index)]
        streams = [_Stream(world, traffics(world)[kind], f"{seed}/{index}", per_hour) for world in worlds]
        seen = [[p for stream in streams for p in stream.look()] for _ in range(TICKS)]
        looks[index] = np.array(seen, dtype=float)
        for column, level in enumerate(LEVELS):
            found = np.array([_findings(p, level) for p in seen])
            alarms[index, column] = found.any(axis=1).mean()
            kept[index, column] = persistent(found)
    result: dict[str, Any] = {"traffic": kind, "ticks": references * TICKS, "single_looks": _single(looks)}
    for column, level in enumerate(LEVELS):
        result |= {
            f"ticks_with_a_finding_{level}": float(alarms[:, column].mean()),
            f"error_{level}": float(alarms[:, column].std(ddof=1) / np.sqrt(references)),
            f"ticks_with_a_persistent_finding_{level}": float(kept[:, column].mean()),
            f"days_with_a_ticket_{level}": float((kept[:, column] * (TICKS - LOOKS + 1) > TICKET - 0.5).mean()),
        }
    return result


def persistent(found: NDArray[np.bool_]) -> float:
    """Share of the ticks, from the third on, at which a finding persists; `found` [ticks, comparisons]."""
    verdicts = [[DriftVerdict.DRIFT if one else DriftVerdict.NO_DRIFT for one in column] for column in found.T]
    ends = range(LOOKS, len(found) + 1)
    return float(np.mean([any(persists(one[:end]) for one in verdicts) for end in ends]))


def _single(looks: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """By stream and slice: how many of the p-values [references, ticks, comparisons] there are, NaN where rows were too
    few, and the shares below each level."""
    names = [f"{stream}, {part}" for stream in ("image", "agreement") for part in COMPARED]
    each = [one[~np.isnan(one)] for one in looks.reshape(-1, len(names)).T]
    shares = [{f"below_{level}": float((one < level).mean()) for level in LEVELS} for one in each]
    return {name: {"looks": one.size, **share} for name, one, share in zip(names, each, shares, strict=True)}


def _findings(p_values: list[float | None], level: float) -> list[bool]:
    """Benjamini-Hochberg over the comparisons of a tick that had rows enough."""
    adjusted = iter(benjamini_hochberg([p for p in p_values if p is not None]))
    return [p is not None and bool(next(adjusted) < level) for p in p_values]


class _Stream:
    """Unchanged traffic of one world, with the reference of its first `SPAN` hours."""

    def __init__(self, world: World, draw: Draw, name: str, per_hour: int) -> None:
        self.rng, self.draw, self.name, self.per_hour = world.rng, draw, name, per_hour
        self.hour = 0
        arrived = [self._arrive() for _ in range(SPAN)]
        rows, devices = (np.concatenate(parts) for parts in zip(*arrived, strict=True))
        windows = np.repeat(np.arange(SPAN) // WINDOW, [len(part) for part, _ in arrived])
        self.made = build(rows, windows, "bench")
        calibrates = np.isin(windows, self.made.calibration_windows)
        features = self.made.fit.features(rows[calibrates])
        self.slices: dict[str | None, Any] = {None: (self.made.baseline, self.made.dispersion)}
        for device in DEVICES:
            members = devices[calibrates] == device
            part, numbers = features[members], windows[calibrates][members]
            dispersion = estimate(part, numbers, self.made.fit, whole=self.made.dispersion)
            self.slices[device] = (Sketch.of_features(part, self.made.fit), dispersion)
        self.window = deque((self._sketches() for _ in range(WINDOW - 1)), maxlen=WINDOW)

    def look(self) -> Iterator[float | None]:
        """p-values of all traffic and of each slice, an hour after the look before."""
        self.window.append(self._sketches())
        for device, (baseline, dispersion) in self.slices.items():
            current = reduce(merge, [hour[device] for hour in self.window])
            yield compare(self.made.fit, baseline, current, dispersion).p_value

    def _sketches(self) -> dict[str | None, Sketch]:
        """Of the next hour."""
        rows, devices = self._arrive()
        fit, features = self.made.fit, self.made.fit.features(rows)
        parts = {device: features if device is None else features[devices == device] for device in self.slices}
        return {device: Sketch.of_features(part, fit) for device, part in parts.items()}

    def _arrive(self) -> tuple[Rows, np.ndarray]:
        chosen = [selected(f"{self.name}/{self.hour}/{row}", SAMPLE_RATE, "bench") for row in range(self.per_hour)]
        devices = self.rng.choice(list(DEVICES), size=self.per_hour, p=list(DEVICES.values()))
        rows = self.draw(self.hour, self.per_hour)
        self.hour += 1
        return rows[chosen], devices[chosen]
