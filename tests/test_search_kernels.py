"""The search kernels against distances counted bit by bit, at the sizes where blocks, tiles and tails end."""

import re

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.backends.numba_kernels import bit_bytes, lanes, parallel, planes, scan, simd, topk
from hdc.words import Words, mask_tail, unpack, word_count

DIMS = [1, 63, 64, 65, 128, 256, 512, 1000, 10_000]
ROWS = [1, 7, 8, 9, 511, 512, 513, 1100]
COMPILED = not numba.config.DISABLE_JIT
needs_compiler = pytest.mark.skipif(not COMPILED, reason="the JIT is off")

if not COMPILED:  # plain Python is slow: enough shapes to run every line
    DIMS, ROWS = [1, 65, 600], [1, 9, 513]


def random_rows(n: int, dim: int, seed: int = 0) -> Words:
    words = np.random.default_rng(seed).integers(0, 2**64, (n, word_count(dim)), dtype=np.uint64)
    return mask_tail(words, dim)


def naive_counts(queries: Words, items: Words, combine: np.ufunc) -> np.ndarray:
    dim = 64 * queries.shape[-1]
    return np.array(
        [[int(combine(unpack(q, dim), unpack(x, dim)).sum()) for x in items] for q in queries], dtype=np.int32
    ).reshape(len(queries), len(items))


def naive_top_k(queries: Words, items: Words, k: int) -> tuple[np.ndarray, np.ndarray]:
    bits = unpack(items, 64 * items.shape[-1])
    distances = np.array([(bits != q).sum(axis=-1) for q in unpack(queries, 64 * items.shape[-1])])
    ids = np.array([np.lexsort((np.arange(len(items)), row))[:k] for row in distances])
    return np.take_along_axis(distances, ids, axis=-1), ids


def by_planes(queries: Words, items: Words, k: int) -> tuple[np.ndarray, np.ndarray]:
    return planes.search(queries, planes.build(items), k)


SEARCHES = pytest.mark.parametrize("search", [scan.top_k, by_planes])


def check(search, queries: Words, items: Words, k: int) -> None:
    distances, ids = search(queries, items, k)
    expected_distances, expected_ids = naive_top_k(queries, items, k)
    assert (distances.dtype, ids.dtype) == (np.int32, np.int64)
    np.testing.assert_array_equal(distances, expected_distances)
    np.testing.assert_array_equal(ids, expected_ids)


@SEARCHES
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("n", ROWS)
def test_search_finds_the_nearest_in_order(search, dim, n):
    items, queries = random_rows(n, dim), random_rows(5, dim, seed=1)
    queries[0] = items[-1]
    for k in sorted({1, min(10, n), min(100, n), n}):
        check(search, queries, items, k)


@SEARCHES
@pytest.mark.parametrize("dim", [65, 1000])
def test_search_breaks_ties_by_id_and_takes_degenerate_queries(search, dim):
    items = random_rows(600, dim)
    items[300:320] = items[3]
    everything = mask_tail(np.full((1, word_count(dim)), ~np.uint64(0)), dim)
    queries = np.concatenate([items[3:4], 0 * everything, everything, everything])
    check(search, queries, items, 30)
    check(search, queries, np.repeat(items[:1], 530, axis=0), 20)
    check(search, queries, np.repeat(0 * everything, 530, axis=0), 530)
    check(search, queries, np.repeat(everything, 530, axis=0), 520)


@SEARCHES
@pytest.mark.parametrize("q", [1, 2, 3, 5, 8, 13])
def test_search_takes_any_number_of_queries(search, q):
    check(search, random_rows(q, 256, seed=q), random_rows(700, 256), 10)


@SEARCHES
def test_search_of_no_queries_is_empty(search):
    distances, ids = search(random_rows(0, 64), random_rows(3, 64), 2)
    assert (distances.shape, ids.shape) == ((0, 2), (0, 2))
    assert (distances.dtype, ids.dtype) == (np.int32, np.int64)


@settings(max_examples=40 if COMPILED else 3, deadline=None)
@given(st.data())
def test_both_searches_agree_with_the_oracle_on_anything(data):
    dim, n = data.draw(st.integers(1, 700)), data.draw(st.integers(1, 1100))
    q, k = data.draw(st.integers(1, 20)), data.draw(st.integers(1, n))
    density, seed = data.draw(st.sampled_from([0.01, 0.5, 0.99])), data.draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    rows = np.zeros((n + q, word_count(dim) * 64), dtype=bool)
    rows[:, :dim] = rng.random((n + q, dim)) < density
    packed = np.packbits(rows, axis=-1, bitorder="little").view("<u8").astype(np.uint64)
    for search in (scan.top_k, by_planes):
        check(search, packed[n:], packed[:n], k)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("n", [0, *ROWS[:6]])
