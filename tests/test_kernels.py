"""Every kernel of every backend against its oracle: edges of shape, memory layout, threads, processes."""

import functools
import importlib
import math
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.errors import ParameterError
from hdc.kernels import PLANE_QUERY
from hdc.words import mask_tail, word_count
from tests import models, naive
from tests.bridge import backend_of

NAMES = (
    *models.NUMPY_BACKENDS,
    *models.TORCH_BACKENDS,
    pytest.param("torch-portable", marks=pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)),
)
BACKENDS = {name: backend_of(name) for name in models.NUMPY_BACKENDS}
if not models.NO_TORCH:
    BACKENDS |= {name: backend_of(name) for name in ("torch", "torch-portable")}
if not models.NO_CUDA:
    BACKENDS["torch-cuda"] = backend_of("torch-cuda")
DIMS = (1, 63, 64, 65, 1000, 10_000)


@pytest.fixture(params=NAMES)
def backend(request):
    return BACKENDS[request.param]


@pytest.fixture(params=models.NUMPY_BACKENDS)
def tables(request):
    """Kernels that read codes through tables, of the backends that have them."""
    return BACKENDS[request.param].tables


def packed(rng, dim, *shape):
    words = rng.integers(0, 2**64, (*shape, word_count(dim)), dtype=np.uint64)
    return mask_tail(words, dim)


def each(function, batch, *arrays):
    """Apply an oracle at every index of the batch axes and stack the results."""
    results = [function(*(a[i] for a in arrays)) for i in np.ndindex(*batch)]
    tail = np.shape(results[0]) if results else ()
    return np.array(results).reshape(*batch, *tail)


@dataclass(frozen=True)
class Case:
    """A kernel: inputs of a dimension and batch, the call, the answer one index of the batch at a time."""

    inputs: Callable[[np.random.Generator, int, tuple[int, ...]], tuple[Any, ...]]
    call: Callable[..., Any]
    answer: Callable[..., Any]


def _on_bits(oracle):
    """Turn an oracle on lists of 0 and 1, whose first argument is one row, into one on words."""
    return lambda dim, row, *rest: naive.words(oracle(naive.bits(row, dim), *rest))


def _rows(x, dim):
    return [naive.bits(row, dim) for row in x]


def _permutations(rng, dim, *shape):
    return rng.permuted(np.broadcast_to(np.arange(dim), (*shape, dim)), axis=-1)


def _entries(rng, dim, rows):
    """Return signed permutations as entries, ``(rows, dim)`` int32."""
    return (2 * _permutations(rng, dim, rows) + rng.integers(0, 2, (rows, dim))).astype(np.int32)


def _weights(rng, *shape):
    return rng.integers(-9, 10, shape)


def _signs(rng, *shape):
    return rng.choice(np.int8([-1, 1]), shape)


def _bytes(rng, *shape):
    """Draw bytes, the least and the greatest of them often."""
    return np.where(rng.random(shape) < 0.5, rng.choice([-128, 127], shape), rng.integers(-128, 128, shape)).astype(
        np.int8
    )


def _integral(rng, *shape):
    """Draw floats whose products are exact in any order."""
    return rng.integers(-9, 10, shape).astype(np.float32)


def _checked(result):
    product, fine = result
    assert bool(fine)
    return product


