"""Search by sign bits, held against the oracle, for rows that were removed, replaced, and chosen among."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.dispatch import backend
from hdc.search import signs
from hdc.search.engine import Engine
from hdc.search.options import FlatOptions
from hdc.search.signs import SignQueries, Signs, sign_dots
from hdc.store import Store
from hdc.words import word_count
from tests import naive

BITS = [backend(name).bits for name in ("numpy", "numba")]


def score(dots, factors):
    return (dots * factors[:, 0] + factors[:, 1]).astype(np.float32)


def made(n, dim, rng):
    components = rng.integers(0, 2, (n, dim))
    factors = rng.integers(1, 4, (n, 2)).astype(np.float32)
    store = Store.create(None, "signs", {"codes": ("uint64", word_count(dim)), "factors": ("float32", 2)})
    codes = np.array([naive.words(row) for row in components], np.uint64).reshape(n, word_count(dim))
    store.append({"codes": codes, "factors": factors}, [str(i) for i in range(n)])
    return store, components, factors


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 150), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(BITS))
def test_dot_products_with_signs(dim, seed, zero, bits):
    rng = np.random.default_rng(seed)
    components = rng.integers(0, 2, (5, dim))
    codes = np.array([naive.words(row) for row in components], np.uint64)
    query = np.zeros(dim, np.float32) if zero else rng.standard_normal(dim).astype(np.float32)
    expected = [naive.sign_dot(query.tolist(), row.tolist()) for row in components]
    np.testing.assert_allclose(sign_dots(bits, query, codes), expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 30), st.integers(0, 2**32 - 1), st.sampled_from([3, 1 << 18]))
def test_the_rows_of_greatest_scores(data, n, seed, block):
    rng = np.random.default_rng(seed)
    store, components, factors = made(n, 24, rng)
    removed = data.draw(st.sets(st.integers(0, n - 1), max_size=n - 1))
    store.remove(ids=sorted(removed))
    left = [row for row in range(n) if row not in removed]
    among = data.draw(st.none() | st.sets(st.sampled_from(left), min_size=1).map(sorted))
    k = data.draw(st.integers(1, n + 2))
    query = rng.integers(-7, 8, 24).astype(np.float32)
    scores = score(np.array([naive.sign_dot(query.tolist(), row.tolist()) for row in components], np.float32), factors)
    expected = sorted(left if among is None else among, key=lambda row: (-round(float(scores[row]), 3), row))[:k]
    engine = Engine(store, Signs(BITS[0], "factors"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signs, "BLOCK", block)
        asked = SignQueries(np.stack([query, 2 * query]), lambda dots, rows: np.round(score(dots, rows), 3))
        distances, ids = engine.begin(k, FlatOptions(), among).run(asked)
    assert ids.shape == distances.shape == (2, len(expected))
    assert ids[0].tolist() == expected
    np.testing.assert_allclose(-distances[0], scores[ids[0]], atol=1e-2)
    assert distances.dtype == np.float32


def test_no_rows():
    store, *_ = made(1, 24, np.random.default_rng(0))
    store.remove(ids=[0])
    distances, ids = (
        Engine(store, Signs(BITS[0], "factors"))
        .begin(5, FlatOptions())
        .run(SignQueries(np.ones((2, 24), np.float32), score))
    )
    assert distances.shape == ids.shape == (2, 0)