def test_pairwise_counts(dim, n):
    items, queries = random_rows(n, dim), random_rows(3, dim, seed=1)
    hamming, shared = scan.hamming(queries, items), scan.shared_ones(queries, items)
    assert hamming.dtype == shared.dtype == np.int32
    np.testing.assert_array_equal(hamming, naive_counts(queries, items, np.logical_xor))
    np.testing.assert_array_equal(shared, naive_counts(queries, items, np.logical_and))
    assert scan.hamming(queries[:0], items).shape == (0, n)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (5, 2), (2, 0, 4), (2, 3, 9), (1, 1, 1), (2, 700, 3)])
def test_popcount_of_any_batch(shape):
    x = random_rows(int(np.prod(shape[:-1])), 64 * shape[-1]).reshape(shape)
    ones = scan.popcount(x)
    assert (ones.dtype, ones.shape) == (np.int64, shape[:-1])
    np.testing.assert_array_equal(ones, unpack(x, 64 * shape[-1]).sum(axis=-1))


def read_only(x: Words) -> Words:
    x = x.copy()
    x.flags.writeable = False
    return x


def every_other(x: Words) -> Words:
    wide = np.zeros((2 * x.shape[0], 2 * x.shape[1]), dtype=np.uint64)
    wide[::2, ::2] = x
    return wide[::2, ::2]


@pytest.mark.parametrize(
    "disguise", [read_only, every_other, np.asfortranarray, lambda x: x.astype(">u8"), lambda x: x[::-1]]
)
def test_layout_of_the_input_does_not_matter(disguise):
    items, queries = disguise(random_rows(520, 130)), disguise(random_rows(4, 130, seed=1))
    plain_items, plain_queries = (np.ascontiguousarray(x, dtype=np.uint64) for x in (items, queries))
    before = items.tobytes()
    for search in (scan.top_k, by_planes):
        check(search, queries, items, 12)
    for kernel in (scan.hamming, scan.shared_ones):
        np.testing.assert_array_equal(kernel(queries, items), kernel(plain_queries, plain_items))
    np.testing.assert_array_equal(scan.popcount(items), scan.popcount(plain_items))
    assert items.tobytes() == before


@pytest.mark.parametrize("sizes", [[0, 1, 0], [5, 507, 1], [511, 2, 600], [1] * 20, [600, 0, 512]])
def test_appended_planes_are_built_planes(sizes):
    items = random_rows(sum(sizes), 130)
    queries = random_rows(3, 130, seed=1)
    grown = planes.empty(3)
    for stop in np.cumsum(sizes):
        grown = planes.append(grown, items[grown.n : stop])
        if grown.n:
            np.testing.assert_array_equal(
                planes.search(queries, grown, grown.n)[1], by_planes(queries, items[:stop], stop)[1]
            )
    size = -(-grown.n // 512) * planes.block_words(3)
    np.testing.assert_array_equal(grown.blocks[:size], planes.build(items).blocks[:size])


def test_planes_outlive_what_is_appended_to_them():
    items, queries = random_rows(1000, 64), random_rows(3, 64, seed=1)
    first = planes.build(items[:300])
    left, right = planes.append(first, items[300:600]), planes.append(first, items[600:])
    for grown, rows in [
        (first, items[:300]),
        (left, items[:600]),
        (right, np.concatenate([items[:300], items[600:]])),
    ]:
        for k in (1, 40, len(rows)):
            np.testing.assert_array_equal(planes.search(queries, grown, k)[1], scan.top_k(queries, rows, k)[1])


@pytest.mark.parametrize("words", [1, 4, 16, 128])
def test_group_size_splits_queries_evenly(words):
    sizes = [planes.group_size(q, words) for q in range(1, 50)]
    assert sizes[0] == 1
    assert max(sizes) <= 8
    assert all(size <= q for q, size in enumerate(sizes, start=1))
    best = planes.group_size(10**6, words)
    assert planes.group_size(best + 1, words) == -(-(best + 1) // 2)


@SEARCHES
def test_threads_do_not_change_the_answer(search, monkeypatch):
    monkeypatch.setattr(parallel, "GRAIN", 1.0)
    monkeypatch.setattr(parallel, "_limit", 5)
    items, queries = random_rows(1700, 300), random_rows(9, 300, seed=1)
    items[800:1000] = items[5]
    for k in (1, 50, 1700):
        check(search, queries, items, k)
    np.testing.assert_array_equal(scan.hamming(queries, items), naive_counts(queries, items, np.logical_xor))


@SEARCHES
def test_slabs_of_queries_give_the_same_answer(search, monkeypatch):
    monkeypatch.setattr(planes, "SLAB", 3)
    check(search, random_rows(10, 100, seed=1), random_rows(600, 100), 7)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=200), st.integers(1, 40))
