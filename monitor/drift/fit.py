"""The frozen frame in which windows are compared: centre, leading axes, and each detector's parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.drift import DETECTORS
from monitor.drift.archive import digest, pack, unpack
from monitor.drift.detector import Parameters, bounded, squared_lengths
from monitor.drift.projection import Projection
from monitor.drift.season import Season, as_hours, learn_season
from monitor.errors import FingerprintMismatch, NotEnoughData, UnreadableState
from monitor.stats.exact_sums import Units, to_units
from monitor.stats.inputs import Floats, as_matrix, as_rows

MAX_AXES: Final = 48
MIN_FIT_ROWS: Final = 50
"""Fewer rows cannot tell five axes from noise."""

LOCATION_AXES: Final = 3
"""So many coordinates of the mean are kept as they are, for people; for a stream of one number it is its mean."""

BLOCK: Final = 512
"""Rows whose features are made at once: few enough that they stay in a processor's cache from one product to the next,
whatever the window; 4,096 took 1.4 times as long."""

ID_BYTES: Final = 16
_ROWS_PER_AXIS: Final = 10
"""Rows that it takes to tell an axis from noise."""

_LEAST_VARIANCE: Final = 1e-4
"""Axes below this share of the first are the rounding of half precision."""

_LEAST_SHARE: Final = 1e-9
"""Of the squared length of the mean: single precision, in which fits are kept, does not tell rows apart below it."""
_LEAST: Final = 1e-60
"""Of a variance: the square of the smallest values that single precision holds well."""

_KIND: Final = "snellen fit 2"
_WITHOUT_SQUARES: Final = "snellen fit 1"
"""A version that knows no others must not sketch under a fit with squares: its sketches would be too short."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Made once from blessed rows by `learn`, then only read. Arrays are float32, so that stored and fresh agree.

    `fingerprint` is the embedder's; `mean` [d], `axes` [d, k] of unit length, `scales` [k], `variance` the mean
    squared length of the centred rows, `parameters` per detector that applies; `season` is what the hours of a window
    add to its features' means, None where the rows' hours were not said or span too little time.
    """

    fingerprint: str
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    scales: NDArray[np.float32]
    variance: float
    parameters: Mapping[str, Parameters]
    season: Season | None = None
    has_squares: bool = True
    """Whether `features` end with the detectors' mean squares; fits that older versions stored do without them."""

    @property
    def dimension(self) -> int:
        """Length d of the vectors that this fit can read."""
        return int(self.mean.size)

    @property
    def location_axes(self) -> int:
        """How many coordinates of the mean itself a sketch keeps before the detectors' features."""
        return min(LOCATION_AXES, self.scales.size)

    @cached_property
    def id(self) -> bytes:
        """16 bytes that differ when anything of the fit or its embedder differs."""
        return digest(*self._contents(), ID_BYTES)

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Where each detector's features stand in a row of `features`, after the location."""
        widths = {name: block.shape[1] for name, block in self._blocks(self._project(np.zeros((1, self.dimension))))}
        edges = np.cumsum([self.location_axes, *widths.values()]).tolist()
        return {name: slice(*edge) for name, edge in zip(widths, pairwise(edges), strict=True)}

    @cached_property
    def squares(self) -> dict[str, int]:
        """Where the mean square of each detector's bounded features stands in a row of `features`, if it does."""
        last = max(block.stop for block in self.blocks.values())
        return {name: last + index for index, name in enumerate(self.blocks)} if self.has_squares else {}

    @property
    def width(self) -> int:
        """Length m of a row of `features`."""
        return int(max(block.stop for block in self.blocks.values())) + len(self.squares)

    def features(self, vectors: ArrayLike) -> Units:
        """Rows [n, d] of any float type as whole units [n, m]: the location, then each detector's bounded features,
        then their mean squares, which say how much rows vary.

        Raises:
            NotEnoughData: no rows, another shape, or NaN or infinity.
            FingerprintMismatch: another dimension than the fit's.
        """
        return np.concatenate(list(self.feature_blocks(vectors)))

    def feature_blocks(self, vectors: ArrayLike) -> Iterator[Units]:
        """`features` of `BLOCK` rows after another, for those who only add them up.

        Products are of 64-bit floats: those of 32 bits take half the time, but a row's last digits would depend on
        which rows stand beside it, and windows that are sketched in parts would not add up to the whole.

        Raises:
            NotEnoughData: no rows, another shape, or NaN or infinity.
            FingerprintMismatch: another dimension than the fit's.
        """
        rows = as_rows(vectors, "vectors")
        if rows.shape[1] != self.dimension:
            raise FingerprintMismatch(
                f"vectors have {rows.shape[1]} dimensions, the fit of {self.fingerprint!r} has {self.dimension}: "
                "they come from another embedder"
            )
        for start in range(0, len(rows), BLOCK):
            yield self._units(rows[start : start + BLOCK])

    def _units(self, rows: NDArray[np.floating[Any]]) -> Units:
        projection = self._project(rows)
        leading = slice(0, self.location_axes)
        location = projection.axes[:, leading] * self.scales[leading] + self.mean @ self.axes[:, leading]
        blocks = [bounded(block, self.parameters[name]) for name, block in self._blocks(projection)]
        squares = [squared / block.shape[1] for block, squared in blocks] if self.has_squares else []
        return to_units(np.concatenate([location, *(block for block, _ in blocks), *squares], axis=1))

    def demand(self, fingerprint: str) -> None:
        """Check that vectors of this embedder may be read.

        Raises:
            FingerprintMismatch: they come from another one.
        """
        if fingerprint != self.fingerprint:
            raise FingerprintMismatch(
                f"vectors of embedder {fingerprint!r} cannot be compared under a fit of {self.fingerprint!r}: "
                "bless a new reference for the new embedder"
            )

    def demand_features(self, features: object) -> None:
        """Check that `features` are rows [n, m] such as this fit makes.

        Raises:
            FingerprintMismatch: they have another shape, or are no whole units.
        """
        if not isinstance(features, np.ndarray) or features.dtype != np.int64 or features.shape[1:] != (self.width,):
            raise FingerprintMismatch(
                f"features must be rows of {self.width} whole units, as `features` of the fit of {self.fingerprint!r} "
                "makes them of vectors"
            )

    def to_bytes(self) -> bytes:
        """About 4 bytes x d x (k + 80), e.g. 290 kB for d = 512; see `from_bytes`."""
        return pack(_KIND if self.has_squares else _WITHOUT_SQUARES, *self._contents())

    @classmethod
    def from_bytes(cls, data: bytes) -> Fit:
        """The fit that `to_bytes` wrote. Detectors added since then do not apply to it.

        Raises:
            UnreadableState: damaged bytes, or another version's.
        """
        facts, arrays = unpack(data, _KIND, _WITHOUT_SQUARES)
        unknown = set(facts["detectors"]) - set(DETECTORS)
        if unknown:
            raise UnreadableState(f"the fit has detectors that this version does not: {', '.join(sorted(unknown))}")
        parameters: dict[str, Parameters] = {}
        for detector in facts["detectors"]:
            start = f"{detector}/"
            parameters[detector] = {
                name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
            }
        season = Season(arrays["season/waves"], arrays["season/coefficients"]) if "season/waves" in arrays else None
        frame = arrays["mean"], arrays["axes"], arrays["scales"]
        return cls(facts["fingerprint"], *frame, facts["variance"], parameters, season, facts.get("has_squares", False))

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        arrays: dict[str, NDArray[Any]] = {"mean": self.mean, "axes": self.axes, "scales": self.scales}
        for detector, parameters in self.parameters.items():
            arrays |= {f"{detector}/{name}": array for name, array in parameters.items()}
        if self.season is not None:
            arrays |= {"season/waves": self.season.waves, "season/coefficients": self.season.coefficients}
        facts = {"fingerprint": self.fingerprint, "variance": self.variance, "detectors": list(self.parameters)}
        # Left out where it is false: the identity of older fits rests on these facts.
        return facts | {"has_squares": True} if self.has_squares else facts, arrays

    def _project(self, rows: NDArray[np.floating[Any]]) -> Projection:
        own = ((name, DETECTORS[name].directions) for name in self.parameters)
        directions = {name: self.parameters[name][key] for name, key in own if key is not None}
        return _project(rows, self.mean, self.axes, self.scales, self.variance, directions)

    def _blocks(self, projection: Projection) -> Iterator[tuple[str, Floats]]:
        for name, parameters in self.parameters.items():
            yield name, DETECTORS[name].features(projection, parameters)


