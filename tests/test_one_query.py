"""Whole searches among estimates: in one compiled call, by the reference, and by an oracle."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.backends.numba_kernels import one_query
from hdc.errors import ParameterError
from hdc.kernels import PLANE_QUERY, AskedOfLists, Compared, EstimatePart, EstimatePlan, Rotation, WholeCodes
from hdc.words import word_count
from tests import naive
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
    whole: WholeCodes | None = None
    own_lengths: np.ndarray | None = None
    by_distance: bool = False

    def plan(self, lists):
        """Return the plan for the list kernels of a backend."""
        parts = [
            EstimatePart(lists.code_lists(p.signs, p.scale, p.offset, p.starts), p.rows, p.ids) for p in self.parts
        ]
        centroids = lists.centroids(self.directions) if len(self.lengths) > 1 else None
        ends = self.originals, self.whole, self.own_lengths, self.by_distance
        return EstimatePlan(self.rotation, centroids, self.lengths, self.mean, parts, *ends)


def model_of(rng, dim, sizes, *, kept=True, ties=False, dead=0.1, levels=0):
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
    whole = None
    if levels:
        planes = [packed(rng, dim, n) for _ in range(levels)]
        factors = np.stack([floats(n), floats(n, 0.1)], axis=1).view("<u8").astype(np.uint64)
        cells = rng.integers(0, lists, (n, int(lists > 1))).astype(np.uint64)
        unread = rng.integers(0, 2**64, (n, 1), dtype=np.uint64)
        whole = WholeCodes(np.hstack([*planes, unread, factors, cells]), levels, directions)
    lengths = np.abs(floats(lists)) + np.float32(0.5)
    return Model(rotation, directions, lengths, mean, tuple(parts), originals, whole)


def check(model, queries, k, probes, candidates, allowed=None, compared=None):
    """Compare compiled searches with the reference's, scores as bits; return what was found."""
    results = []
    for lists in (NUMBA.lists, NUMPY.lists):
        count = len(queries.lists if isinstance(queries, AskedOfLists) else queries)
        read = None if model.originals is None else np.empty((count, candidates), np.int64)
        search = lists.estimate_search(model.plan(lists)).search
        scores, ids = search(queries, k, probes, candidates, allowed, read, compared)
        assert (scores.dtype, ids.dtype, scores.shape, ids.shape) == (np.float32, np.int64, *[(count, k)] * 2)
        results.append(((scores + 0).view(np.int32).tolist(), ids.tolist(), read is None or np.sort(read).tolist()))
    assert results[0] == results[1]
    return scores, ids


def oracle(model, query, k, probes, candidates, compared=None):
    """Search as the contract says, for one query, on Python integers but for the rotation."""
    x, r, root = naive.unit(query), model.rotation, np.float32(math.sqrt(len(query)))
    if len(model.lengths) == 1:
        integers, unit = naive.rounded(x, 32767)
        dot = sum(a * int(b) for a, b in zip(integers, model.mean[0], strict=True))
        lists, base = [0], [np.float32(dot * (float(unit) * model.mean[1]))]
    else:
        integers, unit = naive.rounded(x, 127)
        dots, lists = naive.nearest(np.array(integers), model.directions, min(probes, len(model.lengths)))
        base = [np.float32(dot) * unit * model.lengths[i] for dot, i in zip(dots, lists, strict=True)]
    rotated = NUMPY.dense.hadamard(np.array([x]), r.first, r.middle, r.index, r.sign, r.steps)[0]
    integers, unit = naive.rounded(rotated, 7)
    unit /= root
    factors = 2 * unit, np.float32(-float(unit) * sum(integers))
    pairs, rows = [], {}
    for part in model.parts:
        bits = [naive.bits(words, len(query)) for words in part.signs]
        found = naive.code_lists(
            integers, factors, bits, part.scale, part.offset, part.starts, lists, base, part.ids, candidates
        )
        pairs += [(-score, i) for score, i in zip(*found, strict=True) if i >= 0]
        rows |= dict(zip(part.ids.tolist(), part.rows.tolist(), strict=True))
    if model.whole is not None:
        asked = rotated, x, [rows[i] for _, i in sorted(pairs)[:candidates]], base[0]
        scores = zip(whole_scores(model, *asked), (i for _, i in sorted(pairs)[:candidates]), strict=True)
        return [(i, 1 - (1 - score)) for score, i in sorted(scores, key=lambda pair: (-pair[0], pair[1]))[:k]]
    if model.originals is None:
        return [(i, 1 - (1 + np.float32(minus))) for minus, i in sorted(pairs)[:k]]
    integers, _ = naive.rounded(x if compared is None else compared[0], 32767)
    own = sum(v * v for v in integers)
    distances = []
    for _, i in sorted(pairs)[:candidates]:
        (dot,), (square,) = naive.gather_dots(integers, model.originals, [rows[i]])
        length = math.sqrt(square) * math.sqrt(own)
        distances.append((1 - np.float32(dot / length if length else 0), i))
        if compared is not None:
            far, square = float(model.own_lengths[rows[i]]), float(compared[1])
            product = float(1 - distances[-1][0]) * far * math.sqrt(square)
            distances[-1] = (-np.float32(2 * product - far * far - square if model.by_distance else product), i)
    if compared is not None:
        return [(i, -distance) for distance, i in sorted(distances)[:k]]
    return [(i, 1 - distance) for distance, i in sorted(distances)[:k]]