def test_heap_keeps_the_least(values, k):
    heap = topk.new_heaps(1, 1, k)[0, 0]
    for value in values:
        if value < heap[0]:
            topk.replace_worst(heap, value)
    expected = sorted(values)[:k]
    assert sorted(heap)[: len(expected)] == expected
    topk.sort_heap(heap)
    assert heap.tolist() == expected + [topk.WORST] * (k - len(expected))


def test_aligned_zeros_start_on_a_cache_line():
    for words in (1, 1000):
        block = simd.aligned_zeros(words)
        assert block.shape == (words,)
        assert block.ctypes.data % 64 == 0
        assert not block.any()


def test_every_operation_means_what_its_plain_twin_says():
    @numba.njit
    def all_operations(words, out):
        a, b, c = simd.load(words, 0), simd.load(simd.pointer(words), 8), simd.load(words, 16)
        simd.prefetch(words, 0)
        simd.store(out, 0, simd.majority(a, b, c))
        simd.store(simd.pointer(out), 8, (a & b) | (~c ^ simd.splat(-3)) + simd.ctpop(a))
        simd.store(out, 16, simd.pair_sums(a, b, 1))
        simd.store(out, 24, simd.pair_sums(a, b, 2))
        simd.store(out, 32, simd.pair_sums(a, b, 4))
        out[40] = simd.any_below(a, b) + 2 * simd.any_below(a, a)
        out[41] = simd.any_bit(a & ~a) + 2 * simd.any_bit(a)
        out[42] = simd.ctpop(words[3]) + simd.pointer(words)[5]
        simd.store(out, 43, simd.interleaved(a))
        simd.store(out, 51, simd.smaller(a, b))
        out[59] = simd.sum64(a)

    words, out = random_rows(24, 64).reshape(-1), np.zeros(60, dtype=np.uint64)
    all_operations(words, out)
    a, b, c = words.reshape(3, 8)
    np.testing.assert_array_equal(out[:8], simd._plain_majority(a, b, c))
    mixed = (a & b) | (~c ^ simd._plain_splat(-3)) + simd._plain_ctpop(a)
    np.testing.assert_array_equal(out[8:16], mixed)
    for i, step in enumerate((1, 2, 4)):
        np.testing.assert_array_equal(out[16 + 8 * i :][:8], simd._plain_pair_sums(a, b, step))
    assert out[40] == simd._plain_any_below(a, b)
    assert out[41] == 2
    assert out[42] == simd._plain_ctpop(words[3]) + words[5]
    np.testing.assert_array_equal(out[43:51], simd._plain_interleaved(a))
    np.testing.assert_array_equal(out[51:59], simd._plain_smaller(a, b))
    assert out[59] == simd._plain_sum64(a) % 2**64
    assert simd._plain_interleaved(np.arange(8)).tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_bytes_of_bits_mean_what_their_plain_twin_says():
    @numba.njit
    def all_operations(words, out):
        for i in range(len(words)):
            simd.store(out, 8 * i, bit_bytes.bit_bytes(words[i]))

    words, out = random_rows(8, 64).reshape(-1), np.zeros(64, dtype=np.uint64)
    words[0], words[1] = 0, 2**64 - 1
    all_operations(words, out)
    np.testing.assert_array_equal(out.reshape(8, 8), [bit_bytes._plain_bit_bytes(word) for word in words])
    assert out.view(np.uint8).reshape(8, 64).tolist() == [[int(word) >> j & 1 for j in range(64)] for word in words]


def test_every_operation_on_lanes_means_what_its_plain_twin_says():
    @numba.njit
    def all_operations(scores, words, chosen, out):
        ids = simd.load(words, 0)
        simd.store(out, 0, lanes.pair_lanes(simd.pointer(scores), ids))
        simd.store(out, 8, lanes.packed(ids, chosen))
        out[16] = lanes.not_negative(ids)

    scores, words = np.float32([0, -0.0, 1, -1, np.inf, -np.inf, 1e-45, -3e38]), random_rows(8, 64).reshape(-1)
    out = np.zeros(17, dtype=np.uint64)
    for chosen in (0, 1, 0b10110010, 255):
        all_operations(scores, words, chosen, out)
        np.testing.assert_array_equal(out[:8], lanes._plain_pair_lanes(scores, words))
        count = chosen.bit_count()
        np.testing.assert_array_equal(out[8 : 8 + count], lanes._plain_packed(words, chosen)[:count])
        assert out[16] == lanes._plain_not_negative(words)
    pairs = lanes._plain_pair_lanes(scores, np.arange(8, dtype=np.uint64)).view(np.int64)
    bits = scores.view(np.int32).tolist()
    assert pairs.tolist() == [int(topk.score_key(bit)) << topk.ID_BITS | i for i, bit in enumerate(bits)]


