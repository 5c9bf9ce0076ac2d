"""Moves of components within packed rows: rotation, extraction of a range, general permutation."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen, rows_of, spread
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numpy_backend import Ints
from hdc.words import Words, tail_mask, word_count


@kernel
def _shift_down(row: Any, bits: int, out: Any) -> None:
    """Write the components of ``row`` from ``bits`` on; zeros follow after the row's end.

    A shift by 64 is undefined on most machines, so the upper part is shifted by one and then by 63 - r.
    """
    source = row[bits // 64 :]
    r = np.uint64(bits % 64)
    rest = np.uint64(63) - r
    whole = max(0, min(len(out), len(source) - 1))
    for w in range(whole):
        out[w] = (source[w] >> r) | ((source[w + 1] << np.uint64(1)) << rest)
    out[whole:] = 0
    if whole < len(out) and whole < len(source):
        out[whole] = source[whole] >> r


@kernel
def _rotate(x: Any, shifts: Any, dim: int, mask: Any, out: Any, start: int, stop: int) -> None:
    """Rotate rows up by ``shifts[i]``, or by the single shift, each in ``[0, dim)``."""
    words = x.shape[1]
    for i in range(start, stop):
        shift = shifts[min(i, len(shifts) - 1)]
        q = shift // 64
        r = np.uint64(shift % 64)
        rest = np.uint64(63) - r
        source, target = x[i], out[i]
        _shift_down(source, dim - shift, target[: q + 1])
        target[q] |= source[0] << r
        upper = target[q + 1 :]
        for w in range(words - q - 1):
            upper[w] = (source[w + 1] << r) | ((source[w] >> np.uint64(1)) >> rest)
        target[words - 1] &= mask


@kernel
def _gather(x: Any, index: Any, out: Any, start: int, stop: int) -> None:
    """Collect each row bit by bit; ``index`` has one row per row of ``x``, or one for all."""
    dim = index.shape[1]
    for i in range(start, stop):
        row, places = x[i], index[min(i, len(index) - 1)]
        for w in range(out.shape[1]):
            chunk = places[64 * w : min(64 * w + 64, dim)]
            word = np.uint64(0)
            for j in range(len(chunk)):
                bit = (row[chunk[j] >> 6] >> np.uint64(chunk[j] & 63)) & np.uint64(1)
                word |= bit << np.uint64(j)
            out[i, w] = word


@kernel
def _transpose(block: Any) -> None:
    """Exchange, in place, bit j of word i and bit i of word j (Hacker's Delight, section 7-3)."""
    width = 32
    mask = np.uint64(0xFFFFFFFF)
    while width:
        step = np.uint64(width)
        for base in range(0, 64, 2 * width):
            for i in range(width):
                low, high = block[base + i], block[base + width + i]
                swap = ((low >> step) ^ high) & mask
                block[base + i] = low ^ (swap << step)
                block[base + width + i] = high ^ swap
        width >>= 1
        mask ^= mask << np.uint64(width)


@kernel
def _gather_transposed(x: Any, index: Any, out: Any, start: int, stop: int) -> None:
    """Permute groups of 64 rows: after transposing, one component of a group is one word to move."""
    n, words = x.shape
    block = np.empty(64, dtype=np.uint64)
    planes = np.empty(64 * words, dtype=np.uint64)
    for group in range(start, stop):
        rows = min(64, n - 64 * group)
        block[:] = 0
        for w in range(words):
            for i in range(rows):
                block[i] = x[64 * group + i, w]
            _transpose(block)
            for j in range(64):
                planes[64 * w + j] = block[j]
            block[:] = 0
        for w in range(out.shape[1]):
            chunk = index[64 * w : min(64 * w + 64, len(index))]
            block[:] = 0
            for j in range(len(chunk)):
                block[j] = planes[chunk[j]]
            _transpose(block)
            for i in range(rows):
                out[64 * group + i, w] = block[i]


def rotate(x: Words, shifts: int | Ints, dim: int) -> Words:
    """Move component j to ``(j + shift) mod dim``, as two shifted pieces of each row."""
    turns = np.asarray(shifts, dtype=np.int64) % dim
    batch = np.broadcast_shapes(x.shape[:-1], turns.shape)
    if turns.ndim:
        x, turns = spread(x, (*batch, x.shape[-1])), spread(turns, batch)
    rows = rows_of(x)
    out = np.empty_like(rows)
    each = frozen(turns, np.int64, turns.size)
    over_rows(_rotate, len(rows), rows.shape[1] * 0.8 + 10, rows, each, dim, tail_mask(dim), out)
    return out.reshape(*batch, x.shape[-1])


def gather(x: Words, index: npt.NDArray[np.int64], dim: int) -> Words:
    """Move component ``index[j]`` to component j: many rows with one index are transposed, others go bit by bit."""
    batch = np.broadcast_shapes(x.shape[:-1], index.shape[:-1])
    if math.prod(index.shape[:-1]) != 1:
        x, index = spread(x, (*batch, x.shape[-1])), spread(index, (*batch, dim))
    rows, places = rows_of(x), rows_of(index, np.int64)
    out = np.empty((math.prod(batch), word_count(dim)), dtype=np.uint64)
    if len(places) == 1 and len(rows) >= 16:
        over_rows(_gather_transposed, -(-len(rows) // 64), dim * 10.0, rows, places[0], out)
    else:
        over_rows(_gather, len(rows), dim * 1.0, rows, places, out)
    return out.reshape(*batch, out.shape[1])
