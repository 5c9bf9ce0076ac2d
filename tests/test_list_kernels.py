"""The kernels of inverted files of float vectors against their oracles: nearest lists, and estimates in them."""

import importlib

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.kernels import ESTIMATE_BITS
from hdc.words import mask_tail, word_count
from tests import naive
from tests.bridge import backend_of
from tests.models import NUMPY_BACKENDS
from tests.test_kernels import LAYOUTS, finish, packed, python

KERNELS = {name: backend_of(name).lists for name in NUMPY_BACKENDS}
COMPILED = not numba.config.DISABLE_JIT
WIDTHS = (1, 3, 4, 5, 64, 384)
DIMS = (1, 63, 64, 65, 384, 1000)
MANY = 3000 if COMPILED else 700  # plain Python is slow


@pytest.fixture(params=NUMPY_BACKENDS)
def kernels(request):
    return KERNELS[request.param]


@pytest.fixture(params=[1, 2])
def threads(request, monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")
    monkeypatch.setattr(parallel, "GRAIN", 1e-9)
    monkeypatch.setattr(parallel, "_limit", request.param)


def some_bytes(rng, *shape, most=128):
    return rng.integers(-most, most, shape).astype(np.int8)


def check_nearest(kernels, centroids, queries, p):
    dots, lists = kernels.centroids(centroids).nearest(queries, p)
    for result, dtype in ((dots, np.int32), (lists, np.int64)):
        assert (result.dtype, result.shape) == (dtype, (len(queries), p))
        assert result.flags.c_contiguous
    for query, row, chosen in zip(queries, dots, lists, strict=True):
        assert (row.tolist(), chosen.tolist()) == naive.nearest(query, centroids, p)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
def test_nearest_of_any_width(kernels, width, n):
    rng = np.random.default_rng(width)
    centroids, queries = some_bytes(rng, n, width), some_bytes(rng, 3, width)
    for p in sorted({1, 2, n // 2, n} - {0} & set(range(n + 1))):
        check_nearest(kernels, centroids, queries, p)


@pytest.mark.parametrize("queries", [0, 1, 7, 8, 9, 17])
@pytest.mark.parametrize("p", [1, 5])
def test_nearest_of_any_number_of_queries(kernels, queries, p):
    rng = np.random.default_rng(queries)
    check_nearest(kernels, some_bytes(rng, 40, 6), some_bytes(rng, queries, 6), p)


@pytest.mark.parametrize("p", [1, 2, 30, 340, MANY])
@pytest.mark.parametrize("most", [1, 128])
def test_nearest_of_many_with_ties(kernels, p, most):
    rng = np.random.default_rng(p)
    check_nearest(kernels, some_bytes(rng, MANY, 5, most=most), some_bytes(rng, 2, 5), p)


@pytest.mark.parametrize("width", [5, 2**16])
def test_nearest_of_extreme_bytes(kernels, width):
    extremes = np.array([[-128], [127], [0], [-128], [127]], dtype=np.int8).repeat(width, axis=1)
    for p in (1, 5):
        check_nearest(kernels, extremes, extremes[:3], p)


@settings(max_examples=30 if COMPILED else 3, deadline=None, derandomize=True)
@given(st.data())
def test_nearest_of_anything(data):
    n, width, queries = (data.draw(st.integers(1, most)) for most in (200, 40, 20))
    p, most = data.draw(st.integers(1, n)), data.draw(st.sampled_from([1, 3, 128]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    centroids, asked = some_bytes(rng, n, width, most=most), some_bytes(rng, queries, width, most=most)
    for kernels in KERNELS.values():
        check_nearest(kernels, centroids, asked, p)


def case_of(rng, dim, sizes, queries, p, ties=False):
    """Draw lists of so many rows, a tenth of them not to be found, and what is asked of p lists for each query."""
    n, most = sum(sizes), 2 ** (ESTIMATE_BITS - 1)

    def floats(*shape):
        return rng.integers(-2, 3, shape).astype(np.float32) if ties else rng.standard_normal(shape, dtype=np.float32)

    signs = packed(rng, dim, n)
    lists = rng.permuted(np.tile(np.arange(len(sizes)), (queries, 1)), axis=1)[:, :p]
    ids = np.where(rng.random(n) < 0.1, -1, rng.permutation(n) + 2**32 - n)
    return (
        (signs, floats(n), floats(n), np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])),
        (some_bytes(rng, queries, dim, most=most), floats(queries, 2), lists, floats(*lists.shape), ids),
    )


def search(kernels, held, asked, k):
    """Search, and look at the form of the result: scores are compared as bits, so that -0.0 is not 0.0."""
    lists = kernels.code_lists(*held)
    assert len(lists) == len(held[0])
    scores, ids = lists.search(*asked, k)
    for result, dtype in ((scores, np.float32), (ids, np.int64)):
        assert (result.dtype, result.shape) == (dtype, (len(asked[0]), k))
        assert result.flags.c_contiguous
    return scores.view(np.int32).tolist(), ids.tolist()


def expected(held, asked, k):
    signs, scale, offset, starts = held
    queries, factors, lists, base, ids = asked
    rows = [naive.bits(row, queries.shape[1]) for row in signs]
    found = [
        naive.code_lists(queries[q].tolist(), factors[q], rows, scale, offset, starts, lists[q], base[q], ids, k)
        for q in range(len(queries))
    ]
    return [np.float32(scores).view(np.int32).tolist() for scores, _ in found], [ids for _, ids in found]


def check_estimates(kernels, held, asked, k):
    assert search(kernels, held, asked, k) == expected(held, asked, k)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("ties", [False, True])
def test_estimates_of_any_dimension(kernels, dim, ties):
    held, asked = case_of(np.random.default_rng(dim), dim, [0, 1, 7, 8, 9, 0, 17, 30], 5, 6, ties)
    for k in (1, 10, 100):
        check_estimates(kernels, held, asked, k)


@pytest.mark.parametrize("p", range(8))
def test_estimates_in_any_number_of_lists(kernels, p):
    held, asked = case_of(np.random.default_rng(p), 70, [20, 0, 3, 8, 50, 1, 12], 4, p)
    check_estimates(kernels, held, asked, 15)


@pytest.mark.parametrize("queries", [0, 1, 2, 9])
@pytest.mark.parametrize("sizes", [[], [0], [0, 0, 0], [25, 0, 40]])
def test_estimates_of_few_queries_or_no_rows(kernels, queries, sizes):
    held, asked = case_of(np.random.default_rng(queries), 65, sizes, queries, 2)
    check_estimates(kernels, held, asked, 3)


@pytest.mark.parametrize(("dim", "rows"), [(1, 2100), (64, 2049), (1000, 300)])
def test_estimates_in_lists_longer_than_a_tile(kernels, dim, rows):
    held, asked = case_of(np.random.default_rng(dim), dim, [5, rows, 40], 3, 3)
    held[2][4 + rows] = 1e6  # the last row of the long list is the best of all
    asked[4][4 + rows] = 7
    assert rows * word_count(dim) > importlib.import_module("hdc.backends.numba_kernels.estimates").TILE_WORDS
    assert [ids[0] for ids in search(kernels, held, asked, 12)[1]] == [7] * 3
    check_estimates(kernels, held, asked, 12)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["random", "worst first", "all equal"])
@pytest.mark.parametrize("k", [1, 3, 60])
def test_estimates_of_many_more_rows_than_are_held(kernels, order, k):
    (signs, scale, offset, starts), asked = case_of(np.random.default_rng(k), 64, [MANY, 1, 500], 3, 3)
    if order == "worst first":
        offset = np.arange(len(offset), dtype=np.float32) * 100
    if order == "all equal":
        signs[:], scale[:], offset[:], asked[3][:] = signs[0], scale[0], offset[0], asked[3][0, 0]
    check_estimates(kernels, (signs, scale, offset, starts), asked, k)


def test_no_row_is_found_where_all_are_negative(kernels):
    held, (*asked, ids) = case_of(np.random.default_rng(0), 64, [400, 30], 3, 2)
    check_estimates(kernels, held, (*asked, -1 - abs(ids)), 2)


def test_minus_zero_is_zero(kernels):
    held, asked = case_of(np.random.default_rng(1), 64, [40], 2, 1)
    zeros = tuple(np.zeros_like(x) for x in (held[1], asked[1], asked[3]))
    scale = np.where(np.arange(40) % 3 == 0, np.float32(-1), np.float32(1))
    held, asked = (held[0], scale, -zeros[0], held[3]), (asked[0], zeros[1], asked[2], -zeros[2], asked[4])
    scores, ids = search(kernels, held, asked, 5)
    assert scores == [[0] * 5] * 2
    assert ids == [sorted(i for i in asked[4].tolist() if i >= 0)[:5]] * 2


@pytest.mark.parametrize("value", [-(2 ** (ESTIMATE_BITS - 1)), 2 ** (ESTIMATE_BITS - 1) - 1])
def test_estimates_of_extreme_integers(kernels, value):
    (signs, *held), (queries, *asked) = case_of(np.random.default_rng(2), 1000, [20, 9], 3, 2)
    signs[::2] = mask_tail(~np.zeros_like(signs[::2]), 1000)
    queries[:2] = value
    check_estimates(kernels, (signs, *held), (queries, *asked), 30)


@settings(max_examples=30 if COMPILED else 3, deadline=None, derandomize=True)
@given(st.data())
def test_estimates_of_anything(data):
    sizes = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=6))
    dim, queries, k = (data.draw(st.integers(1, most)) for most in (200, 9, 80))
    p, ties = data.draw(st.integers(0, len(sizes))), data.draw(st.booleans())
    held, asked = case_of(np.random.default_rng(data.draw(st.integers(0, 99))), dim, sizes, queries, p, ties)
    for kernels in KERNELS.values():
        check_estimates(kernels, held, asked, k)


