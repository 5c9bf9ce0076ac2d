"""Binding, reductions and packing: NumPy's own loops on threads reach memory bandwidth."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import AnyArray, rows_of, sets_of, spread
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.words import Bits, Words, word_count

SMALL = 1 << 14
"""Most words that NumPy handles alone: threads would gain nothing, and calling a kernel costs microseconds."""


def _xor_rows(a: Words, b: Words, out: Words, start: int, stop: int) -> None:
    np.bitwise_xor(a[start:stop], b[start:stop], out=out[start:stop])


def xor(a: Words, b: Words) -> Words:
    """Run NumPy's exclusive or on threads; most of the time goes to fresh pages for the result."""
    if a.size + b.size <= SMALL:
        return np.bitwise_xor(a, b, dtype=np.uint64, order="C")
    shape = np.broadcast_shapes(a.shape, b.shape)
    out = np.empty(shape, dtype=np.uint64)
    rows = shape[0] if len(shape) > 1 else 1
    left, right = (spread(x, shape).reshape(rows, -1) if len(shape) == 1 else spread(x, shape) for x in (a, b))
    over_rows(_xor_rows, rows, out.size / max(1, rows) * 2.0, left, right, out.reshape(left.shape))
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


def or_reduce(x: Words) -> Words:
    """Or the rows, four at a time."""
    if x.size <= SMALL:
        return np.asarray(np.bitwise_or.reduce(x, axis=-2, dtype=np.uint64))
    out = np.empty((*x.shape[:-2], x.shape[-1]), dtype=np.uint64)
    sets = sets_of(x)
    over_rows(_or_rows, len(sets), sets[:1].size * 0.5, sets, out.reshape(len(sets), x.shape[-1]))
    return out


@kernel
def _unpack_rows(x: Any, out: Any, start: int, stop: int) -> None:
    dim = out.shape[1]
    for i in range(start, stop):
        for w in range(x.shape[1]):
            word = x[i, w]
            chunk = out[i, 64 * w : min(64 * w + 64, dim)]
            for j in range(len(chunk)):
                chunk[j] = (word >> np.uint64(j)) & np.uint64(1)


def _pack_rows(bits: Bits, out: AnyArray, start: int, stop: int) -> None:
    out[start:stop, : -(-bits.shape[1] // 8)] = np.packbits(bits[start:stop], axis=-1, bitorder="little")


def pack(bits: Bits) -> Words:
    """Run NumPy's own packing loop, unmatched for booleans, on threads."""
    rows = rows_of(bits, np.bool_)
    out = np.zeros((len(rows), word_count(rows.shape[1]) * 8), dtype=np.uint8)
    over_rows(_pack_rows, len(rows), rows.shape[1] * 0.15, rows, out)
    return out.view("<u8").astype(np.uint64, copy=False).reshape(*bits.shape[:-1], word_count(rows.shape[1]))


def unpack(x: Words, dim: int) -> Bits:
    """Spread each word over 64 components."""
    rows = rows_of(x)
    out = np.empty((len(rows), dim), dtype=np.uint8)
    over_rows(_unpack_rows, len(rows), dim * 0.2, rows, out)
    return out.reshape(*x.shape[:-1], dim).view(np.bool_)
