"""Binding, reductions, packing: where NumPy's own loops, shared out to threads, reach the memory's limit."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import AnyArray, rows_of, sets_of
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.words import Bits, Words, word_count

SMALL = 1 << 15
"""Words up to which binding is left to NumPy: nothing is gained, and a microsecond saved."""


def _xor_rows(a: Words, b: Words, out: Words, start: int, stop: int) -> None:
    np.bitwise_xor(a[start:stop], b[start:stop], out=out[start:stop])


def xor(a: Words, b: Words) -> Words:
    """Exclusive or of NumPy, on threads: most of the time goes to the pages of a fresh result."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    if math.prod(shape) <= SMALL or len(shape) == 1:
        return np.bitwise_xor(a, b, dtype=np.uint64)
    out = np.empty(shape, dtype=np.uint64)
    each = math.prod(shape[1:]) * 2.0
    over_rows(_xor_rows, shape[0], each, np.broadcast_to(a, shape), np.broadcast_to(b, shape), out)
    return out


@kernel
def _or_rows(x: Any, out: Any, start: int, stop: int) -> None:
    n = x.shape[1]
    for i in range(start, stop):
        total = out[i]
        total[:] = 0
        for r in range(0, n - 3, 4):
            a, b, c, d = x[i, r], x[i, r + 1], x[i, r + 2], x[i, r + 3]
            for w in range(len(total)):
                total[w] |= (a[w] | b[w]) | (c[w] | d[w])
        for r in range(n - n % 4, n):
            a = x[i, r]
            for w in range(len(total)):
                total[w] |= a[w]


@kernel
def _and_rows(x: Any, out: Any, start: int, stop: int) -> None:
    n = x.shape[1]
    for i in range(start, stop):
        total = out[i]
        total[:] = x[i, 0]
        for r in range(0, n - 3, 4):
            a, b, c, d = x[i, r], x[i, r + 1], x[i, r + 2], x[i, r + 3]
            for w in range(len(total)):
                total[w] &= (a[w] & b[w]) & (c[w] & d[w])
        for r in range(n - n % 4, n):
            a = x[i, r]
            for w in range(len(total)):
                total[w] &= a[w]


def _reduce(loop: Callable[..., None], x: Words) -> Words:
    out = np.empty((*x.shape[:-2], x.shape[-1]), dtype=np.uint64)
    sets = sets_of(x)
    over_rows(loop, len(sets), sets[:1].size * 0.5, sets, out.reshape(len(sets), x.shape[-1]))
    return out


def or_reduce(x: Words) -> Words:
    """Or the rows, four at a time."""
    return _reduce(_or_rows, x)


def and_reduce(x: Words) -> Words:
    """And the rows, four at a time."""
    return _reduce(_and_rows, x)


@kernel
def _pack_rows(bits: Any, out: Any, start: int, stop: int) -> None:
    dim = bits.shape[1]
    for i in range(start, stop):
        for w in range(out.shape[1]):
            chunk = bits[i, 64 * w : min(64 * w + 64, dim)]
            word = np.uint64(0)
            for j in range(len(chunk)):
                word |= np.uint64(chunk[j]) << np.uint64(j)
            out[i, w] = word


@kernel
def _unpack_rows(x: Any, out: Any, start: int, stop: int) -> None:
    dim = out.shape[1]
    for i in range(start, stop):
        for w in range(x.shape[1]):
            word = x[i, w]
            chunk = out[i, 64 * w : min(64 * w + 64, dim)]
            for j in range(len(chunk)):
                chunk[j] = (word >> np.uint64(j)) & np.uint64(1)


def pack(bits: AnyArray) -> Words:
    """Collect 64 components a word."""
    rows = rows_of(bits, np.bool_)
    out = np.empty((len(rows), word_count(bits.shape[-1])), dtype=np.uint64)
    over_rows(_pack_rows, len(rows), rows.shape[1] * 0.2, rows.view(np.uint8), out)
    return out.reshape(*bits.shape[:-1], out.shape[1])


def unpack(x: Words, dim: int) -> Bits:
    """Spread each word over 64 components."""
    rows = rows_of(x)
    out = np.empty((len(rows), dim), dtype=np.uint8)
    over_rows(_unpack_rows, len(rows), dim * 0.2, rows, out)
    return out.reshape(*x.shape[:-1], dim).view(np.bool_)
