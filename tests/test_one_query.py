"""Whole searches in one compiled call against the same steps by the kernels of the reference, one after the other."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.errors import ParameterError
from hdc.kernels import ESTIMATE_BITS, EstimatePart, EstimatePlan, Rotation
from tests.bridge import backend_of
from tests.test_kernels import packed

NUMPY, NUMBA = backend_of("numpy"), backend_of("numba")
COMPILED = not numba.config.DISABLE_JIT
DIMS = (1, 63, 64, 65, 384, 1000)


@dataclass(frozen=True)
class Rows:
    """One part: what its lists hold, and where its rows are."""

    signs: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Model:
    """Everything else of a plan, as plain arrays."""

    rotation: Rotation
    directions: np.ndarray
    lengths: np.ndarray
    mean: tuple
    parts: tuple
    originals: np.ndarray | None

    def plan(self, lists):
        """Return the plan for the list kernels of a backend."""
        parts = [
            EstimatePart(lists.code_lists(p.signs, p.scale, p.offset, p.starts), p.rows, p.ids) for p in self.parts
        ]
        centroids = lists.centroids(self.directions) if len(self.lengths) > 1 else None
        return EstimatePlan(self.rotation, centroids, self.lengths, self.mean, parts, self.originals)


def model_of(rng, dim, sizes, *, kept=True, ties=False, dead=0.1):
    """Draw a model, with parts of lists of so many rows, and rows all over the place."""
    lists, n = len(sizes[0]), sum(map(sum, sizes))
    signs = [rng.choice(np.int8([-1, 1]), dim) for _ in range(3)]
    rotation = Rotation(signs[0], signs[1], rng.permutation(dim), signs[2], 2)

    def floats(count, most=1.0):
        drawn = rng.integers(-1, 2, count) if ties else rng.standard_normal(count)
        return np.multiply(drawn, most).astype(np.float32)

    places, numbers = rng.permutation(n), rng.permutation(n) + 2**32 - n
    numbers = np.where(rng.random(n) < dead, -1, numbers)
    parts, done = [], 0
    for part in sizes:
        own = slice(done, done := done + sum(part))
        words = packed(rng, dim, sum(part))
        starts = np.concatenate([[0], np.cumsum(part, dtype=np.int64)])
        parts.append(Rows(words, floats(sum(part)), floats(sum(part), 0.1), starts, places[own], numbers[own]))
    originals = rng.integers(-2 if ties else -127, 3 if ties else 128, (n, dim)).astype(np.int8) if kept else None
    if kept and n:
        originals[rng.integers(n)] = 0
    directions = rng.integers(-127, 128, (lists, dim)).astype(np.int8)
    mean = rng.integers(-(2**15) + 1, 2**15, dim).astype(np.int16), float(np.float32(1e-5))
    return Model(rotation, directions, np.abs(floats(lists)) + np.float32(0.5), mean, tuple(parts), originals)


def expected(model, queries, k, probes, candidates, allowed=None):
    """Put the reference's kernels together; return scores, ids and the rows whose originals are read."""
    search, lists = NUMPY.search, NUMPY.lists
    plan, root = model.plan(lists), np.float32(math.sqrt(queries.shape[1]))
    x = search.units(queries)
    if plan.centroids is None:
        integers, unit = search.rounded(x, 32767)
        dots = integers.astype(np.int64) @ model.mean[0].astype(np.int64)
        base = (dots * (unit.astype(np.float64) * model.mean[1])).astype(np.float32)[:, None]
        near = np.zeros((len(x), 1), dtype=np.int64)
    else:
        integers, unit = search.rounded(x, 127)
        dots, near = plan.centroids.nearest(integers.astype(np.int8), min(probes, len(model.lengths)))
        base = dots.astype(np.float32) * unit[:, None] * model.lengths[near]
    r = model.rotation
    integers, unit = search.rounded(
        NUMPY.dense.hadamard(x, r.first, r.middle, r.index, r.sign, r.steps), 2 ** (ESTIMATE_BITS - 1) - 1
    )
    unit = unit / root
    total = integers.sum(axis=1, dtype=np.int64)
    factors = np.stack([2 * unit, (-unit.astype(np.float64) * total).astype(np.float32)], axis=1)
    wanted = k if model.originals is None else candidates
    scores, ids = [np.empty((len(x), 0), np.float32)], [np.empty((len(x), 0), np.int64)]
    place_of = {}
    for part in plan.parts:
        own = part.ids if allowed is None else np.where(allowed[part.rows], part.ids, -1)
        place_of |= dict(zip(own.tolist(), part.rows.tolist(), strict=True))
        found = part.lists.search(integers.astype(np.int8), factors, near, base, own, wanted)
        scores.append(found[0])
        ids.append(found[1])
    scores, ids = first_of(np.hstack(scores), np.hstack(ids), wanted)
    read = np.array([[place_of.get(i, -1) if i >= 0 else -1 for i in row] for row in ids.tolist()])
    if model.originals is None:
        return 1 - (1 - scores), ids, read[:, :0]
    asked, _ = search.rounded(x, 32767)
    dots, squares = search.gather_dots(asked, model.originals, read)
    own = (asked.astype(np.int64) ** 2).sum(axis=1, keepdims=True)
    lengths = np.sqrt(squares.astype(np.float64)) * np.sqrt(own.astype(np.float64))
    cosines = np.divide(dots, lengths, out=np.zeros(dots.shape), where=lengths > 0).astype(np.float32)
    return *first_of(np.where(ids < 0, -np.inf, 1 - (1 - cosines)).astype(np.float32), ids, k), read


