from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import NotEnoughData
from monitor.stats.inputs import as_matrix, as_outcomes, as_probabilities, as_rows, as_shares, as_vector, check_share


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: as_vector([], "x"), "x has 0 rows; at least 1"),
        (lambda: as_vector([1.0, np.nan, np.inf], "x"), "NaN or infinity in 2 places"),
        (lambda: as_vector([[1.0]], "x"), r"1 dimension\(s\), not shape \(1, 1\)"),
        (lambda: as_vector(["a"], "x"), "must be numbers"),
        (lambda: as_vector(["0.5"], "texts"), "texts must be numbers"),
        (lambda: as_vector([1j], "z"), "z must be numbers"),
        (lambda: as_vector(np.array(["1", "2.5"], object), "objects"), "objects must be numbers"),
        (lambda: as_vector(np.array([b"1", 2], object), "bytes"), "bytes must be numbers"),
        (lambda: as_vector(np.array([np.complex64(1j), 2], object), "complex"), "complex must be numbers"),
        (lambda: as_vector(np.array([np.datetime64("2026-11-21"), 2], object), "dates"), "dates must be numbers"),
        (lambda: as_vector([10**400], "giants"), "giants must be numbers"),
        (lambda: as_vector(np.array(["2026-11-21"], "datetime64[D]"), "days"), "days must be numbers"),
        (lambda: as_vector([None, 1.0], "x"), "NaN or infinity in 1 places"),
        (lambda: as_vector(np.ma.masked_array([1.0, 2.0], [True, False]), "x"), "masked in places"),
        (lambda: as_matrix([[1e308, -1e308]], "x"), "values beyond 1e\\+30"),
        (lambda: as_probabilities([0.5, 0.0], "p", 2), r"p must lie in \(0, 1\]; found 0 to 0.5"),
        (lambda: as_probabilities([0.5, 1e-320], "p", 2, least=1e-100), r"p must lie in \[1e-100, 1\]; found"),
        (lambda: as_probabilities([0.5], "p", 2), "2 rows cannot be paired with 1 p"),
        (lambda: as_matrix(np.zeros((3, 0)), "x"), "3 rows but no columns"),
        (lambda: as_matrix([[1.0], [2.0, 3.0]], "x"), r"numbers in an array of 2"),
        (lambda: as_rows(np.zeros((4, 0), np.float32), "x"), "4 rows but no columns"),
        (lambda: as_rows(np.zeros(3, np.float16), "x"), r"2 dimension\(s\), not shape \(3,\)"),
        (lambda: as_rows(np.full((2, 2), np.nan, np.float32), "x"), "NaN or infinity in 4 places"),
        (lambda: as_outcomes([0.3], "x"), "true or false"),
        (lambda: as_shares([0.3, 1.2], "x"), r"in \[0, 1\]; found 0.3 to 1.2"),
        (lambda: check_share(1.0, "level"), "level must lie strictly between"),
        (lambda: check_share(float("nan"), "level"), "not nan"),
    ],
)
def test_the_message_says_what_is_wrong(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotEnoughData, match=words):
        call()


def test_the_caller_keeps_its_array() -> None:
    given = np.array([1.0, 2.0])
    taken = as_vector(given, "x")
    taken[0] = 9.0
    assert given[0] == 1.0