def whole_scores(model, rotated, x, rows, base):
    """Return the estimates of all planes of the codes in some rows, on Python integers and one float32 at a time."""
    words, levels = word_count(len(x)), model.whole.levels
    integers, unit = naive.rounded(rotated, PLANE_QUERY)
    exact, unit_exact = naive.rounded(x, 32767)
    scores = []
    for row in rows:
        code = model.whole.codes[row]
        planes = [naive.bits(code[i * words : (i + 1) * words], len(x)) for i in range(levels)]
        (dot,) = naive.gather_planes(integers, [planes], [0])
        scale, offset = code[levels * words + 1 : levels * words + 2].view("<f4")
        if len(model.lengths) > 1:
            cell = int(code[-1])
            product = sum(a * int(b) for a, b in zip(exact, model.directions[cell], strict=True))
            base = np.float32(product) * unit_exact * model.lengths[cell]
        scores.append(((np.float32(dot) * unit * scale + offset) + base) + np.float32(0))
    return scores


@pytest.mark.parametrize("dim", [1, 5, 64, 70])
@pytest.mark.parametrize("sizes", [[[9, 0, 20, 3]], [[9, 0, 5, 3], [0, 2, 2, 0]], [[25], [3]]])
@pytest.mark.parametrize("levels", [2, 5, 9])
def test_all_planes_do_what_the_contract_says(dim, sizes, levels):
    rng = np.random.default_rng(dim)
    model, queries = model_of(rng, dim, sizes, kept=False, levels=levels), some(rng, 3, dim)
    scores, ids = check(model, queries, 4, 2, 8)
    for query, best, found in zip(queries, scores.tolist(), ids.tolist(), strict=True):
        expected = oracle(model, query, 4, 2, 8)
        assert [(i, score) for score, i in zip(best, found, strict=True) if i >= 0] == expected


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 2, 63, 64, 65, 130, 1000]), st.integers(1, 9), st.booleans(), st.integers(0, 2**32))
def test_all_planes_of_any_dimension(dim, levels, ties, seed):
    rng = np.random.default_rng(seed)
    sizes = [[0, 1, 8, 30], [3, 0, 0, 2]] if seed % 2 else [[31], [0]]
    model = model_of(rng, dim, sizes, kept=False, ties=ties, levels=levels)
    for k, candidates in ((1, 1), (3, 20), (100, 100)):
        check(model, some(rng, 2, dim), k, 3, candidates, rng.random(sum(map(sum, sizes))) < 0.8 if seed % 3 else None)