CASES = {
    "random_words": Case(
        lambda rng, dim, batch: (rng.integers(0, 2**64, (math.prod(batch), 2), dtype=np.uint64),),
        lambda k, dim, keys: k.bits.random_words(keys, word_count(dim)),
        lambda dim, batch, keys: each(
            lambda key: naive.random_words(key, word_count(dim)), (math.prod(batch),), keys
        ),
    ),
    "signed_orders": Case(
        lambda rng, dim, batch: (rng.integers(0, 2**64, (math.prod(batch), 2), dtype=np.uint64),),
        lambda k, dim, keys: k.bits.signed_orders(keys, dim),
        lambda dim, batch, keys: each(lambda key: naive.signed_order(key, dim), (math.prod(batch),), keys),
    ),
    "xor": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch), packed(rng, dim, *batch)),
        lambda k, dim, a, b: k.bits.xor(a, b),
        lambda dim, batch, a, b: each(naive.xor, batch, a, b),
    ),
    "or_reduce": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 6) & packed(rng, dim, *batch, 6),),
        lambda k, dim, x: k.bits.or_reduce(x),
        lambda dim, batch, x: each(lambda s: naive.words(naive.or_reduce(_rows(s, dim))), batch, x),
    ),
    "popcount": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch),),
        lambda k, dim, x: k.bits.popcount(x),
        lambda dim, batch, x: each(naive.popcount, batch, x),
    ),
    "hamming": Case(
        lambda rng, dim, batch: (packed(rng, dim, math.prod(batch)), packed(rng, dim, 5)),
        lambda k, dim, queries, items: k.bits.hamming(queries, items),
        lambda dim, batch, queries, items: each(
            lambda q: [naive.hamming(q, x) for x in items], (len(queries),), queries
        ),
    ),
    "shared_ones": Case(
        lambda rng, dim, batch: (packed(rng, dim, math.prod(batch)), packed(rng, dim, 5)),
        lambda k, dim, queries, items: k.bits.shared_ones(queries, items),
        lambda dim, batch, queries, items: each(
            lambda q: [naive.shared_ones(q, x) for x in items], (len(queries),), queries
        ),
    ),
    "top_k": Case(
        lambda rng, dim, batch: (packed(rng, dim, math.prod(batch)), packed(rng, dim, 5).repeat(2, axis=0)),
        lambda k, dim, queries, items: np.stack(k.search.top_k(queries, items, 7), axis=1),
        lambda dim, batch, queries, items: each(lambda q: naive.top_k(q, items, 7), (len(queries),), queries),
    ),
    "top_k_lists": Case(
        lambda rng, dim, batch: (
            packed(rng, dim, math.prod(batch)), packed(rng, dim, 15).repeat(2, axis=0),
            np.where(np.arange(30) % 7 == 3, -1, rng.permutation(30)), np.array([0, 2, 2, 13, 30]),
            rng.permuted(np.tile(np.arange(4), (math.prod(batch), 1)), axis=1)[:, :2],
        ),
        lambda k, dim, *inputs: np.stack(k.search.top_k_lists(*inputs, 6), axis=1),
        lambda dim, batch, queries, items, ids, starts, probes: each(
            lambda q, lists: naive.top_k_lists(q, items, ids, starts, lists, 6), (len(queries),), queries, probes
        ),
    ),
    "plane_sums": Case(
        lambda rng, dim, batch: (packed(rng, dim, math.prod(batch)), packed(rng, dim, 9, 4)),
        lambda k, dim, queries, items: k.search.plane_sums(queries, items),
        lambda dim, batch, queries, items: each(
            lambda q: [naive.plane_sums(naive.bits(q, dim), _rows(x, dim)) for x in items], (len(queries),), queries
        ),
    ),
    "majority_odd": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 11), packed(rng, dim)),
        lambda k, dim, x, tie: k.bits.majority(x, None, tie, dim),
        lambda dim, batch, x, tie: each(
            lambda s: naive.words(naive.majority(_rows(s, dim), [1] * 11, naive.bits(tie, dim))), batch, x
        ),
    ),
    "majority_even": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 24), packed(rng, dim)),
        lambda k, dim, x, tie: k.bits.majority(x, None, tie, dim),
        lambda dim, batch, x, tie: each(
            lambda s: naive.words(naive.majority(_rows(s, dim), [1] * 24, naive.bits(tie, dim))), batch, x
        ),
    ),
    "majority_weighted": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 6), _weights(rng, *batch, 6), packed(rng, dim)),
        lambda k, dim, x, weights, tie: k.bits.majority(x, weights, tie, dim),
        lambda dim, batch, x, weights, tie: each(
            lambda s, w: naive.words(naive.majority(_rows(s, dim), w.tolist(), naive.bits(tie, dim))),
            batch, x, weights,
        ),
    ),
    "signed_sums": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 13),),
        lambda k, dim, x: k.bits.signed_sums(x, None, dim),
        lambda dim, batch, x: each(lambda s: naive.signed_sums(_rows(s, dim), [1] * 13), batch, x),
    ),
    "signed_sums_weighted": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 3), _weights(rng, *batch, 3)),
        lambda k, dim, x, weights: k.bits.signed_sums(x, weights, dim),
        lambda dim, batch, x, weights: each(
            lambda s, w: naive.signed_sums(_rows(s, dim), w.tolist()), batch, x, weights
        ),
    ),
    "rotate": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch), rng.integers(-3 * dim, 3 * dim, batch)),
        lambda k, dim, x, shifts: k.bits.rotate(x, shifts, dim),
        lambda dim, batch, x, shifts: each(
            lambda row, shift: _on_bits(naive.rotate)(dim, row, int(shift)), batch, x, shifts
        ),
    ),
    "rotate_shared": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch),),
        lambda k, dim, x: k.bits.rotate(x, 777, dim),
        lambda dim, batch, x: each(lambda row: _on_bits(naive.rotate)(dim, row, 777), batch, x),
    ),
    "gather": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch), _permutations(rng, dim, *batch)),
        lambda k, dim, x, index: k.bits.gather(x, index, dim),
        lambda dim, batch, x, index: each(
            lambda row, places: _on_bits(lambda b: [b[i] for i in places])(dim, row), batch, x, index
        ),
    ),
    "gather_shared": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch, 17), _permutations(rng, dim)),
        lambda k, dim, x, index: k.bits.gather(x, index, dim),
        lambda dim, batch, x, index: each(
            lambda row: _on_bits(lambda b: [b[i] for i in index])(dim, row), (*batch, 17), x
        ),
    ),
    "pack": Case(
        lambda rng, dim, batch: (rng.integers(0, 2, (*batch, dim)).astype(np.bool_),),
        lambda k, dim, x: k.bits.pack(x),
        lambda dim, batch, x: each(naive.words, batch, x),
    ),
    "unpack": Case(
        lambda rng, dim, batch: (packed(rng, dim, *batch),),
        lambda k, dim, x: k.bits.unpack(x, dim),
        lambda dim, batch, x: each(lambda row: naive.bits(row, dim), batch, x),
    ),
    "code_dots": Case(
        lambda rng, dim, batch: (packed(rng, dim, math.prod(batch), 2), packed(rng, dim, 3, 2)),
        lambda k, dim, queries, items: k.search.code_dots(queries, items, dim),
        lambda dim, batch, queries, items: each(
            lambda q: [naive.code_dot(_rows(q, dim), _rows(x, dim)) for x in items], (len(queries),), queries
        ),
    ),
    "code_top_k": Case(
        lambda rng, dim, batch: (
            packed(rng, dim, math.prod(batch), 2), packed(rng, dim, 3, 2).repeat(2, axis=0),
            rng.choice(np.float32([0.5, 2.0]), 6),
        ),
        lambda k, dim, queries, items, scale: np.stack(k.search.code_top_k(queries, items, dim, scale, 4), axis=1),
        lambda dim, batch, queries, items, scale: each(
            lambda q: naive.code_top_k(_rows(q, dim), [_rows(x, dim) for x in items], scale, 4),
            (len(queries),),
            queries,
        ),
    ),
    "gather_dots": Case(
        lambda rng, dim, batch: (
            rng.integers(-(2**15), 2**15, (math.prod(batch), dim), dtype=np.int16),
            rng.integers(-128, 128, (6, dim), dtype=np.int8), rng.integers(-1, 6, (math.prod(batch), 4)),
        ),
        lambda k, dim, queries, items, rows: np.stack(k.search.gather_dots(queries, items, rows), axis=1),
        lambda dim, batch, queries, items, rows: each(
            lambda q, chosen: naive.gather_dots(q, items, chosen), (len(queries),), queries, rows
        ),
    ),
    "gather_planes": Case(
        lambda rng, dim, batch: (
            rng.integers(-PLANE_QUERY, PLANE_QUERY + 1, (math.prod(batch), dim), dtype=np.int16),
            np.hstack([packed(rng, dim, 6) for _ in range(10)]), rng.integers(-1, 6, (math.prod(batch), 4)),
        ),
        lambda k, dim, queries, codes, rows: np.stack(
            [k.search.gather_planes(queries, codes, rows, levels) for levels in (1, 3, 9)], axis=1
        ),
        lambda dim, batch, queries, codes, rows: each(
            lambda q, chosen: [
                naive.gather_planes(q, [_rows(c.reshape(10, -1)[:levels], dim) for c in codes], chosen)
                for levels in (1, 3, 9)
            ],
            (len(queries),),
            queries,
            rows,
        ),
    ),
    "rounded": Case(
        lambda rng, dim, batch: (
            np.multiply(
                rng.standard_normal((math.prod(batch), dim)),
                rng.choice([0, 1e-44, 1e-3, 1e3], (math.prod(batch), 1)),
                dtype=np.float64,
            ).astype(np.float32),
        ),
        lambda k, dim, x: np.concatenate([k.search.rounded(x, 7)[0], k.search.rounded(x, 32767)[1][:, None]], axis=1),
        lambda dim, batch, x: each(
            lambda row: [*naive.rounded(row, 7)[0], naive.rounded(row, 32767)[1]], (len(x),), x
        ),
    ),
    "units": Case(
        lambda rng, dim, batch: (
            np.multiply(
                rng.standard_normal((math.prod(batch), dim)),
                rng.choice([0, 1e-44, 1e-3, 1e37], (math.prod(batch), 1)),
                dtype=np.float64,
            ).astype(np.float32),
        ),
        lambda k, dim, x: k.search.units(x),
        lambda dim, batch, x: each(naive.unit, (len(x),), x),
    ),
    "signed_gather": Case(
        lambda rng, dim, batch: (
            rng.standard_normal((*batch, dim)), rng.permutation(dim), rng.choice(np.int8([-1, 1]), dim),
        ),
        lambda k, dim, x, index, sign: k.dense.signed_gather(x, index, sign),
        lambda dim, batch, x, index, sign: each(
            lambda row: [s * row[i] for i, s in zip(index, sign, strict=True)], batch, x
        ),
    ),
    "signed_gathers": Case(
        lambda rng, dim, batch: (
            rng.standard_normal((math.prod(batch), dim)),
            _entries(rng, dim, 4),
            *rng.integers(0, 4, (2, math.prod(batch))),
        ),
        lambda k, dim, x, entries, outer, inner: k.dense.signed_gathers(x, entries, outer, inner),
        lambda dim, batch, x, entries, outer, inner: each(
            lambda row, a, b: naive.signed_move(naive.signed_move(row, entries[b].tolist()), entries[a].tolist()),
            (len(x),), x, outer, inner,
        ),
    ),
    "signed_products": Case(
        lambda rng, dim, batch: (_entries(rng, dim, 4), *rng.integers(0, 4, (2, math.prod(batch)))),
        lambda k, dim, entries, outer, inner: k.dense.signed_products(entries, outer, inner),
        lambda dim, batch, entries, outer, inner: each(
            lambda a, b: naive.signed_product(entries[a].tolist(), entries[b].tolist()), (len(outer),), outer, inner
        ),
    ),
    "sign_product": Case(
        lambda rng, dim, batch: (_signs(rng, *batch[:-1], 1, dim), _signs(rng, *batch, dim)),
        lambda k, dim, a, b: _checked(k.dense.sign_product(a, b)),
        lambda dim, batch, a, b: each(naive.sign_product, batch, np.broadcast_to(a, b.shape), b),
    ),
    "sign_product_wide": Case(
        lambda rng, dim, batch: (_signs(rng, *batch, dim), rng.integers(-(2**31) + 1, 2**31, dim).astype(np.int32)),
        lambda k, dim, a, b: _checked(k.dense.sign_product(a, b)),
        lambda dim, batch, a, b: each(lambda x: naive.sign_product(x, b), batch, a),
    ),
    "byte_dots": Case(
        lambda rng, dim, batch: (_bytes(rng, math.prod(batch), dim), _bytes(rng, 7, dim)),
        lambda k, dim, queries, items: k.dense.byte_dots(queries, items)[0],
        lambda dim, batch, queries, items: each(lambda q: naive.byte_dots(q, items)[0], (len(queries),), queries),
    ),
    "byte_dots_wide": Case(
        lambda rng, dim, batch: (
            rng.integers(-(2**23) + 1, 2**23, (math.prod(batch), dim)).astype(np.int32), _bytes(rng, 7, dim)
        ),
        lambda k, dim, queries, items: k.dense.byte_dots(queries, items)[0],
        lambda dim, batch, queries, items: each(lambda q: naive.byte_dots(q, items)[0], (len(queries),), queries),
    ),
    "byte_squares": Case(
        lambda rng, dim, batch: (_bytes(rng, 2, dim), _bytes(rng, math.prod(batch), dim)),
        lambda k, dim, queries, items: k.dense.byte_dots(queries, items)[1],
        lambda dim, batch, queries, items: np.array(naive.byte_dots(queries[0], items)[1]),
    ),
    "byte_sums": Case(
        lambda rng, dim, batch: (_bytes(rng, *batch, 11, dim),),
        lambda k, dim, x: k.dense.byte_sums(x),
        lambda dim, batch, x: each(lambda rows: [sum(map(int, column)) for column in rows.T], batch, x),
    ),
    "row_sums": Case(
        lambda rng, dim, batch: (_integral(rng, *batch, 11, dim),),
        lambda k, dim, x: k.dense.row_sums(x),
        lambda dim, batch, x: each(lambda rows: [sum(map(float, column)) for column in rows.T], batch, x),
    ),
    "phasor_product": Case(
        lambda rng, dim, batch: (_integral(rng, *batch, 2 * dim), _integral(rng, 2 * dim)),
        lambda k, dim, a, b: k.dense.phasor_product(a, b, False),
        lambda dim, batch, a, b: each(lambda row: naive.phasor_product(row, b, False), batch, a),
    ),
    "phasor_product_conjugate": Case(
        lambda rng, dim, batch: (_integral(rng, *batch, 2 * dim), _integral(rng, *batch[:-1], 1, 2 * dim)),
        lambda k, dim, a, b: k.dense.phasor_product(a, b, True),
        lambda dim, batch, a, b: each(
            lambda x, y: naive.phasor_product(x, y, True), batch, a, np.broadcast_to(b, a.shape)
        ),
    ),
}  # fmt: skip


