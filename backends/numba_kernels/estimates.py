"""Top-k estimates of dot products with rows stored as signs, in chosen lists: RaBitQ's inner loop.

A query is small integers in two's complement, as bit planes. The sum of the integers where a row's bits are set is four
counts of common bits, shifted and added (Gao & Long 2024, section 3.3). As in :mod:`lists`, the search goes list by
list, starting with the nearest lists of every query. The words of eight rows are stored side by side in advance.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.lanes import top_bits
from hdc.backends.numba_kernels.lists import by_list
from hdc.backends.numba_kernels.parallel import run, slices
from hdc.backends.numba_kernels.scan import TILE_WORDS, interleave
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    aligned_zeros,
    ctpop,
    load,
    pointer,
    scale_lanes,
    splat,
)
from hdc.backends.numba_kernels.taking import finish, take, tighten
from hdc.backends.numba_kernels.topk import ID_BITS, WORST, Pairs
from hdc.errors import FileFormatError
from hdc.kernels import ESTIMATE_BITS
from hdc.words import WORD_BITS, Words

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

ROOM = 1 << 23
"""Most pairs in memory during a call (64 MiB)."""

NEAREST = 1
"""Lists per query in the first round. With one, the bound is loose for longer, but fewer lists are read twice."""

STEP_TIME = 0.25
"""Approximate nanoseconds per word of a row, to decide how many threads to use."""


@kernel
def write_planes(numbers: Words, words: int, planes: Words, first: int, last: int) -> None:
    """Write the bits of integers, eight bytes of which make a word, the heaviest plane first."""
    memory = pointer(numbers)
    for q in range(first, last):
        for w in range(words):
            bits = load(memory, (q * words + w) * LANES)
            for _ in range(8 - ESTIMATE_BITS):
                bits = bits + bits
            for plane in range(ESTIMATE_BITS):
                planes[q, plane, w] = top_bits(bits)
                bits = bits + bits


@inlined
def shared_planes(rows: Vector, planes: Pointer, at: int) -> Vector:
    """Count the bits that rows share with a word of a plane."""
    return ctpop(rows & splat(np.int64(planes[at])))


@inlined
def weighted(heaviest: Vector, second: Vector, third: Vector, last: Vector) -> Vector:
    """Return ``-8 heaviest + 4 second + 2 third + last``."""
    minus = ~heaviest + splat(1)
    total = minus + minus + second
    total = total + total + third
    return total + total + last


@inlined
def _two_sums(rows: Pointer, at: int, words: int, planes: Pointer, a: int, b: int) -> tuple[Vector, Vector]:
    """Return the sums of two queries' integers over the set bits of eight rows."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = splat(0)
    for w in range(words):
        bits = load(rows, at + w * LANES)
        first, second, third = w + words, w + 2 * words, w + 3 * words
        a0, b0 = a0 + shared_planes(bits, planes, a + w), b0 + shared_planes(bits, planes, b + w)
        a1, b1 = a1 + shared_planes(bits, planes, a + first), b1 + shared_planes(bits, planes, b + first)
        a2, b2 = a2 + shared_planes(bits, planes, a + second), b2 + shared_planes(bits, planes, b + second)
        a3, b3 = a3 + shared_planes(bits, planes, a + third), b3 + shared_planes(bits, planes, b + third)
    return weighted(a0, a1, a2, a3), weighted(b0, b1, b2, b3)


class _Rows(NamedTuple):
    """Signs and factors of rows in lists, as :class:`CodeLists` stores them."""

    block: Words
    """The words of eight rows side by side; those of list l start at ``begins[l]``."""
    begins: Ints
    starts: Ints
    scale: Floats
    offset: Floats


class _Asked(NamedTuple):
    """Queries as :class:`hdc.kernels.CodeLists` reads them, with their integers as bit planes."""

    lists: Ints
    base: Floats
    planes: Words
    factors: Floats