def learn(vectors: ArrayLike, fingerprint: str, *, hours: ArrayLike | None = None) -> Fit:
    """Fit the frame on rows [n, d], n >= `MIN_FIT_ROWS`; they must not be used for calibration too.

    `hours` [n], whole hours since the epoch, lets it learn a season too, where they span days enough. The same set of
    rows gives the same fit, in whatever order they come.

    Raises:
        NotEnoughData: too few rows, another shape, NaN or infinity, rows that are all the same, or hours that do not
            match the rows.
    """
    unordered = as_matrix(vectors, "vectors of the fit", least=MIN_FIT_ROWS)
    fit = _frame(_in_order(unordered), fingerprint)
    if hours is None:
        return fit
    return replace(fit, season=learn_season(fit.features(unordered), as_hours(hours, len(unordered))))


def _frame(rows: Floats, fingerprint: str) -> Fit:
    exact = rows.mean(axis=0)
    mean = exact.astype(np.float32)
    centred = rows - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / rows.shape[0])
    variances, directions = variances[::-1], directions[:, ::-1]
    variance = float(variances.clip(0.0).sum())
    size = float(exact @ exact)
    if variance <= max(_LEAST_SHARE * size, _LEAST):
        raise NotEnoughData(
            f"all {rows.shape[0]} vectors are the same, or nearly: they spread by {variance**0.5:.1g} about a mean of "
            f"length {size**0.5:.1g}, and there is no variation to compare with. Take off a constant, or scale them"
        )
    count = _axes_to_keep(rows.shape[0], variances)
    ridge = max(float(variances[count:].sum()) / max(rows.shape[1] - count, 1), 0.0)
    axes = _pointed(directions[:, :count]).astype(np.float32)
    scales = np.sqrt(variances[:count] + ridge).astype(np.float32)
    projection = _project(rows, mean, axes, scales, variance, {})
    learnt = {name: detector.learn(projection) for name, detector in DETECTORS.items()}
    parameters = {
        name: {key: array.astype(np.float32) for key, array in found.items()}
        for name, found in learnt.items()
        if found is not None
    }
    return Fit(fingerprint, mean, axes, scales, variance, parameters)


