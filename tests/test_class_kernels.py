"""The kernel that classifies packed rows against scores added component by component."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.dispatch import backend
from hdc.words import mask_tail, word_count
from tests import naive

BACKENDS = ("numpy", "numba")


def packed(rng, dim, *shape):
    return mask_tail(rng.integers(0, 2**64, (*shape, word_count(dim)), dtype=np.uint64), dim)


def question(seed, dim, rows, prototypes, planes, stages):
    """Return the arguments of ``best``; small numbers, so that scores are often equal and leads often enough."""
    rng, words = np.random.default_rng(seed), word_count(dim)
    stops = np.sort(np.append(rng.integers(0, words + 1, stages), words))
    spans = rng.integers(-3 * dim, 3 * dim, (stages, prototypes, prototypes))
    factors, biases = rng.integers(1, 4, prototypes), rng.integers(-5, 6, (stages + 1, prototypes))
    return packed(rng, dim, rows), packed(rng, dim, prototypes, planes), factors, biases, stops, spans, dim


def answer(rows, prototypes, factors, biases, stops, spans, dim):
    values = [[naive.bits(plane, dim) for plane in planes] for planes in prototypes]
    found = [naive.best_class(naive.bits(row, dim), values, factors, biases, stops, spans, dim) for row in rows]
    return np.array(found, np.int64).reshape(len(rows), 2).T


def check(arguments):
    expected = answer(*arguments)
    for name in BACKENDS:
        found = backend(name).classes.best(*arguments)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert all(array.dtype == np.int64 and array.flags.c_contiguous for array in found)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    dim=st.integers(1, 300),
    rows=st.integers(0, 5),
    prototypes=st.integers(1, 6),
    planes=st.integers(1, 4),
    stages=st.integers(0, 3),
)
def test_any_shape(seed, dim, rows, prototypes, planes, stages):
    check(question(seed, dim, rows, prototypes, planes, stages))


@pytest.mark.parametrize("dim", [64, 1000, 4096])
def test_greatest_scores(dim):
    rows, planes, _, biases, stops, spans, dim = question(3, dim, 6, 5, 4, 0)
    check((rows, planes, np.full(5, 1 << 24), biases * (1 << 40), stops, spans, dim))


def test_equal_scores_go_to_the_first():
    rows, planes, factors, biases, stops, _, dim = question(1, 130, 4, 1, 2, 1)
    same = np.repeat(planes, 3, axis=0), np.repeat(factors, 3), np.repeat(biases, 3, axis=1)
    for name in BACKENDS:
        best, read = backend(name).classes.best(rows, *same, stops, np.zeros((1, 3, 3), np.int64), dim)
        assert best.tolist() == [0] * 4
        assert read.tolist() == [stops[0]] * 4


def test_odd_memory_is_read_and_nothing_is_written():
    arguments = question(5, 200, 6, 4, 2, 2)
    expected = answer(*arguments)
    for laid_out in (
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        np.asfortranarray,
        lambda a: a.astype(a.dtype.newbyteorder(">")),
    ):
        odd = [laid_out(a) if isinstance(a, np.ndarray) else a for a in arguments]
        for name in BACKENDS:
            np.testing.assert_array_equal(backend(name).classes.best(*odd), expected)
            assert all(np.array_equal(a, b) for a, b in zip(odd, arguments, strict=True))