def test_numbers_are_put_in_order_by_vectors():
    @numba.njit
    def put(row, number, out):
        here, before = simd.load(row, 8), simd.load(row, 7)
        out[0] = lanes.below(here, simd.splat(number))
        out[1] = lanes.top_bits(here)
        simd.store(out, 2, lanes.put_between(before, simd.splat(number), here))

    # As pairs in hand: a vector of what is before all, and a row that ascends.
    row, out = np.array([-(2**63)] * 8 + [-(2**62), -7, 0, 0, 3, 200, 2**62, 2**63 - 1]), np.zeros(10, dtype=np.int64)
    for number in (-(2**63), -(2**62) - 1, -7, -1, 0, 4, 2**62 + 1, 2**63 - 1):
        put(row, number, out)
        assert out[2:].tolist() == sorted([*row[8:].tolist(), number])[:8]
        assert out[0] == sum(1 << lane for lane, own in enumerate(row[8:].tolist()) if own < number)
        same = np.full(8, number)
        assert lanes._plain_below(row[8:], same) == out[0]
        np.testing.assert_array_equal(lanes._plain_put_between(row[7:15], same, row[8:]).view(np.int64), out[2:])
    bits = int(out.view(np.uint64)[1])
    assert bits == int(lanes._plain_top_bits(row[8:]))
    assert [bits >> byte & 1 for byte in range(64)] == (row[8:].view(np.int8) < 0).astype(int).tolist()


PAIRS = st.lists(
    st.sampled_from([0, 1, -1, 7, 2**62, -(2**62), 2**63 - 1, -(2**63)]) | st.integers(-99, 99), min_size=1
)


@settings(max_examples=100, deadline=None)
@given(PAIRS, st.data())
def test_selection_brings_the_least_to_the_front(values, data):
    k = data.draw(st.integers(1, len(values)))
    pairs, alone, places = np.array(values), np.array(values), np.arange(len(values))
    assert topk.select_pairs(pairs, places, len(values), k) == sorted(values)[k - 1]
    assert sorted(pairs[:k].tolist()) == sorted(values)[:k]
    assert [values[place] for place in places[:k]] == pairs[:k].tolist()
    assert topk.least_pairs(alone, len(values), k) == sorted(values)[k - 1]
    assert sorted(alone[:k].tolist()) == sorted(values)[:k]


@pytest.mark.parametrize("held", [0, 1, 2, topk.RANKED, topk.RANKED + 1, 700])
def test_pairs_come_in_order_by_rank_or_by_sorting(held):
    pairs = np.random.default_rng(held).permutation(1000) - 500
    places, before = np.arange(1000), pairs.copy()
    if topk.ordered(pairs, places, held):
        assert held > topk.RANKED
        np.testing.assert_array_equal(pairs[:held], np.sort(before[:held]))
    else:
        ranks = [topk.rank_of(pairs, held, at) for at in range(held)]
        np.testing.assert_array_equal(before[:held][np.argsort(ranks)], np.sort(before[:held]))
    np.testing.assert_array_equal(before[places], pairs)


def compiled_for() -> set[str]:
    from numba.core.registry import cpu_target

    return set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))


def machine_code(kernel, *argument_types) -> str:
    """Compile anew, for code from the disk cache cannot be inspected."""
    fresh = numba.njit(kernel.py_func)
    fresh.compile(argument_types)
    return "\n".join(fresh.inspect_asm().values())


@needs_compiler
def test_the_scan_counts_with_the_vector_instruction():
    if "+avx512vpopcntdq" not in compiled_for():
        pytest.skip("compiled for a CPU without AVX-512 VPOPCNTDQ")
    words, size = simd.PointerType(numba.uint64), numba.intp
    code = machine_code(scan._eight_counts, words, size, size, words, size)
    assert len(re.findall(r"vpopcntq\s+%zmm", code)) >= 8


@needs_compiler
def test_the_adders_take_one_instruction_an_output():
    if "+avx512f" not in compiled_for():
        pytest.skip("compiled for a CPU without AVX-512")
    words, offsets, size = simd.PointerType(numba.uint64), simd.PointerType(numba.int32), numba.intp
    code = machine_code(planes._sum_planes, words, size, offsets, size, size, words, size, size)
    adders = 22  # two groups of seven, one adder to join them, a group of seven for the rest
    parity, majority = 0b10010110, 0b11101000
    for truth_table in (parity, majority):
        assert len(re.findall(rf"vpternlogq\s+\${truth_table},", code)) >= adders
