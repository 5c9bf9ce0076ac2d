"""Signed permutations by the row: drawn in batches, multiplied, and applied each to a row of its own.

An entry is ``2 * index + negative``: one integer is looked up, composed or applied at a time.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.streams import philox
from hdc.backends.numpy_backend import Floats, Ints
from hdc.words import Words

Entries = npt.NDArray[np.int32]


@kernel
def _draw(keys: Any, bits: int, out: Any, start: int, stop: int) -> None:
    """Sort words by their highest bits, after which nearly all random ones are in order; then by insertion."""
    dim, shift = out.shape[1], np.uint64(64 - bits)
    begins = np.empty((1 << bits) + 1, dtype=np.int32)
    words = np.empty(dim + 3, dtype=np.uint64)
    held = np.empty(dim, dtype=np.uint64)
    for i in range(start, stop):
        key, row = keys[i], out[i]
        for place in range(len(begins)):
            begins[place] = 0
        for block in range((dim + 3) // 4):
            j = 4 * block
            words[j], words[j + 1], words[j + 2], words[j + 3] = philox(key, np.uint64(block + 1))
        for j in range(dim):
            begins[np.int64(words[j] >> shift) + 1] += 1
        for place in range(1, len(begins)):
            begins[place] += begins[place - 1]
        for j in range(dim):
            bucket = np.int64(words[j] >> shift)
            place = begins[bucket]
            begins[bucket] = place + 1
            held[place] = words[j]
            row[place] = 2 * j
        for j in range(1, dim):
            word = held[j]
            if held[j - 1] > word:
                entry, place = row[j], j
                while place > 0 and held[place - 1] > word:
                    held[place], row[place] = held[place - 1], row[place - 1]
                    place -= 1
                held[place], row[place] = word, entry
        for j in range(dim):
            row[j] += np.int32(words[j] & np.uint64(1))


def signed_orders(keys: Words, dim: int) -> Entries:
    """Draw and sort, row by row; see :attr:`hdc.kernels.BitKernels.signed_orders`."""
    out = np.empty((len(keys), dim), dtype=np.int32)
    bits = dim.bit_length()  # one to two places for each word
    over_rows(_draw, len(out), dim * 5.5 + 50, rows_of(keys), bits, out)
    return out


@kernel
def _multiply(entries: Any, outer: Any, inner: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        after, before, row = entries[outer[i]], entries[inner[i]], out[i]
        for j in range(len(row)):
            entry = after[j]
            row[j] = before[entry >> 1] ^ (entry & 1)


def signed_products(entries: Entries, outer: Ints, inner: Ints) -> Entries:
    """Compose row with row; see :attr:`hdc.kernels.DenseKernels.signed_products`."""
    table = rows_of(entries, np.dtype(np.int32))
    out = np.empty((len(outer), table.shape[1]), dtype=np.int32)
    places = frozen(outer, np.int64, len(outer)), frozen(inner, np.int64, len(inner))
    over_rows(_multiply, len(out), table.shape[1] * 0.6 + 10, table, *places, out)
    return out


@kernel
def _gather(x: Any, entries: Any, outer: Any, inner: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        given, after, before, result = x[i], entries[outer[i]], entries[inner[i]], out[i]
        for j in range(len(result)):
            entry = after[j]
            move = before[entry >> 1]
            value = given[move >> 1]
            result[j] = -value if (move ^ entry) & 1 else value


def signed_gathers(x: Floats, entries: Entries, outer: Ints, inner: Ints) -> Floats:
    """Permute and flip, each row by its own product; see :attr:`hdc.kernels.DenseKernels.signed_gathers`."""
    given, table = rows_of(x, x.dtype.newbyteorder("=")), rows_of(entries, np.dtype(np.int32))
    out = np.empty_like(given)
    places = frozen(outer, np.int64, len(outer)), frozen(inner, np.int64, len(inner))
    over_rows(_gather, len(out), out.shape[1] * 0.8 + 10, given, table, *places, out)
    return out
