"""pgvector's binary form, written and read in one place each."""

from __future__ import annotations

import numpy as np

from monitor.store.embeddings import _halfvec, of_halfvec


def test_a_vector_is_read_as_it_was_stored() -> None:
    vector = np.array([1.0, -2.0, 0.1, 65504.0], np.float32)
    found = of_halfvec(_halfvec(vector))
    np.testing.assert_array_equal(found, vector.astype(np.float16))
    assert found.dtype == np.float32
    assert found.flags.writeable


def test_its_form_is_that_of_the_server() -> None:
    """Dimension, an unused number, then the halves; all big-endian (pgvector's halfvec_send)."""
    assert of_halfvec(bytes.fromhex("0002 0000 3c00 c000")).tolist() == [1.0, -2.0]