def first_of(scores, ids, k):
    order = np.lexsort((np.where(ids < 0, 2**33, ids), -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)


def check(model, queries, k, probes, candidates, allowed=None):
    scores, ids, read = NUMBA.lists.estimate_search(model.plan(NUMBA.lists)).search(
        queries, k, probes, candidates, allowed
    )
    assert (scores.dtype, ids.dtype, read.dtype) == (np.float32, np.int64, np.int64)
    best, numbers, rows = expected(model, queries, k, probes, candidates, allowed)
    assert (scores + 0).view(np.int32).tolist() == (best + 0).view(np.int32).tolist()
    assert ids.tolist() == numbers.tolist()
    assert np.sort(read, axis=1).tolist() == np.sort(rows, axis=1).tolist()


def some(rng, q, dim):
    return rng.standard_normal((q, dim), dtype=np.float32) * np.float32(3)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("ties", [True, False])
def test_any_dimension(dim, kept, ties):
    rng = np.random.default_rng(dim)
    model = model_of(rng, dim, [[0, 1, 7, 8, 9, 0, 17, 30], [0, 0, 3, 0, 1, 0, 9, 1]], kept=kept, ties=ties)
    for k, candidates in ((1, 1), (5, 20), (100, 100)):
        check(model, some(rng, 3, dim), k, 6, candidates)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("sizes", [[[0]], [[1]], [[200], [30]], [[300], [0]]])
def test_one_list(sizes, kept):
    rng = np.random.default_rng(len(sizes))
    check(model_of(rng, 70, sizes, kept=kept), some(rng, 4, 70), 10, 3, 40)


@pytest.mark.parametrize("probes", [1, 2, 5, 7, 99])
def test_any_number_of_lists(probes):
    rng = np.random.default_rng(probes)
    check(model_of(rng, 65, [[20, 0, 3, 8, 50, 1, 12]]), some(rng, 4, 65), 9, probes, 15)


@pytest.mark.parametrize("sizes", [[[0, 0]], [[0, 0], [0, 0]], [[0, 0], [5, 1]]])
def test_few_rows_or_none(sizes):
    rng = np.random.default_rng(1)
    check(model_of(rng, 64, sizes, dead=0), some(rng, 2, 64), 3, 2, 4)


@pytest.mark.parametrize("candidates", [3, 60])
@pytest.mark.parametrize("dead", [0.0, 0.5, 1.0])
def test_many_more_rows_than_are_held(candidates, dead):
    rng = np.random.default_rng(candidates)
    most = 2000 if COMPILED else 300
    model = model_of(rng, 64, [[most, 1, most // 4], [3, 50, 0]], dead=dead)
    check(model, some(rng, 2, 64), 3, 3, candidates)


def test_rows_that_are_not_allowed_are_not_found():
    rng = np.random.default_rng(2)
    model = model_of(rng, 100, [[60, 40, 30], [5, 5, 0]])
    queries = some(rng, 3, 100)
    for share in (0.0, 0.3, 1.0):
        check(model, queries, 8, 2, 30, rng.random(140) < share)


def test_lists_of_equal_products_are_taken_in_order():
    rng = np.random.default_rng(3)
    model = model_of(rng, 64, [[4] * 40])
    model.directions[:] = model.directions[0]
    model.directions[7] = -model.directions[0]
    for probes in (1, 3, 39, 40):
        check(model, some(rng, 2, 64), 5, probes, 20)


def test_zero_and_extreme_queries():
    rng = np.random.default_rng(4)
    model = model_of(rng, 66, [[30, 20], [4, 4]])
    scales = np.float32([[0], [1e-44], [1e-30], [1e38]])
    check(model, np.clip(some(rng, 4, 66), -3, 3) * scales, 5, 2, 20)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_named(bad):
    rng = np.random.default_rng(5)
    search = NUMBA.lists.estimate_search(model_of(rng, 66, [[30, 20]]).plan(NUMBA.lists))
    queries = some(rng, 3, 66)
    queries[2, 65] = bad
    with pytest.raises(ParameterError, match="row 2 of queries holds NaN or infinity"):
        search.search(queries, 2, 2, 4)


def test_no_queries():
    rng = np.random.default_rng(6)
    check_shapes = NUMBA.lists.estimate_search(model_of(rng, 66, [[30, 20]]).plan(NUMBA.lists)).search(
        some(rng, 0, 66), 2, 2, 4
    )
    assert [x.shape for x in check_shapes] == [(0, 2), (0, 2), (0, 4)]


def test_many_threads_search_at_once():
    rng = np.random.default_rng(7)
    search = NUMBA.lists.estimate_search(model_of(rng, 128, [[50] * 20, [5] * 20]).plan(NUMBA.lists))
    queries = some(rng, 40, 128)
    together = search.search(queries, 5, 4, 20)

    def one(q):
        return search.search(queries[q : q + 1], 5, 4, 20)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(3 if COMPILED else 1):
            alone = list(pool.map(one, range(40)))
            for at in range(3):
                assert np.array_equal(np.concatenate([found[at] for found in alone]), together[at])


@settings(max_examples=40 if COMPILED else 3, deadline=None, derandomize=True)
@given(st.data())
def test_anything(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dim, lists = data.draw(st.integers(1, 130)), data.draw(st.integers(1, 12))
    sizes = [[data.draw(st.integers(0, 20)) for _ in range(lists)] for _ in range(data.draw(st.integers(1, 2)))]
    model = model_of(rng, dim, sizes, kept=data.draw(st.booleans()), ties=data.draw(st.booleans()))
    model = replace(model, mean=(model.mean[0], data.draw(st.sampled_from([1e-5, 1.0]))))
    k = data.draw(st.integers(1, 30))
    allowed = data.draw(st.sampled_from([None, rng.random(sum(map(sum, sizes))) < 0.5]))
    check(model, some(rng, 2, dim), k, data.draw(st.integers(1, 15)), k + data.draw(st.integers(0, 30)), allowed)
