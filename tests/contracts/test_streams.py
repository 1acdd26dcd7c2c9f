"""Every stream gives finite vectors of one length, the same for the same row, and nothing for a row that lacks them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.streams import FIELD_STREAMS, STREAMS, VECTOR_STREAMS, FieldStream, Observed, VectorStream, fingerprint

TEXTS = st.none() | st.text(max_size=300)
OBSERVED = st.builds(
    Observed,
    task=st.text(min_size=1, max_size=20),
    slices=st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=10), max_size=4),
    confidence=st.none() | st.floats(0, 1),
    prompt=TEXTS,
    answer=TEXTS,
    scores=st.lists(st.floats(-1e6, 1e6), max_size=5).map(tuple),
)
FIELDS = pytest.mark.parametrize("stream", FIELD_STREAMS.values(), ids=FIELD_STREAMS)
VECTORS = pytest.mark.parametrize("stream", VECTOR_STREAMS.values(), ids=VECTOR_STREAMS)


def test_names_are_unique_and_are_those_of_the_table() -> None:
    assert [stream.name for stream in STREAMS.values()] == list(STREAMS)
    assert len(STREAMS) == len(VECTOR_STREAMS) + len(FIELD_STREAMS)
    assert all(stream.meaning.endswith(".") for stream in STREAMS.values())
    assert len({fingerprint(stream) for stream in FIELD_STREAMS.values()}) == len(FIELD_STREAMS)


@FIELDS
@given(rows=st.lists(OBSERVED, min_size=1, max_size=8))
def test_a_field_gives_a_finite_vector_of_its_length_or_nothing(stream: FieldStream, rows: list[Observed]) -> None:
    categories = stream.learn(rows)
    for row in rows:
        vector = stream.vector(row, categories)
        if vector is not None:
            assert vector.dtype == np.float32
            assert vector.shape == (stream.dimension,)
            assert np.isfinite(vector).all()
            assert np.array_equal(vector, stream.vector(row, categories))  # type: ignore[arg-type]


@FIELDS
@given(rows=st.lists(OBSERVED, min_size=1, max_size=8))
def test_what_is_learnt_does_not_depend_on_the_order_of_rows(stream: FieldStream, rows: list[Observed]) -> None:
    assert stream.learn(rows) == stream.learn(rows[::-1])


@FIELDS
def test_a_row_without_the_field_gives_nothing(stream: FieldStream) -> None:
    bare = stream.vector(Observed("vqa", {}), ())
    assert (bare is None) is (stream.name != "metadata")


@FIELDS
def test_features_that_have_names_have_one_each(stream: FieldStream) -> None:
    assert len(stream.features) in (0, stream.dimension)


@VECTORS
def test_a_stream_of_vectors_needs_exactly_the_kinds_that_it_names(stream: VectorStream) -> None:
    given_all = {kind: np.ones(4, dtype=np.float32) for kind in stream.kinds}
    found = stream.vector(given_all)
    assert found is not None
    assert np.isfinite(found).all()
    for kind in stream.kinds:
        assert stream.vector({name: vector for name, vector in given_all.items() if name != kind}) is None
