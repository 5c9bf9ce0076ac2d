"""The kernel of rows of small numbers that stand for levels against its oracle, and its operations against theirs."""

import importlib

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.backends.numba_kernels import level_lanes, simd
from hdc.kernels import LevelRun
from tests import naive
from tests.bridge import backend_of
from tests.models import NUMPY_BACKENDS

KERNELS = {name: backend_of(name).tables for name in NUMPY_BACKENDS}
COMPILED = not numba.config.DISABLE_JIT
FORMS = (
    [(1, 1)],
    [(1, 2)],
    [(1, 4)],
    [(1, 8)],
    [(8, 8), (6, 4), (3, 2), (2, 1)],
    [(1, 8), (1, 8), (1, 4), (5, 4), (1, 2), (1, 1)],
    [(7, 1), (2, 8)],
)
"""Words and bits of the runs of a row."""


@pytest.fixture(params=NUMPY_BACKENDS)
def kernels(request):
    return KERNELS[request.param]


@pytest.fixture(params=[1, 2])
def threads(request, monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")
    monkeypatch.setattr(parallel, "GRAIN", 1e-9)
    monkeypatch.setattr(parallel, "_limit", request.param)


def case_of(rng, form, n, queries, ties=False, like=0.0):
    """Draw rows, a tenth of them not to be found, and queries; a share of these are near to a row."""
    runs = [LevelRun(words, bits, np.sort(rng.integers(0, 256, 2**bits)).astype(np.uint8)) for words, bits in form]
    numbers = sum(words * 64 // bits for words, bits in form)
    rows = rng.integers(0, 2**64, (n, sum(words for words, _ in form)), dtype=np.uint64)
    if ties:
        rows &= np.uint64(0x8000000180000001)

    def floats(*shape):
        return rng.integers(-2, 3, shape).astype(np.float32) if ties else rng.standard_normal(shape, dtype=np.float32)

    asked = rng.integers(-128, 128, (queries, numbers)).astype(np.int8)
    scale, offset, factors = floats(n), floats(n), floats(queries, 2)
    if like:
        levels = np.array([naive.level_row(row, runs) for row in rows.tolist()]).reshape(n, numbers)
        chosen = rng.integers(0, max(1, n), queries)
        near = (levels[chosen] - 128) * rng.uniform(0.5, 1, (queries, 1)) if n else asked
        asked[rng.random(queries) < like] = np.clip(near, -127, 127).astype(np.int8)[rng.random(queries) < like][:1]
        scale, factors = np.abs(scale), np.abs(factors)
    raises = rng.integers(0, 3, (queries, len(form))).astype(np.uint8)
    ids = np.where(rng.random(n) < 0.1, -1, rng.permutation(n) + 2**32 - n)
    return (rows, runs, scale, offset), (asked, raises, factors, ids)


def check(kernels, held, asked, k):
    rows, runs, scale, offset = held
    queries, raises, factors, ids = asked
    index = kernels.level_rows(*held)
    assert len(index) == len(rows)
    scores, found = index.search(*asked, k)
    for result, dtype in ((scores, np.float32), (found, np.int64)):
        assert (result.dtype, result.shape) == (dtype, (len(queries), k))
        assert result.flags.c_contiguous
    levels = [naive.level_row(row, runs) for row in rows.tolist()]
    sizes = [words * 64 // bits for words, bits, _ in runs]
    for q, query in enumerate(queries.tolist()):
        sums = naive.level_sums(query, raises[q].tolist(), sizes, levels)
        best = naive.level_rows(sums, factors[q], scale, offset, ids, k)
        assert scores[q].view(np.int32).tolist() == np.float32(best[0]).view(np.int32).tolist()
        assert found[q].tolist() == best[1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ties", [False, True])
def test_rows_of_any_form(kernels, form, ties):
    held, asked = case_of(np.random.default_rng(len(form)), form, 37, 5, ties)
    for k in (1, 10, 100):
        check(kernels, held, asked, k)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 200])
@pytest.mark.parametrize("queries", [0, 1, 3, 4, 5, 8])
def test_any_number_of_rows_and_queries(kernels, n, queries):
    check(kernels, *case_of(np.random.default_rng(n), [(1, 8), (1, 4)], n, queries), 6)


def test_read_only_arrays_of_any_layout(kernels):
    (rows, runs, scale, offset), asked = case_of(np.random.default_rng(0), [(2, 4), (1, 2)], 40, 6)
    expected = kernels.level_rows(rows, runs, scale, offset).search(*asked, 5)
    held = np.asfortranarray(rows).astype(">u8"), runs, np.repeat(scale, 2)[::2], offset.astype(">f4")
    others = [np.repeat(x, 2, axis=0)[::2] for x in asked]
    for array in (*held[:1], *held[2:], *others):
        array.flags.writeable = False
    for one, other in zip(kernels.level_rows(*held).search(*others, 5), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("like", [0.3, 1.0])
def test_many_rows_near_and_far(kernels, threads, like):
    rng = np.random.default_rng(3)
    held, asked = case_of(rng, [(6, 8), (6, 4), (2, 2), (1, 1)], 900 if COMPILED else 100, 9, like=like)
    check(kernels, held, asked, 7)


@settings(max_examples=40 if COMPILED else 3, deadline=None)
@given(st.data())
def test_rows_of_anything(data):
    form = data.draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([1, 2, 4, 8])), min_size=1, max_size=5))
    n, queries, k = data.draw(st.integers(0, 90)), data.draw(st.integers(0, 9)), data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    held, asked = case_of(rng, form, n, queries, data.draw(st.booleans()), data.draw(st.sampled_from([0.0, 0.5])))
    for kernels in KERNELS.values():
        check(kernels, held, asked, k)


def test_every_operation_means_what_its_plain_twin_says():
    @numba.njit
    def all_operations(words, table, places, out):
        a, b = simd.load(words, 0), simd.load(words, 8)
        simd.store(out, 0, level_lanes.moved_down(a, places))
        simd.store(out, 8, level_lanes.raised_halves(a, places))
        simd.store(out, 16, level_lanes.joined_halves(a))
        simd.store(out, 24, level_lanes.added_halves(a, b))
        entries = level_lanes.table_at(simd.pointer(table), 3)
        simd.store(out, 32, entries)
        simd.store(out, 40, level_lanes.looked_up(entries, a & simd.splat(0x0F0F0F0F0F0F0F0F)))

    rng = np.random.default_rng(0)
    words, table = rng.integers(0, 2**64, 16, dtype=np.uint64), rng.integers(0, 256, 19).astype(np.uint8)
    a, b = words.reshape(2, 8)
    entries = level_lanes._plain_table_at(table, 3)
    for places in (0, 1, 7, 31):
        out = np.zeros(48, dtype=np.uint64)
        all_operations(words, table, places, out)
        expected = [
            level_lanes._plain_moved_down(a, places),
            level_lanes._plain_raised_halves(a, places),
            level_lanes._plain_joined_halves(a),
            level_lanes._plain_added_halves(a, b),
            entries,
            level_lanes._plain_looked_up(entries, a & np.uint64(0x0F0F0F0F0F0F0F0F)),
        ]
        np.testing.assert_array_equal(out.reshape(6, 8), expected)
