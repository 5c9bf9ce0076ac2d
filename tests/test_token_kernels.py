"""The kernels that compare sets of rows: every shape against plain Python, threads, memory layouts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.dispatch import backend
from hdc.words import mask_tail, word_count
from tests import naive

BACKENDS = ("numpy", "numba")


def packed(rng, dim, n):
    return mask_tail(rng.integers(0, 2**64, (n, word_count(dim)), dtype=np.uint64), dim)


def shapes(rng, queries, rows, documents, items):
    """Return bounds of queries and spans of documents, with items between the documents that are of none."""
    bounds = np.concatenate([[0], np.cumsum(rng.integers(1, rows + 1, queries))])
    lengths, gaps = rng.integers(1, items + 1, documents), rng.integers(0, 3, documents)
    stops = np.cumsum(lengths + gaps)
    return bounds, np.stack([stops - lengths, stops], axis=1)[rng.permutation(documents)]


def chosen_of(rng, queries, documents, some):
    return rng.integers(0, documents, (queries, 3)) if some and documents else None


def answers(compare, bounds, spans, chosen):
    """Compare each query, the slice of its rows, with its documents."""
    numbers = [range(len(spans))] * (len(bounds) - 1) if chosen is None else chosen
    return [[compare(slice(bounds[q], bounds[q + 1]), slice(*spans[j])) for j in own] for q, own in enumerate(numbers)]


def check_chamfer(queries, weights, bounds, items, spans, chosen):
    def compare(own, document):
        return naive.chamfer(queries[own], items[document], weights[own])

    expected = answers(compare, bounds, spans, chosen)
    for name in BACKENDS:
        found = backend(name).tokens.chamfer(queries, weights, bounds, items, spans, chosen)
        np.testing.assert_array_equal(found, np.array(expected).reshape(found.shape), err_msg=name)
        assert found.dtype == np.int64
        assert found.flags.c_contiguous


def check_max_sim(tables, weights, bounds, codes, scale, offset, spans, chosen):
    def compare(own, document):
        return naive.max_sim(tables[own], weights[own], codes[document], scale[document], offset[document])

    expected = answers(compare, bounds, spans, chosen)
    for name in BACKENDS:
        found = backend(name).tokens.max_sim(tables, weights, bounds, codes, scale, offset, spans, chosen)
        np.testing.assert_array_equal(found, np.array(expected).reshape(found.shape), err_msg=name)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous


SHAPES = {
    "seed": st.integers(0, 999),
    "queries": st.integers(0, 4),
    "rows": st.sampled_from([1, 7, 8, 9, 17, 33]),
    "documents": st.integers(0, 5),
    "items": st.integers(1, 6),
    "some": st.booleans(),
}


@settings(max_examples=40, deadline=None)
@given(dim=st.sampled_from([1, 63, 64, 65, 200, 1000]), **SHAPES)
def test_chamfer_of_any_shape(dim, seed, queries, rows, documents, items, some):
    rng = np.random.default_rng(seed)
    bounds, spans = shapes(rng, queries, rows, documents, items)
    n = int(spans.max(initial=0))
    weights = rng.integers(-(2**40), 2**40, bounds[-1])
    check_chamfer(
        packed(rng, dim, bounds[-1]),
        weights,
        bounds,
        packed(rng, dim, n),
        spans,
        chosen_of(rng, queries, documents, some),
    )


@settings(max_examples=40, deadline=None)
@given(groups=st.integers(1, 5), **SHAPES)
def test_max_sim_of_any_shape(groups, seed, queries, rows, documents, items, some):
    rng = np.random.default_rng(seed)
    bounds, spans = shapes(rng, queries, rows, documents, items)
    n = int(spans.max(initial=0))
    tables = rng.standard_normal((bounds[-1], groups, 256)).astype(np.float32)
    scale, offset = rng.standard_normal((2, n)).astype(np.float32)
    codes = rng.integers(0, 256, (n, groups), dtype=np.uint8)
    weights = rng.standard_normal(bounds[-1]).astype(np.float32)
    check_max_sim(tables, weights, bounds, codes, scale, offset, spans, chosen_of(rng, queries, documents, some))


def test_equal_and_opposite_rows():
    ones = np.full((3, 2), 2**64 - 1, dtype=np.uint64)
    bounds, spans = np.array([0, 3]), np.array([[0, 1], [1, 2], [0, 2]])
    for name in BACKENDS:
        found = backend(name).tokens.chamfer(
            ones, np.ones(3, np.int64), bounds, np.stack([ones[0], ~ones[0]]), spans, None
        )
        assert found.tolist() == [[0, 384, 0]]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("some", [False, True])
def test_threads_change_nothing(name, some):
    rng = np.random.default_rng(1)
    kernels = backend(name)
    bounds, spans = shapes(rng, 6, 40, 400, 9)
    chosen = rng.integers(0, 400, (6, 300)) if some else None
    queries, items = packed(rng, 1000, bounds[-1]), packed(rng, 1000, int(spans.max()))
    codes = np.ascontiguousarray(items[:, :3]).view(np.uint8)
    tables = rng.standard_normal((bounds[-1], 24, 256)).astype(np.float32)
    one, weights = np.ones(len(codes), np.float32), rng.integers(0, 99, len(queries))
    before = kernels.threads(None)
    found = []
    try:
        for threads in (1, 5):
            kernels.threads(threads)
            found.append(kernels.tokens.chamfer(queries, weights, bounds, items, spans, chosen))
            found.append(kernels.tokens.max_sim(tables, weights, bounds, codes, one, one, spans, chosen))
    finally:
        kernels.threads(before)
    assert np.array_equal(found[0], found[2])
    assert np.array_equal(found[1], found[3])
