"""Classification of packed rows in one pass: a row is compared with eight planes at a time, one per lane.

A table stores the same word of eight planes side by side. A call fills it before its first row (0.3 us for ten classes
of 4096 components). Only the winner of a row is written, so memory does not grow with the number of classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import LANES, Pointer, ctpop, load, pointer, splat, store
from hdc.words import WORD_BITS, Words

Counts = npt.NDArray[np.int64]

WORD_TIME = 0.08
"""Nanoseconds to compare a word of a plane; a prototype takes as long as forty words."""


@kernel
def _in_lanes(planes: Any, table: Any, at: int) -> None:
    """Put word w of planes ``8 g`` to ``8 g + 7`` in ``table[at + 8 (words g + w):]``."""
    prototypes, width, words = planes.shape
    for p in range(prototypes):
        for i in range(width):
            number = p * width + i
            to = at + number // LANES * words * LANES + number % LANES
            for w in range(words):
                table[to + w * LANES] = planes[p, i, w]


@inlined
def _count(row: Any, table: Pointer, at: int, begin: int, end: int, words: int, groups: int, counts: Pointer) -> None:
    """Write the differing bits of words ``begin`` to ``end`` to ``counts``, two groups of planes at a time."""
    for group in range(0, groups, 2):
        first = at + group * words * LANES
        second = first + (words * LANES if group + 1 < groups else 0)
        a = b = splat(0)
        for w in range(begin, end):
            word = splat(row[w])
            a = a + ctpop(load(table, first + w * LANES) ^ word)
            b = b + ctpop(load(table, second + w * LANES) ^ word)
        store(counts, group * LANES, a)
        store(counts, (group + 1) * LANES, b)


@kernel
def _best(
    rows: Any,
    planes: Any,
    factors: Any,
    biases: Any,
    stops: Any,
    spans: Any,
    dim: int,
    found: Any,
    start: int,
    stop: int,
) -> None:
    """Write leaders to ``found[0]`` and the numbers of words read to ``found[1]``."""
    prototypes, width, words = planes.shape
    groups, top = (prototypes * width + LANES - 1) // LANES, 2**width - 1
    table, counts = np.zeros(groups * words * LANES + LANES, np.uint64), np.empty((groups + 1) * LANES, np.uint64)
    differing, scores = np.empty(prototypes, np.int64), np.empty(prototypes, np.int64)
    at = -(table.ctypes.data // 8) % LANES
    _in_lanes(planes, table, at)
    for n in range(start, stop):
        for p in range(prototypes):
            differing[p] = 0
        begin = 0
        for stage in range(len(stops)):
            end = stops[stage]
            _count(rows[n], pointer(table), at, begin, end, words, groups, pointer(counts))
            most, leader = min(dim, end * WORD_BITS) * top, 0
            for p in range(prototypes):
                weighted = np.int64(0)
                for i in range(width):
                    weighted = 2 * weighted + np.int64(counts[p * width + i])
                differing[p] += weighted
                scores[p] = factors[p] * (most - 2 * differing[p]) + biases[stage, p]
                if scores[p] > scores[leader]:
                    leader = p
            found[0, n], found[1, n] = leader, end
            if stage == len(spans):
                break
            ahead = True
            for p in range(prototypes):
                ahead = ahead and (p == leader or scores[leader] - scores[p] >= spans[stage, leader, p])
            if ahead:
                break
            begin = end


def best(
    rows: Words, planes: Words, factors: Counts, biases: Counts, stops: Counts, spans: Counts, dim: int
) -> tuple[Counts, Counts]:
    """Score and compare row after row; see :attr:`hdc.kernels.ClassKernels.best`."""
    n, (p, width, words) = len(rows), planes.shape
    found = np.empty((2, n), np.int64)
    over_rows(
        _best,
        n,
        p * (width * words + 40) * WORD_TIME,
        frozen(rows, np.uint64, n, words),
        frozen(planes, np.uint64, p, width, words),
        frozen(factors, np.int64, p),
        frozen(biases, np.int64, len(stops), p),
        frozen(stops, np.int64, len(stops)),
        frozen(spans, np.int64, len(stops) - 1, p, p),
        dim,
        found,
    )
    return found[0], found[1]