@pytest.mark.usefixtures("threads")
def test_threads_change_nothing():
    rng = np.random.default_rng(3)
    check_nearest(KERNELS["numba"], some_bytes(rng, 50, 20), some_bytes(rng, 21, 20), 4)
    check_estimates(KERNELS["numba"], *case_of(rng, 130, [30, 0, 200, 9, 60, 33], 21, 5), 7)


@pytest.mark.parametrize("bytes_at_once", [1, 2000, 100_000])
def test_blocks_of_the_reference_change_nothing(bytes_at_once, monkeypatch):
    monkeypatch.setattr("hdc.backends.numpy_blocks.BLOCK_BYTES", bytes_at_once)
    rng = np.random.default_rng(4)
    check_nearest(KERNELS["numpy"], some_bytes(rng, 50, 20, most=3), some_bytes(rng, 21, 20, most=3), 4)
    check_estimates(KERNELS["numpy"], *case_of(rng, 130, [30, 0, 50, 9], 5, 3, ties=True), 7)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_the_input_does_not_matter(kernels, layout):
    rng = np.random.default_rng(5)
    held, asked = case_of(rng, 130, [30, 0, 50, 9], 5, 3)
    plain = (*held, *asked, some_bytes(rng, 50, 21), some_bytes(rng, 4, 21))
    odd = tuple(map(LAYOUTS[layout], plain))
    before = [x.tobytes() for x in odd]
    assert search(kernels, odd[:4], odd[4:9], 6) == expected(held, asked, 6)
    check_nearest(kernels, *odd[9:], 3)
    assert [x.tobytes() for x in odd] == before