@functools.cache
def question(name, dim, batch, seed):
    """Return the inputs of a kernel, which no backend may change, and the oracle's answer, made once for all."""
    case = CASES[name]
    inputs = case.inputs(np.random.default_rng(seed), dim, batch)
    return inputs, case.answer(dim, batch, *inputs) if math.prod(batch) else None


def check(backend, name, dim, batch, seed=0):
    """Compare a kernel with its oracle; one test goes through all shapes of a kernel, for a test each would take longer
    to set up than to run."""
    inputs, answer = question(name, dim, batch, seed)
    result = CASES[name].call(backend, dim, *inputs)
    assert result.flags.c_contiguous
    assert result.dtype.isnative
    if math.prod(batch) == 0:
        assert result.size == 0
        return
    np.testing.assert_array_equal(result, answer, err_msg=f"{name}, dim {dim}, batch {batch}, seed {seed}")


@pytest.mark.parametrize("name", CASES)
def test_dimensions(backend, name):
    for dim in DIMS:
        check(backend, name, dim, (1,) if dim > 1000 else (3, 2))


@pytest.mark.parametrize("name", CASES)
def test_empty_batches(backend, name):
    check(backend, name, 65, (0,))
    check(backend, name, 65, (2, 0))


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=15, deadline=None)
@given(
    dim=st.integers(1, 200),
    batch=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    seed=st.integers(0, 99),
)
def test_any_shape(name, dim, batch, seed):
    for backend in BACKENDS.values():
        check(backend, name, dim, tuple(batch), seed)