def _axes_to_keep(n: int, variances: Floats) -> int:
    """All of a stream of few numbers, if rows enough tell them: wherever it moves, its distance says how far."""
    varying = int((variances > _LEAST_VARIANCE * variances[0]).sum())
    return max(1, min(MAX_AXES, n // _ROWS_PER_AXIS, varying))


def _project(
    rows: NDArray[np.floating[Any]],
    mean: NDArray[np.float32],
    axes: NDArray[np.float32],
    scales: NDArray[np.float32],
    variance: float,
    directions: Mapping[str, NDArray[Any]],
) -> Projection:
    centred = rows.astype(np.float64)
    centred -= mean
    frame = [axes, *directions.values()]
    products = centred @ np.concatenate(frame, axis=1, dtype=np.float64)
    leading, *others = np.split(products, np.cumsum([part.shape[1] for part in frame[:-1]]), axis=1)
    residual = (squared_lengths(centred) - squared_lengths(leading))[:, 0]
    along = dict(zip(directions, others, strict=True))
    return Projection(centred, leading / scales, np.maximum(residual, 0.0), variance, along)


def _in_order(rows: Floats) -> Floats:
    """Rows in a fixed order, so that rounding in the sums below is the same for the same set of rows."""
    ordered: Floats = rows[np.lexsort(rows.T[::-1])]
    return ordered


def _pointed(directions: Floats) -> Floats:
    """Columns with their largest entry positive: an eigenvector's sign is otherwise left to chance."""
    largest = np.abs(directions).argmax(axis=0)
    pointed: Floats = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
    return pointed