@kernel
def _search(among: _Rows, ids: Ints, asked: _Asked, best: Pairs, k: int, first: int, last: int) -> None:
    """Search the lists ``asked.lists[q]`` for the queries ``first`` to ``last - 1``."""
    block, begins, starts, scale, offset = among
    lists, base, planes, factors = asked
    words, probed, size = planes.shape[2], lists.shape[1], best.shape[1]
    full = size - LANES
    ends = np.empty(len(starts) - 1, np.int64)
    scores = np.empty(LANES, np.float32)
    bits = scores.view(np.int32)
    leasts = np.full(len(lists), -np.inf, np.float32)
    out, out_bits, rows, numbers, held = pointer(scores), pointer(bits), pointer(block), pointer(ids), pointer(best)
    scales, offsets, masks, bases, slopes = (
        pointer(scale),
        pointer(offset),
        pointer(planes),
        pointer(base),
        pointer(factors),
    )
    tile = max(TILE_WORDS // words // LANES, 1) * LANES
    for low, high in ((0, min(NEAREST, probed)), (min(NEAREST, probed), probed)):
        order, places = by_list(lists, first, last, low, high, ends)
        done = 0
        for at in range(len(ends)):
            for begin in range(starts[at], starts[at + 1], tile):
                stop = min(begin + tile, starts[at + 1])
                block_at = begins[at] + (begin - starts[at]) * words
                for i in range(done, ends[at], 2):
                    # A single query may remain: it is compared twice, and its results are used once.
                    j = min(i + 1, ends[at] - 1)
                    a, b = order[i], order[j]
                    of_a, of_b = a * ESTIMATE_BITS * words, b * ESTIMATE_BITS * words
                    base_a, base_b = bases[a * probed + places[i]], bases[b * probed + places[j]]
                    least_a, least_b = leasts[a], leasts[b]
                    for row in range(begin, stop, LANES):
                        sum_a, sum_b = _two_sums(rows, block_at + (row - begin) * words, words, masks, of_a, of_b)
                        there = (1 << min(LANES, stop - row)) - 1
                        reached = there & scale_lanes(
                            sum_a, slopes[2 * a], slopes[2 * a + 1], scales, offsets, row, base_a, least_a, out
                        )
                        if reached and take(reached, out_bits, numbers, row, held, a * size) >= full:
                            least_a = leasts[a] = tighten(best, a, k, bits, scores)
                        reached = there & scale_lanes(
                            sum_b, slopes[2 * b], slopes[2 * b + 1], scales, offsets, row, base_b, least_b, out
                        )
                        if reached and i != j and take(reached, out_bits, numbers, row, held, b * size) >= full:
                            least_b = leasts[b] = tighten(best, b, k, bits, scores)
            done = ends[at]
    finish(best, k, bits, scores, first, last)


def _padded(starts: Ints) -> Ints:
    """Return the rows of each list, rounded up to eights."""
    return np.asarray(-(-np.diff(starts) // LANES) * LANES)


def _begins(starts: Ints, words: int) -> tuple[Ints, int]:
    """Return the offset of each list's words, and the total number of words."""
    sizes = _padded(starts) * words
    ends = np.cumsum(sizes)
    return ends - sizes, int(ends[-1]) if len(ends) else 0


class CodeLists:
    """Rows of signs in lists, with the factors that turn counts into estimates; see :class:`hdc.kernels.CodeLists`."""

    LAYOUT = "eight-1"

    def __init__(self, signs: Words, scale: Floats, offset: Floats, starts: Ints) -> None:
        n, words = signs.shape
        begins, size = _begins(starts, words)
        beyond = np.zeros(LANES, dtype=np.float32)  # padding: eight are read at a time
        flat, block = frozen(signs, np.uint64, signs.size), aligned_zeros(size)
        for at in np.flatnonzero(np.diff(starts)).tolist():
            interleave(flat, starts[at], starts[at + 1], words, block[begins[at] :])
        factors = [frozen(np.concatenate([own, beyond]), np.float32, n + LANES) for own in (scale, offset)]
        self._hold(block, begins, starts.astype(np.int64), *factors)

    def _hold(self, block: Words, begins: Ints, starts: Ints, scale: Floats, offset: Floats) -> None:
        lists, self._n = len(begins), len(scale) - LANES
        self._words = len(block) // max(1, int(_padded(starts).sum()))
        self._rows = _Rows(
            frozen(block, np.uint64, len(block)),
            frozen(begins, np.int64, lists),
            frozen(starts, np.int64, lists + 1),
            frozen(scale, np.float32, len(scale)),
            frozen(offset, np.float32, len(offset)),
        )

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Rebuild from arrays; see :class:`hdc.kernels.ListKernels`."""
        held = _Rows(*(arrays[name] for name in _Rows._fields))
        starts = held.starts
        forms = [(array.dtype.str, array.ndim) for array in held]
        sound = forms == [("<u8", 1), ("<i8", 1), ("<i8", 1), ("<f4", 1), ("<f4", 1)] and len(starts) > 0
        if sound and starts[0] == 0 and (np.diff(starts) >= 0).all():
            words = len(held.block) // max(1, int(_padded(starts).sum()))
            begins, size = _begins(starts, words)
            n = int(starts[-1]) + LANES
            if np.array_equal(begins, held.begins) and (size, n, n) == (len(held.block), *map(len, held[3:])):
                made = cls.__new__(cls)
                made._hold(*held)
                return made
        raise FileFormatError("the arrays of the lists do not match each other")

    def __len__(self) -> int:
        return int(self._n)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays that :meth:`restored` accepts and :mod:`one_query` reads."""
        return self._rows._asdict()

    def search(
        self, queries: npt.NDArray[np.int8], factors: Floats, lists: Ints, base: Floats, ids: Ints, k: int
    ) -> tuple[Floats, Ints]:
        """Return the k rows with the greatest scores; see :class:`hdc.kernels.CodeLists`."""
        room = k + k // 2 + 3 * LANES
        keys = np.full((len(queries), k), WORST, dtype=np.int64)
        for start in range(0, len(queries) if self._n and lists.shape[1] else 0, step := max(1, ROOM // room)):
            some = slice(start, start + step)
            keys[some] = self._keys(queries[some], factors[some], lists[some], base[some], ids, k, room)
        keys.sort(axis=1)
        found = keys != WORST
        key = (keys >> ID_BITS).astype(np.int32)
        scores = np.where(key < 0, ~key, key | np.int32(-0x80000000)).view(np.float32)
        return np.where(found, scores, np.float32(-np.inf)), np.where(found, keys & (2**ID_BITS - 1), -1)

    def _keys(
        self,
        queries: npt.NDArray[np.int8],
        factors: Floats,
        lists: Ints,
        base: Floats,
        ids: Ints,
        k: int,
        room: int,
    ) -> Pairs:
        """Return the k best pairs of each query in any order; ``room`` is the size of the buffer per query."""
        (q, dim), probed = queries.shape, lists.shape[1]
        best = np.empty((q, 1 + room), dtype=np.int64)
        best[:, 0] = 0
        planes = np.empty((q, ESTIMATE_BITS, self._words), dtype=np.uint64)
        padded = np.zeros((q, self._words * WORD_BITS), dtype=np.int8)
        padded[:, :dim] = queries
        numbers = frozen(padded.view("<u8"), np.uint64, q, self._words * 8)
        rows = self._n / max(1, len(self._rows.begins)) * probed
        parts = slices(q, rows * self._words * STEP_TIME)
        run([partial(write_planes, numbers, self._words, planes, *part) for part in parts])
        asked = _Asked(
            frozen(lists, np.int64, q, probed),
            frozen(base, np.float32, q, probed),
            planes,
            frozen(factors, np.float32, q, 2),
        )
        numbered = frozen(ids, np.int64, self._n)
        run([partial(_search, self._rows, numbered, asked, best, k, *part) for part in parts])
        return best[:, 1 : 1 + k]