@pytest.mark.parametrize("dim", [1, 5, 64, 70])
@pytest.mark.parametrize("sizes", [[[9, 0, 20, 3]], [[9, 0, 5, 3], [0, 2, 2, 0]], [[25], [3]]])
@pytest.mark.parametrize("kept", [True, False])
def test_the_reference_does_what_the_contract_says(dim, sizes, kept):
    rng = np.random.default_rng(dim)
    model, queries = model_of(rng, dim, sizes, kept=kept), some(rng, 3, dim)
    scores, ids = check(model, queries, 4, 2, 8)
    for query, best, found in zip(queries, scores.tolist(), ids.tolist(), strict=True):
        expected = oracle(model, query, 4, 2, 8 if kept else 4)
        assert [(i, score) for score, i in zip(best, found, strict=True) if i >= 0] == expected


def measured(rng, dim, sizes, **options):
    """Return a model with lengths of originals, and what queries are compared with."""
    model, by_distance = model_of(rng, dim, sizes, **options), bool(rng.integers(2))
    lengths = np.abs(rng.standard_normal(len(model.originals))).astype(np.float32)
    return replace(model, own_lengths=lengths, by_distance=by_distance)


def compared(queries):
    return Compared(queries, np.einsum("qd,qd->q", queries, queries, dtype=np.float64))


@pytest.mark.parametrize("sizes", [[[9, 0, 20, 3]], [[9, 0, 5, 3], [0, 2, 2, 0]], [[25], [3]]])
@pytest.mark.parametrize("dim", [1, 5, 64, 70])
def test_originals_with_lengths_are_put_in_order_as_the_contract_says(dim, sizes):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        model, queries, asked = measured(rng, dim, sizes), some(rng, 3, dim), compared(some(rng, 3, dim))
        scores, ids = check(model, queries, 4, 2, 8, compared=asked)
        for q in range(3):
            expected = oracle(model, queries[q], 4, 2, 8, (asked.queries[q], asked.squares[q]))
            assert [
                (i, score) for score, i in zip(scores[q].tolist(), ids[q].tolist(), strict=True) if i >= 0
            ] == expected


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("dim", DIMS)
def test_queries_that_were_asked_elsewhere_are_taken_as_they_are(dim, kept):
    rng = np.random.default_rng(dim)
    model = measured(rng, dim, [[5, 0, 17, 30], [0, 3, 9, 1]], ties=True)
    model = model if kept else replace(model, originals=None, own_lengths=None)
    integers = rng.integers(-7, 8, (3, dim)).astype(np.int8)
    lists = np.stack([rng.permutation(4)[:2] for _ in range(3)])
    factors, base = (rng.standard_normal((3, 2)).astype(np.float32) for _ in range(2))
    asked = AskedOfLists(integers, factors, lists, base)
    own = compared(some(rng, 3, dim)) if kept else None
    for k, candidates in ((1, 1), (5, 20), (100, 100)):
        check(model, asked, k, 1, candidates, rng.random(65) < 0.8 if dim % 2 else None, own)


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


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled with the JIT off")
def test_memory_of_any_kind_is_searched_by_one_compiled_form():
    rng = np.random.default_rng(4)
    model, queries = model_of(rng, 64, [[20, 30]]), some(rng, 3, 64)
    search = NUMBA.lists.estimate_search(model.plan(NUMBA.lists)).search
    expected = search(queries, 3, 2, 9)
    fixed, mask = queries.copy(), np.ones(50, bool)
    fixed.flags.writeable = mask.flags.writeable = False
    apart, swapped = np.repeat(queries, 2, axis=0)[::2], queries.astype(">f4")
    every = (search(fixed, 3, 2, 9, mask), search(apart, 3, 2, 9, mask.copy()), search(swapped, 3, 2, 9))
    for found in (*every, search(queries, 3, 2, 9, np.ones(100, bool)[::2])):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert len(one_query._search.signatures) == 1


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
    with pytest.raises(ParameterError, match="row 2 of queries contains NaN or infinity"):
        search.search(queries, 2, 2, 4)


def test_no_queries():
    rng = np.random.default_rng(6)
    check_shapes = NUMBA.lists.estimate_search(model_of(rng, 66, [[30, 20]]).plan(NUMBA.lists)).search(
        some(rng, 0, 66), 2, 2, 4
    )
    assert [x.shape for x in check_shapes] == [(0, 2), (0, 2)]


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
            for at in range(2):
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