def test_what_is_held_outlives_what_was_given(kernels):
    rng = np.random.default_rng(6)
    held, asked = case_of(rng, 70, [30, 8], 3, 2)
    centroids, queries = some_bytes(rng, 20, 8), some_bytes(rng, 2, 8)
    best, lists, vectors = expected(held, asked, 5), kernels.code_lists(*held), kernels.centroids(centroids)
    dots = vectors.nearest(queries, 3)[0]
    for given_away in (*held, centroids):
        given_away[:] = 0
    assert lists.search(*asked, 5)[1].tolist() == best[1]
    assert vectors.nearest(queries, 3)[0].tolist() == dots.tolist()


DOTS = """
import numpy as np
from hdc.backends.numba_backend import BACKEND
rng = np.random.default_rng(7)
centroids, queries = (rng.integers(-128, 128, (n, 21)).astype(np.int8) for n in (40, 9))
print([x.tolist() for x in BACKEND.lists.centroids(centroids).nearest(queries, 3)])
"""


@pytest.mark.slow
@pytest.mark.skipif(not COMPILED, reason="nothing is compiled with the JIT off")
def test_a_processor_without_the_instruction_for_bytes_gives_the_same(tmp_path):
    printed = finish(python(DOTS, NUMBA_CPU_NAME="generic", NUMBA_CACHE_DIR=str(tmp_path)))
    rng = np.random.default_rng(7)
    centroids, queries = (some_bytes(rng, n, 21) for n in (40, 9))
    assert printed == str([x.tolist() for x in KERNELS["numba"].centroids(centroids).nearest(queries, 3)])
