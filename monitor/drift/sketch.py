"""A window's vectors as mergeable sums under a frozen fit: all that any later comparison needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.drift.fit import ID_BYTES, Fit
from monitor.errors import FingerprintMismatch, NotEnoughData, UnreadableState
from monitor.stats.exact_sums import Units, to_values
from monitor.stats.inputs import Floats

_HEADER: Final = Struct(f"<B{ID_BYTES}sQB")
_VERSION: Final = 2
_LEAST_WIDTH: Final = 4

_OLD_HEADER: Final = Struct(f"<B{ID_BYTES}sQ")
_OLD_VERSION: Final = 1
"""Its sums took 8 bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """`n` rows and the exact sums [m] of their features, in units; `fit_id` names the fit (and so the embedder)."""

    fit_id: bytes
    n: int
    sums: Units

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    @classmethod
    def empty(cls, fit: Fit) -> Sketch:
        """No rows: merging it changes nothing."""
        return cls(fit.id, 0, np.zeros(fit.width, dtype=np.int64))

    @classmethod
    def of_features(cls, features: Units, fit: Fit) -> Sketch:
        """Sketch rows whose features [n, m] `fit.features` made; so a row that is in many slices is read once.

        Raises:
            FingerprintMismatch: features that this fit did not make.
        """
        fit.demand_features(features)
        return cls(fit.id, features.shape[0], features.sum(axis=0))

    def demand(self, fit: Fit) -> None:
        """Check that it can be read under this fit.

        Raises:
            FingerprintMismatch: made under another fit.
            UnreadableState: sums that were cut or lengthened.
        """
        if self.fit_id != fit.id:
            raise FingerprintMismatch(
                f"a sketch made under another fit cannot be read under that of {fit.fingerprint!r}"
            )
        if self.sums.size != fit.width:
            raise UnreadableState(f"a sketch of {self.sums.size} sums is damaged: its fit makes {fit.width}")

    def means(self, fit: Fit, detector: str) -> Floats:
        """Mean of each of the detector's features, [m].

        Raises:
            NotEnoughData: no rows.
            UnreadableState: sums that were cut or lengthened.
            FingerprintMismatch: made under another fit.
        """
        return self._means(fit, fit.blocks[detector])

    def variance(self, fit: Fit, detector: str) -> float | None:
        """Of single rows, summed over the detector's features, >= 0; None under a fit of before it was kept.

        Raises:
            NotEnoughData, UnreadableState: as `means`.
            FingerprintMismatch: made under another fit.
        """
        if detector not in fit.squares:
            return None
        means, at = self.means(fit, detector), fit.squares[detector]
        square = float(self._means(fit, slice(at, at + 1))[0])
        return max(means.size * square - float(means @ means), 0.0)

    def location(self, fit: Fit) -> Floats:
        """Coordinates of the mean vector along the three leading axes (fewer if k < 3), in the embedding's unit.

        For a stream of one number per row, such as image-text agreement, this is the stream's mean.

        Raises:
            NotEnoughData, UnreadableState: as `means`.
            FingerprintMismatch: made under another fit.
        """
        return self._means(fit, slice(0, fit.location_axes))

    def to_bytes(self) -> bytes:
        """26 bytes and 4 to 8 per feature, as the largest sum needs: 0.8 kB for an hour of images or texts, less than
        1 kB for a million rows, 0.1 kB for a stream of one number."""
        largest = max(int(self.sums.max(initial=0)), -1 - int(self.sums.min(initial=0)))
        width = max(largest.bit_length() // 8 + 1, _LEAST_WIDTH)
        whole = self.sums.astype("<i8").view(np.uint8).reshape(-1, 8)
        return _HEADER.pack(_VERSION, self.fit_id, self.n, width) + whole[:, :width].tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """The sketch that `to_bytes` wrote, here or in an older version. Only its fit tells whether sums are missing.

        Raises:
            UnreadableState: damaged bytes, or a newer version's.
        """
        version, width, start = data[0] if data else _VERSION, 8, _OLD_HEADER.size
        if version == _VERSION and len(data) >= _HEADER.size:
            width, start = data[_HEADER.size - 1], _HEADER.size
        if len(data) < start or not _LEAST_WIDTH <= width <= 8 or (len(data) - start) % width:
            raise UnreadableState(f"{len(data)} bytes are no whole sketch")
        if version not in {_VERSION, _OLD_VERSION}:
            raise UnreadableState(f"a sketch of version {version} cannot be read; this is version {_VERSION}")
        _, fit_id, n = _OLD_HEADER.unpack_from(data)
        return cls(fit_id, n, _widened(np.frombuffer(data, np.uint8, offset=start).reshape(-1, width)))

    def _means(self, fit: Fit, block: slice) -> Floats:
        self.demand(fit)
        if self.n == 0:
            raise NotEnoughData("an empty sketch has no mean")
        return to_values(self.sums[block]) / self.n


def sketch(vectors: ArrayLike, fit: Fit) -> Sketch:
    """Sketch rows [n, d] of any float type; their order does not matter.

    Raises:
        NotEnoughData: no rows, another shape, or NaN or infinity.
        FingerprintMismatch: another dimension than the fit's.
    """
    whole = Sketch.empty(fit)
    for block in fit.feature_blocks(vectors):
        whole = merge(whole, Sketch.of_features(block, fit))
    return whole


def merge(first: Sketch, second: Sketch) -> Sketch:
    """The sketch of both windows' rows together, exactly, in whatever order sketches are merged.

    Raises:
        FingerprintMismatch: they were made under different fits.
        UnreadableState: the sums of one were cut or lengthened.
    """
    if first.fit_id != second.fit_id:
        raise FingerprintMismatch("sketches made under different fits cannot be merged; sketch the vectors again")
    if first.sums.size != second.sums.size:
        raise UnreadableState(f"sketches of {first.sums.size} and {second.sums.size} sums: one of them is damaged")
    return Sketch(first.fit_id, first.n + second.n, first.sums + second.sums)


def _widened(numbers: NDArray[np.uint8]) -> Units:
    """Signed little-endian numbers of so many bytes each [m, width], as 64 bits."""
    filled = np.repeat(np.where(numbers[:, -1:] >= 128, np.uint8(255), np.uint8(0)), 8, axis=1)
    filled[:, : numbers.shape[1]] = numbers
    return filled.view("<i8")[:, 0].astype(np.int64)