def _strided(a):
    apart = np.zeros((*a.shape, 2), dtype=a.dtype)[..., 0]
    apart[...] = a
    return apart


def _unaligned(a):
    buffer = np.zeros(a.nbytes + 1, dtype=np.uint8)[1:]
    odd = buffer.view(a.dtype).reshape(a.shape)
    odd[...] = a
    return odd


def _read_only(a):
    fixed = a.copy()
    fixed.flags.writeable = False
    return fixed


LAYOUTS = {
    "strided": _strided,
    "fortran": np.asfortranarray,
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": _unaligned,
    "read-only": _read_only,
}


@pytest.mark.parametrize("name", CASES)
def test_memory_layouts(backend, name):
    case, dim = CASES[name], 130
    inputs = case.inputs(np.random.default_rng(1), dim, (2, 3))
    expected = case.call(backend, dim, *inputs)
    for layout, laid_out in LAYOUTS.items():
        odd = tuple(laid_out(a) for a in inputs)
        result = case.call(backend, dim, *odd)
        np.testing.assert_array_equal(result, expected, err_msg=layout)
        assert result.dtype == expected.dtype, layout
        for before, after in zip(inputs, odd, strict=True):
            np.testing.assert_array_equal(before, after, err_msg=layout)


@pytest.mark.parametrize("name", CASES)
def test_threads_change_nothing(name, monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")
    monkeypatch.setattr(parallel, "GRAIN", 1e-9)
    monkeypatch.setattr(parallel, "_limit", 3)
    monkeypatch.setattr("hdc.backends.numba_kernels.bitwise.SMALL", 0)
    check(BACKENDS["numba"], name, 65, (7,))


def transformed(backend, x):
    """Return the Walsh-Hadamard transform alone: a step whose signs are all plus and which moves nothing."""
    ones = np.ones(x.shape[-1], dtype=np.int8)
    return backend.dense.hadamard(x, ones, ones, np.arange(len(ones)), ones, 1)


@functools.cache
def transform(levels, dtype):
    x = np.random.default_rng(levels).standard_normal((2, 2**levels)).astype(dtype)
    return x, [naive.fwht(row) for row in x.tolist()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_walsh_hadamard_transform(backend, dtype):
    for levels in range(1, 11):
        x, answer = transform(levels, dtype)
        result = transformed(backend, x)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, answer, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(transformed(backend, result), x, rtol=1e-5, atol=1e-5)


def test_walsh_hadamard_transform_of_one_component_and_of_none(backend):
    np.testing.assert_array_equal(transformed(backend, np.ones((2, 1), np.float32)), np.ones((2, 1)))
    assert transformed(backend, np.ones((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 7, 64, 2500])
def test_csr_matmul(backend, dim, dtype):
    rng = np.random.default_rng(dim)
    lengths = np.array([0, 1, 3, 4, 5, 0, 9])
    indptr = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    indices = rng.integers(0, 6, indptr[-1]).astype(np.int32)
    data, x = rng.standard_normal(indptr[-1]).astype(dtype), rng.standard_normal((6, dim)).astype(dtype)
    result = backend.dense.csr_matmul(data, indices, indptr, x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, naive.csr_matmul(data, indices, indptr, x), rtol=1e-5, atol=1e-5)
    foreign = x.astype(x.dtype.newbyteorder(">"))
    np.testing.assert_array_equal(backend.dense.csr_matmul(data, indices, indptr, foreign), result)
    assert backend.dense.csr_matmul(data[:0], indices[:0], indptr[:1], x).shape == (0, dim)


@functools.cache
def counted(n):
    """Return n rows, the word of a tie, and their majority and signed sums."""
    x, tie = packed(np.random.default_rng(n), 64, n), packed(np.random.default_rng(0), 64)
    rows = _rows(x, 64)
    return x, tie, naive.words(naive.majority(rows, [1] * n, naive.bits(tie, 64))), naive.signed_sums(rows, [1] * n)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 4096, 5000])
def test_majority_counts_across_every_digit(backend, n):
    x, tie, majority, sums = counted(n)
    np.testing.assert_array_equal(backend.bits.majority(x, None, tie, 64), majority)
    np.testing.assert_array_equal(backend.bits.signed_sums(x, None, 64), sums)


def test_majority_of_equal_rows_is_the_row(backend):
    x = np.broadcast_to(packed(np.random.default_rng(3), 700), (100_000, 11))
    np.testing.assert_array_equal(backend.bits.majority(x, None, mask_tail(~x[0], 700), 700), x[0])


def test_a_wide_bundle_is_counted_in_spans(backend):
    x = packed(np.random.default_rng(4), 40_000, 9)
    for n, weights in ((9, [1] * 9), (8, [1] * 8), (2, [1, 1])):
        sums = backend.bits.signed_sums(x[:n], np.array(weights), 40_000)
        expected = naive.words(naive.signs(sums.tolist(), naive.bits(x[0], 40_000)))
        np.testing.assert_array_equal(backend.bits.majority(x[:n], None, x[0], 40_000), expected)
        two = backend.bits.majority(np.stack([x[:n], x[:n, ::-1]]), None, x[0], 40_000)
        np.testing.assert_array_equal(two[0], expected)


def test_sums_never_wrap(backend):
    one, weights = np.array([[1, 0]], dtype=np.uint64), np.array([-(2**63)])
    with pytest.raises(ParameterError, match="below 2\\^62"):
        backend.bits.majority(one, weights, one[0], 65)
    with pytest.raises(ParameterError, match="below 2\\^62"):
        backend.bits.signed_sums(one, weights, 65)


def test_weights_near_the_limit_are_exact(backend):
    x = np.array([[0b011], [0b110], [0b001]], dtype=np.uint64)
    weights = np.array([2**60 + 1, 2**60, -1])
    tie = np.array([0b001], dtype=np.uint64)
    expected = naive.majority(_rows(x, 3), weights.tolist(), [1, 0, 0])
    assert naive.bits(backend.bits.majority(x, weights, tie, 3), 3) == expected


def test_batch_axes_broadcast(backend):
    rng = np.random.default_rng(6)
    bits, x, index = backend.bits, packed(rng, 100, 4, 1), np.stack([rng.permutation(100) for _ in range(3)])
    shifts = np.array([1, 64, -3])
    for i, j in np.ndindex(4, 3):
        np.testing.assert_array_equal(bits.rotate(x, shifts, 100)[i, j], bits.rotate(x[i, 0], shifts[j], 100))
        np.testing.assert_array_equal(bits.gather(x, index, 100)[i, j], bits.gather(x[i, 0], index[j], 100))
        np.testing.assert_array_equal(bits.xor(x, x[:3, 0])[i, j], x[i, 0] ^ x[j, 0])
    rows, weights = packed(rng, 100, 5), _weights(rng, 3, 5)
    for i in range(3):
        np.testing.assert_array_equal(
            bits.majority(rows, weights, rows[0], 100)[i], bits.majority(rows, weights[i], rows[0], 100)
        )
        np.testing.assert_array_equal(bits.signed_sums(rows, weights, 100)[i], bits.signed_sums(rows, weights[i], 100))


def test_large_inputs_are_no_different(backend):
    a, b = packed(np.random.default_rng(7), 10_000, 2, 300)
    np.testing.assert_array_equal(backend.bits.xor(a, b), a ^ b)
    np.testing.assert_array_equal(backend.bits.xor(a, b[0]), a ^ b[0])
    np.testing.assert_array_equal(backend.bits.xor(a.ravel(), b.ravel()), a.ravel() ^ b.ravel())
    stacked = np.stack([a, b])
    np.testing.assert_array_equal(backend.bits.or_reduce(stacked.swapaxes(0, 1)), a | b)


@pytest.mark.parametrize(("items", "k"), [(1, 1), (8, 3), (13, 13), (300, 7)])
def test_table_search_adds_what_is_looked_up(tables, items, k):
    rng = np.random.default_rng(items)
    sums = rng.integers(-5, 6, (4, 3, 256)).astype(np.float32)
    codes = rng.integers(0, 256, (items, 3)).astype(np.uint8)
    codes[items // 2 :] = codes[: items - items // 2]  # ties
    scale = rng.choice(np.float32([0.5, 1, 2]), items)
    offset = rng.choice(np.float32([-0.5, 0, 4]), items)
    for factor in (scale, offset):
        factor[items // 2 :] = factor[: items - items // 2]
    scores, ids = tables.top_k(sums, codes, scale, offset, k)
    for table, row, chosen in zip(sums, scores, ids, strict=True):
        assert (row.tolist(), chosen.tolist()) == naive.table_top_k(table, codes, scale, offset, k)


@pytest.mark.parametrize(("groups", "terms"), [(1, 1), (2, 1), (17, 1), (1, 2), (17, 3)])
def test_refined_codes_cost_less_and_no_change_of_one_group_helps(tables, groups, terms):
    rng = np.random.default_rng(groups)
    linear = rng.standard_normal((5, 16 * groups)).astype(np.float32)
    side = rng.standard_normal((5, terms, 16 * groups)).astype(np.float32)
    pair = 0.2 * rng.standard_normal((16 * groups, 16 * groups)).astype(np.float32)
    pair += pair.T
    codes = rng.integers(0, 16, (5, groups)).astype(np.uint8)
    refined = tables.refine(linear, side, pair, codes, 60 * groups)
    for i, code in enumerate(refined):
        cost = naive.code_cost(linear[i], side[i], pair, code)
        assert cost <= naive.code_cost(linear[i], side[i], pair, codes[i]) + 1e-4
        for g in range(groups):
            for value in range(16):
                other = code.copy()
                other[g] = value
                assert naive.code_cost(linear[i], side[i], pair, other) >= cost - 1e-3


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_refined_codes_are_the_same_on_all_backends(tables, terms):
    rng = np.random.default_rng(terms)
    linear = rng.standard_normal((40, 16 * 9)).astype(np.float32)
    side = rng.standard_normal((40, terms, 16 * 9)).astype(np.float32)
    pair = rng.standard_normal((16 * 9, 16 * 9)).astype(np.float32)
    pair += pair.T
    codes = rng.integers(0, 16, (40, 9)).astype(np.uint8)
    expected = BACKENDS["numpy"].tables.refine(linear, side, pair, codes, 30)
    assert np.array_equal(tables.refine(linear, side, pair, codes, 30), expected)
    assert not np.array_equal(expected, codes)


@pytest.mark.parametrize("planes", [1, 3, 4])
def test_code_dots_of_other_depths(backend, planes):
    rng = np.random.default_rng(planes)
    queries, items = packed(rng, 70, 2, planes), packed(rng, 70, 300, planes)
    dots = backend.search.code_dots(queries, items, 70)
    assert dots.dtype == np.int32
    for q, i in [(0, 0), (1, 1), (0, 255), (1, 256), (0, 299)]:
        assert dots[q, i] == naive.code_dot(_rows(queries[q], 70), _rows(items[i], 70))


def test_code_dots_beyond_int32(backend):
    codes = np.full((1, 13, 1), 2**33 - 1, dtype=np.uint64)
    dots = backend.search.code_dots(codes, codes, 33)
    assert dots.dtype == np.int64
    assert dots[0, 0] == 33 * (2**13 - 1) ** 2


def test_calls_from_many_threads_agree(monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")
    monkeypatch.setattr(parallel, "GRAIN", 1.0)
    monkeypatch.setattr(parallel, "_limit", 4)
    bits = BACKENDS["numba"].bits
    x = packed(np.random.default_rng(8), 1000, 64)
    expected = BACKENDS["numpy"].bits.rotate(x, 777, 1000)
    with ThreadPoolExecutor(8) as callers:
        results = list(callers.map(lambda _: bits.rotate(x, 777, 1000), range(200)))
    assert all(np.array_equal(result, expected) for result in results)


def test_the_thread_limit():
    numba_backend = importlib.import_module("hdc.backends.numba_backend")
    before = numba_backend.threads()
    try:
        assert numba_backend.threads(1) == 1
        assert numba_backend.threads() == 1
        for wrong in (0, -1, 257, 1.5, "many"):
            with pytest.raises(ParameterError, match="number of threads"):
                numba_backend.threads(wrong)
    finally:
        numba_backend.threads(before)


def python(code, **environment):
    """Run code in a fresh interpreter of this package."""
    root = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(root), **environment}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


THREADS = "from hdc.backends.numba_backend import threads; print(threads())"


def test_the_environment_limits_threads():
    assert finish(python(THREADS, HDC_THREADS="3")) == "3"


def test_a_wrong_environment_is_told():
    process = python(THREADS, HDC_THREADS="none")
    assert "HDC_THREADS is 'none'" in process.communicate(timeout=60)[1]


def test_a_pool_whose_thread_was_interrupted_while_it_began_is_replaced(monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *call):
            ThreadPoolExecutor.submit(self, *call)
            self._threads.clear()  # the pool does not know it yet
            raise KeyboardInterrupt

    done, pool = [], Interrupted(2, thread_name_prefix="lost")
    monkeypatch.setattr(parallel, "_pool", pool)
    with pytest.raises(KeyboardInterrupt):
        parallel.run([lambda: done.append(0), lambda: done.append(1)])
    assert parallel._pool is not pool
    for thread in threading.enumerate():
        if thread.name.startswith("lost"):
            thread.join(60)
            assert not thread.is_alive()
    done.clear()
    parallel.run([lambda: done.append(0), lambda: done.append(1)])
    assert sorted(done) == [0, 1]


def test_a_pool_that_another_thread_has_just_replaced(monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")

    class Ended:
        def submit(self, call):
            parallel._renew_pool()
            raise RuntimeError("cannot schedule new futures after shutdown")

    monkeypatch.setattr(parallel, "_pool", Ended())
    assert parallel._submit(lambda: None).result() is None


ROTATE = """
import os, numpy as np
from hdc.backends.numba_backend import BACKEND
from hdc.backends.numba_kernels import parallel
parallel.GRAIN, parallel._limit = 1.0, 2
x = np.arange(64, dtype=np.uint64).reshape(32, 2)
total = int(BACKEND.bits.rotate(x, 70, 128).sum())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")
def test_a_forked_child_computes():
    code = ROTATE + (
        "child = os.fork()\n"
        "again = int(BACKEND.bits.rotate(x, 70, 128).sum())\n"
        "os._exit(again != total) if child == 0 else print(os.waitpid(child, 0)[1])"
    )
    assert finish(python(code)) == "0"


JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"


@pytest.mark.slow
@pytest.mark.skipif(JIT_OFF, reason="nothing is compiled with the JIT off")
def test_processes_that_start_together_share_a_cache(tmp_path):
    code = ROTATE + "print(total)"
    together = [python(code, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(3)]
    totals = {finish(process) for process in together}
    code += "\nfrom hdc.backends.numba_kernels.permute import _rotate\nprint(_rotate.stats.cache_hits.total())"
    later = finish(python(code, NUMBA_CACHE_DIR=str(tmp_path))).split()
    assert totals == {later[0]}
    assert later[1] == "1"


@pytest.mark.slow
@pytest.mark.skipif(JIT_OFF, reason="nothing is compiled with the JIT off")
def test_a_package_folder_without_room_is_cached_in_the_users_folder(tmp_path):
    root = Path(__file__).parent.parent
    shutil.copytree(root / "hdc", tmp_path / "site" / "hdc", ignore=shutil.ignore_patterns("__pycache__", "apps"))
    folder = tmp_path / "site" / "hdc" / "backends" / "numba_kernels"
    (folder / "__pycache__").write_text("in the way")  # unlike file modes, this stops a superuser too
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache"), "NUMBA_CACHE_DIR": ""}
    code = ROTATE + "print(BACKEND.bits.rotate.__code__.co_filename)"
    used = finish(python(code, PYTHONPATH=str(tmp_path / "site"), **home))
    assert Path(used).parent == folder
    assert list(tmp_path.glob("**/permute._rotate-*.nbi"))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("count", [31, 32, 33, 64, 101])
def test_streams_are_the_same_eight_counters_at_a_time(monkeypatch, wide, count):
    streams = importlib.import_module("hdc.backends.numba_kernels.streams")
    monkeypatch.setattr(streams, "WIDE", wide)  # of the plain function: what is compiled keeps what it was
    fill = getattr(streams.stream, "py_func", streams.stream)
    keys = np.array([[0, 0], [2**64 - 1, 2**64 - 1], [2**32, 12345678901234567890]], dtype=np.uint64)
    for key in keys:
        expected = naive.random_words(key, count)
        out = np.zeros(count, dtype=np.uint64)
        fill(key, out)
        assert out.tolist() == list(map(int, expected))
        assert streams.random_words(key[None], count)[0].tolist() == out.tolist()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_words_are_sorted_by_all_their_bits_and_equal_ones_by_their_places(data):
    """Random words are hardly ever alike in their highest bits: here most are."""
    orders = importlib.import_module("hdc.backends.numba_kernels.orders")
    size = data.draw(st.integers(1, 40))
    high, low = st.sampled_from([0, 1, 2**63, 2**64 - 2**11]), st.integers(0, 3)
    drawn = data.draw(st.lists(st.tuples(high, low), min_size=size, max_size=size))
    words = np.array([sum(parts) for parts in drawn], dtype=np.uint64)
    bits = max(1, (size - 1).bit_length())
    begins = np.full(1 << bits, 7, dtype=np.int32)
    held = np.empty(size, dtype=np.uint64)
    orders.sort(words, bits, begins, held)
    expected = sorted(range(size), key=lambda place: (int(words[place]), place))
    assert (held & np.uint64((1 << bits) - 1)).tolist() == expected


@pytest.mark.slow
@pytest.mark.skipif(JIT_OFF, reason="nothing is compiled with the JIT off")
def test_warmup_compiles_every_kernel(tmp_path):
    code = (
        "import pkgutil, importlib\n"
        "from hdc.backends import numba_backend, numba_kernels\n"
        "numba_backend.warmup()\n"
        "for module in pkgutil.iter_modules(numba_kernels.__path__):\n"
        "    loaded = importlib.import_module(f'hdc.backends.numba_kernels.{module.name}')\n"
        "    for name, value in vars(loaded).items():\n"
        "        if hasattr(value, 'signatures') and value.__module__ == loaded.__name__:\n"
        "            print(module.name, name, len(value.signatures))"
    )
    kernels = dict(line.rsplit(maxsplit=1) for line in finish(python(code, NUMBA_CACHE_DIR=str(tmp_path))).splitlines())
    assert len(kernels) > 20
    assert not [name for name, compiled in kernels.items() if compiled == "0"]


@pytest.mark.skipif(JIT_OFF, reason="nothing is compiled with the JIT off")
def test_a_kernel_has_one_form_for_constants_and_variables():
    kernel = importlib.import_module("hdc.backends.numba_kernels.jit").kernel

    @kernel
    def chosen(value, twice):
        return 2 * value if twice else value

    @kernel
    def called(count):
        total = 0
        for _ in range(count):
            total = chosen(total, False) + chosen(1, True)
        return total

    assert (called(3), len(chosen.signatures)) == (6, 1)


@pytest.mark.parametrize("order", ["random", "worst first", "all equal"])
@pytest.mark.parametrize("k", [1, 7, 150])
def test_lists_longer_than_what_is_held(backend, order, k):
    rng = np.random.default_rng(k)
    queries, items = packed(rng, 100, 5), packed(rng, 100, 700)
    if order == "worst first":
        items = items[np.argsort(-np.array([naive.hamming(queries[0], item) for item in items]), kind="stable")]
    if order == "all equal":
        items[:] = items[0]
    ids = np.where(rng.random(700) < 0.1, -1, rng.permutation(700))
    starts = np.array([0, 300, 301, 450, 600, 690, 700])
    probes = rng.permuted(np.tile(np.arange(6), (5, 1)), axis=1)
    distances, found = backend.search.top_k_lists(queries, items, ids, starts, probes, k)
    for q in range(5):
        expected = naive.top_k_lists(queries[q], items, ids, starts, probes[q], k)
        assert (distances[q].tolist(), found[q].tolist()) == expected
