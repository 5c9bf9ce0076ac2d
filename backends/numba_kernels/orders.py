"""Signed permutations per row: drawn in batches, multiplied, and each applied to its own row.

An entry is ``2 * index + negative``: one integer is looked up, composed or applied at a time.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.streams import stream
from hdc.backends.numpy_backend import Floats, Ints
from hdc.words import Words

Entries = npt.NDArray[np.int32]


PASSES = 3
"""Rounds of comparing neighbors before a row is checked; after them, one row in twenty is not in order."""


@kernel
def _draw(keys: Any, bits: int, out: Any, start: int, stop: int) -> None:
    dim, lowest = out.shape[1], np.uint64((1 << bits) - 1)
    begins = np.empty(1 << bits, dtype=np.int32)
    words = np.empty(dim, dtype=np.uint64)
    held = np.empty(dim, dtype=np.uint64)
    for i in range(start, stop):
        row = out[i]
        stream(keys[i], words)
        sort(words, bits, begins, held)
        for j in range(dim):
            row[j] = np.int32(2 * (held[j] & lowest)) + np.int32(words[j] & np.uint64(1))


@kernel
def sort(words: Any, bits: int, begins: Any, held: Any) -> None:
    """Sort words by their highest bits, with their positions in the lowest bits; compare whole words if some tie.

    Parameters
    ----------
    words : (n,) uint64 array
    bits : int
        From 1 to 32, and enough for positions below n.
    begins : (1 << bits,) int32 array
        Overwritten.
    held : (n,) uint64 array
        Filled: the lowest ``bits`` are the stable order of the words.
    """
    lowest = np.uint64((1 << bits) - 1)
    _spread(words, np.uint64(64 - bits), lowest, begins, held)
    for _ in range(PASSES):
        _swap(held, 0)
        _swap(held, 1)
    unsure = 0
    for j in range(1, len(held)):
        unsure += (held[j - 1] | lowest) >= held[j]
    if unsure:
        _insert(words, lowest, held)


@kernel
def _spread(words: Any, shift: Any, lowest: Any, begins: Any, held: Any) -> None:
    """Put each word, its lowest bits replaced by its position, among those with the same highest bits."""
    for place in range(len(begins)):
        begins[place] = 0
    for word in words:
        begins[np.int64(word >> shift)] += 1
    before = np.int32(0)
    for place in range(len(begins)):
        count = begins[place]
        begins[place] = before
        before += count
    for j in range(len(held)):
        word = words[j]
        bucket = np.int64(word >> shift)
        place = begins[bucket]
        begins[bucket] = place + 1
        held[place] = (word & ~lowest) | np.uint64(j)


@kernel
def _swap(held: Any, first: int) -> None:
    """Put pairs of neighbors in order without a branch, so that one instruction compares many pairs."""
    for pair in range((len(held) - first) // 2):
        j = 2 * pair + first
        one, other = held[j], held[j + 1]
        held[j], held[j + 1] = min(one, other), max(one, other)


@kernel
def _insert(words: Any, lowest: Any, held: Any) -> None:
    """Sort a nearly ordered array by whole words; equal words stay in order of position."""
    for j in range(1, len(held)):
        own = held[j]
        word, place = words[np.int64(own & lowest)], j
        while place > 0:
            other = held[place - 1]
            above = words[np.int64(other & lowest)]
            if above < word or (above == word and (other & lowest) < (own & lowest)):
                break
            held[place] = other
            place -= 1
        held[place] = own


def signed_orders(keys: Words, dim: int) -> Entries:
    """Draw and sort, row by row; see :attr:`hdc.kernels.BitKernels.signed_orders`."""
    out = np.empty((len(keys), dim), dtype=np.int32)
    bits = max(1, (dim - 1).bit_length())  # half to one bucket per word, and enough for all positions
    over_rows(_draw, len(out), dim * 3.5 + 50, rows_of(keys), bits, out)
    return out


LINE = 16
"""Entries per cache line."""


@kernel
def _fetched(row: Any) -> Any:
    """Read a row from start to end, which is fast for uncached rows; later reads go in any order.

    Returns a value that depends on each line, so that the compiler cannot drop the reads.
    """
    read = np.int32(0)
    for j in range(0, len(row), LINE):
        read |= row[j]
    return read


@kernel
def _multiply(entries: Any, outer: Any, inner: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        after, before, row = entries[outer[i]], entries[inner[i]], out[i]
        row[0] = _fetched(before)
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
    known, alone = np.int64(-1), False  # whether the outer row, which most neighbors share, is the identity
    for i in range(start, stop):
        given, after, before, result = x[i], entries[outer[i]], entries[inner[i]], out[i]
        if outer[i] != known:
            known, alone = outer[i], _is_identity(after)
        if alone:
            for j in range(len(result)):
                value = given[before[j] >> 1]
                result[j] = -value if before[j] & 1 else value
            continue
        result[0] = _fetched(before)
        for j in range(len(result)):
            entry = after[j]
            move = before[entry >> 1]
            value = given[move >> 1]
            result[j] = -value if (move ^ entry) & 1 else value


@kernel
def _is_identity(row: Any) -> bool:
    place = 0
    while place < len(row) and row[place] == 2 * place:
        place += 1
    return place == len(row)


def signed_gathers(x: Floats, entries: Entries, outer: Ints, inner: Ints) -> Floats:
    """Permute and flip, each row by its own product; see :attr:`hdc.kernels.DenseKernels.signed_gathers`."""
    given, table = rows_of(x, x.dtype.newbyteorder("=")), rows_of(entries, np.dtype(np.int32))
    out = np.empty_like(given)
    places = frozen(outer, np.int64, len(outer)), frozen(inner, np.int64, len(inner))
    over_rows(_gather, len(out), out.shape[1] * 0.8 + 10, given, table, *places, out)
    return out
