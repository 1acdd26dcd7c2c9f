"""Compare the current window with the reference: every model, stream and slice, at one tick."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Engine

from monitor.domain.results import DriftResult, DriftVerdict
from monitor.domain.slices import ALL_TRAFFIC, Slice
from monitor.domain.window import HOUR, Window, floor
from monitor.drift.compare import compare
from monitor.services.attempts import attempt_all
from monitor.services.cold_start import make_provisional
from monitor.services.field_sketches import Unsketched, sketch_hours, unsketched
from monitor.services.references import ReferenceOptions
from monitor.stats.multiple_testing import benjamini_hochberg
from monitor.store import references as store
from monitor.store import vectors
from monitor.store.drift_results import insert_results
from monitor.store.engine import transaction
from monitor.store.references import ActiveReference, Baseline
from monitor.store.sketches import WindowSketch, sketches_in
from monitor.streams import VECTOR_STREAMS, vector_streams

OWN_DIMENSIONS = ("variant", "version")
"""A new variant or version is compared with all traffic of the reference: it has no past of its own."""


@dataclass(frozen=True, slots=True)
class DriftOptions:
    reference: ReferenceOptions
    alpha: float
    """Expected share of false findings among those of one model at one tick, on average over ticks."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What is compared: a stream or a slice of it now, and what the reference knows of it."""

    reference: ActiveReference
    part: Slice
    current: WindowSketch
    baseline: Baseline | None

    def result(self, alpha: float, among: int) -> DriftResult:
        if self.baseline is None:
            return _unknown(self.part, self.current.sketch.n)
        return compare(
            self.reference.fit, self.baseline.sketch, self.current.sketch, self.baseline.dispersion,
            level=alpha, among=among, hours=self.current.hours,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Compared:
    reference: ActiveReference
    part: Slice
    result: DriftResult


def evaluate_drift(engine: Engine, options: DriftOptions, tick: datetime) -> int:
    """Compare the window that ends at `tick` (floored to its hour); returns how many results there are.

    Cold start first: where a model has no reference yet and enough traffic has come, a provisional one is made.

    Raises:
        StoreError: PostgreSQL refused or does not answer.
        Exception: the first fault of a model or embedder of which no reference could be made, or of a model or stream
            that could not be compared, after all others were.
    """
    tick = floor(tick, HOUR)
    steps = [
        ("making references", partial(make_provisional, engine, options.reference, tick)),
        ("comparing with references", partial(_compare_all, engine, options, tick)),
    ]
    return attempt_all(steps)[-1]


def _compare_all(engine: Engine, options: DriftOptions, tick: datetime) -> int:
    window = Window.before(tick, options.reference.window)
    with transaction(engine) as connection:
        references = store.active_references(connection, tick)
    hours = unsketched(engine, [one for one in references if one.is_readable], window)
    models = defaultdict[str, list[ActiveReference]](list)
    for one in references:
        models[one.model].append(one)
    compare_one = partial(_compare, engine, options, window)
    return sum(
        attempt_all(
            (f"comparing {model}", partial(compare_one, known, hours.get(model, ()))) for model, known in models.items()
        )
    )


def _compare(
    engine: Engine,
    options: DriftOptions,
    window: Window,
    references: Sequence[ActiveReference],
    hours: Sequence[Unsketched],
) -> int:
    """One model with its references, after `hours` were sketched. What cannot be read of one hides no other."""
    sketch_hours(engine, options.reference.sketcher(engine), hours)
    looks: list[_Look] = []
    steps = [(f"looking at {one}", partial(_look, engine, one, window, looks)) for one in references]
    steps.append(("comparing what was seen", partial(_judge, engine, options, window, references, looks)))
    return attempt_all(steps)[-1]


def _look(engine: Engine, reference: ActiveReference, window: Window, looks: list[_Look]) -> int:
    """Add what is compared under a reference; returns how much there is."""
    with transaction(engine) as connection:
        known = store.baselines(connection, reference)
        found = sketches_in(connection, reference, window)
    looks += [_Look(reference, part, current, _baseline(known, part)) for part, current in sorted(found.items())]
    return len(found)


def _judge(
    engine: Engine,
    options: DriftOptions,
    window: Window,
    references: Sequence[ActiveReference],
    looks: Sequence[_Look],
) -> int:
    """Compare and store all that was seen of a model; returns how many results there are."""
    among = sum(one.baseline is not None for one in looks)  # at most: some may have too few rows
    compared = [_Compared(one.reference, one.part, one.result(options.alpha, among)) for one in looks]
    with transaction(engine) as connection:
        compared += _rebaselined(connection, references, {one.reference.id for one in compared}, window)
        adjusted = _adjust(compared)
        insert_results(
            connection, [_row(one, p, window, options.alpha) for one, p in zip(compared, adjusted, strict=True)]
        )
    return len(compared)


def _baseline(known: dict[Slice, Baseline], part: Slice) -> Baseline | None:
    if part in known:
        return known[part]
    return known.get(ALL_TRAFFIC) if part.dimension in OWN_DIMENSIONS else None


def _unknown(part: Slice, n: int) -> DriftResult:
    return DriftResult(
        DriftVerdict.NOT_ENOUGH_REFERENCE, 0, n, reason=f"the reference has too few rows with {part} to compare with"
    )


def _rebaselined(
    connection: Connection, references: Sequence[ActiveReference], seen: set[int], window: Window
) -> list[_Compared]:
    """References that see nothing any more because another encoder makes the vectors now, and has none of its own yet.

    Vectors of two encoders are never compared. That there is a new baseline is said where the results stood.
    """
    silent = {
        (one.model, one.stream): one
        for one in references
        if one.id not in seen and (stream := VECTOR_STREAMS.get(one.stream)) and stream.embedder is None
    }
    if not silent:
        return []
    have = {(one.model, one.stream, one.embedder_id) for one in references}
    found = {}
    for source, kinds in vectors.sources(connection, window).items():
        for stream in vector_streams(source.fingerprint):
            former = silent.get((source.model, stream.name))
            if former and kinds.issuperset(stream.kinds) and (*_key(former), source.embedder_id) not in have:
                reason = (
                    f"vectors come from another encoder now, {source.fingerprint}: a new provisional reference is made "
                    "of its first traffic, and the change itself is no drift"
                )
                result = DriftResult(DriftVerdict.NOT_ENOUGH_REFERENCE, 0, 0, reason=reason)
                found[_key(former)] = _Compared(former, ALL_TRAFFIC, result)
    return list(found.values())


def _key(reference: ActiveReference) -> tuple[str, str]:
    return reference.model, reference.stream


def _adjust(compared: list[_Compared]) -> list[float | None]:
    """Benjamini-Hochberg over the comparisons of one model at the tick, as far as they have a p-value.

    Of all models together, one that drifts would lower what the others must reach: of 50 unchanged comparisons beside
    50 that drift, some are taken for drift in 22% of ticks at a level of 1%.
    """
    p_values = {place: p for place, one in enumerate(compared) if (p := one.result.p_value) is not None}
    if not p_values:
        return [None] * len(compared)
    adjusted = dict(zip(p_values, benjamini_hochberg(list(p_values.values())).tolist(), strict=True))
    return [adjusted.get(place) for place in range(len(compared))]


def _row(one: _Compared, adjusted: float | None, window: Window, alpha: float) -> dict[str, object]:
    result = one.result
    verdict = result.verdict
    if adjusted is not None:
        verdict = DriftVerdict.DRIFT if adjusted < alpha else DriftVerdict.NO_DRIFT
    return {
        "reference_id": one.reference.id,
        "dimension": one.part.dimension,
        "value": one.part.value,
        "tick": window.end,
        "window_start": window.start,
        "n": result.n_current,
        "verdict": str(verdict),
        "p_value": result.p_value,
        "adjusted_p": adjusted,
        "effect": result.effect,
        "detail": {**asdict(result), "verdict": str(result.verdict), "alpha": alpha},
    }
