"""Codes read through tables: search by looked-up sums, and local search for the code with the least cost.

Both kernels agree with the NumPy reference to the last bit: they add in the same order, and never fuse a product and a
sum into one rounding.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numpy_backend import LEVELS, tenure_of

LANES = 8
"""Items summed side by side; a single sum would wait for each addition."""

BLOCK = 1 << 14
"""Items searched for all queries before the next ones; their codes stay in the second-level cache."""

Sums = npt.NDArray[np.float32]


@kernel
def _enter(scores: Any, ids: Any, score: Any, item: int) -> None:
    """Insert an item, with a larger id than all present, into a descending list; the last entry drops out."""
    place = len(scores) - 1
    while place > 0 and scores[place - 1] < score:
        scores[place] = scores[place - 1]
        ids[place] = ids[place - 1]
        place -= 1
    scores[place] = score
    ids[place] = item


@kernel
def _search_tables(
    tables: Any, codes: Any, scale: Any, offset: Any, first: int, scores: Any, ids: Any, start: int, stop: int
) -> None:
    """Search one block of items for queries ``start`` to ``stop``."""
    n, groups = codes.shape
    sums = np.empty(LANES, dtype=np.float32)
    for q in range(start, stop):
        table, best, found = tables[q], scores[q], ids[q]
        last = len(best) - 1
        for tile in range(0, n, LANES):
            lanes = min(LANES, n - tile)
            for lane in range(LANES):
                sums[lane] = 0
            if lanes == LANES:
                for g in range(groups):
                    for lane in range(LANES):
                        sums[lane] += table[g, codes[tile + lane, g]]
            else:
                for lane in range(lanes):
                    for g in range(groups):
                        sums[lane] += table[g, codes[tile + lane, g]]
            for lane in range(lanes):
                score = np.float32(sums[lane] * scale[tile + lane]) + offset[tile + lane]
                if score > best[last]:
                    _enter(best, found, score, first + tile + lane)


def table_top_k(
    tables: Sums, codes: npt.NDArray[np.uint8], scale: Sums, offset: Sums, k: int
) -> tuple[Sums, npt.NDArray[np.int64]]:
    """Keep a sorted list of k items per query; items come block by block, so the lower id wins among equal scores."""
    q, groups, _ = tables.shape
    scores = np.full((q, k), -np.inf, dtype=np.float32)
    ids = np.zeros((q, k), dtype=np.int64)
    known = frozen(tables, np.float32, *tables.shape)
    for first in range(0, len(codes), BLOCK):
        block = frozen(codes[first : first + BLOCK], np.uint8, min(BLOCK, len(codes) - first), groups)
        factors = frozen(scale[first : first + BLOCK], np.float32, len(block))
        more = frozen(offset[first : first + BLOCK], np.float32, len(block))
        over_rows(_search_tables, q, len(block) * groups * 0.4, known, block, factors, more, first, scores, ids)
    return scores, ids


@kernel
def _start(linear: Any, side: Any, pair: Any, code: Any, cost: Any, groups: int, moved: Any) -> None:
    """Fill ``cost[v * groups + j]`` with the cost of value v in group j, given the other groups' values."""
    for k in range(len(cost)):
        cost[k] = linear[k]
    for j in range(groups):
        row = code[j] * groups + j
        for k in range(len(cost)):
            moved[k] = pair[row, k]
        _add_terms(side, side[:, row], moved)
        for k in range(len(cost)):
            cost[k] += moved[k]
        for v in range(LEVELS):  # a group is not its own neighbor
            cost[v * groups + j] -= moved[v * groups + j]


@kernel
def _add_terms(side: Any, factors: Any, moved: Any) -> None:
    """Add each term times its factor, one term after another."""
    for t in range(len(side)):
        factor = factors[t]
        for k in range(len(moved)):
            moved[k] += side[t, k] * factor


@kernel
def _best_values(cost: Any, code: Any, groups: int, least: Any, value: Any) -> None:
    """Find, group by group, the cheapest value other than the current one."""
    for j in range(groups):
        least[j] = np.inf
        value[j] = 0
    for v in range(LEVELS):
        for j in range(groups):
            c = cost[v * groups + j]
            better = (c < least[j]) & (code[j] != v)
            least[j] = c if better else least[j]
            value[j] = v if better else value[j]


@kernel
def _move(cost: Any, side: Any, pair: Any, old: int, new: int, j: int, groups: int, kept: Any) -> None:
    """Update the costs in the other groups for a change of group j."""
    for v in range(LEVELS):
        kept[v] = cost[v * groups + j]
    factor = side[0, new] - side[0, old]
    for k in range(len(cost)):
        cost[k] += (pair[new, k] - pair[old, k]) + side[0, k] * factor
    for v in range(LEVELS):
        cost[v * groups + j] = kept[v]


@kernel
def _move_terms(
    cost: Any, side: Any, pair: Any, old: int, new: int, j: int, groups: int, kept: Any, moved: Any
) -> None:
    """Do as :func:`_move` for several terms."""
    for v in range(LEVELS):
        kept[v] = cost[v * groups + j]
    for k in range(len(cost)):
        moved[k] = pair[new, k] - pair[old, k]
    _add_terms(side, side[:, new] - side[:, old], moved)
    for k in range(len(cost)):
        cost[k] += moved[k]
    for v in range(LEVELS):
        cost[v * groups + j] = kept[v]


@kernel
def _refine(
    linear: Any, side: Any, pair: Any, codes: Any, steps: int, tenure: int, out: Any, start: int, stop: int
) -> None:
    groups = codes.shape[1]
    cost, moved = np.empty(LEVELS * groups, dtype=np.float32), np.empty(LEVELS * groups, dtype=np.float32)
    least, kept = np.empty(groups, dtype=np.float32), np.empty(LEVELS, dtype=np.float32)
    value, code, free = np.empty(groups, np.int32), np.empty(groups, np.int32), np.empty(groups, np.int32)
    for i in range(start, stop):
        for j in range(groups):
            code[j] = codes[i, j]
            out[i, j] = codes[i, j]
            free[j] = 0
        _start(linear[i], side[i], pair, code, cost, groups, moved)
        total, best = np.float32(0), np.float32(0)
        for step in range(steps):
            _best_values(cost, code, groups, least, value)
            chosen, change = 0, np.float32(np.inf)
            for j in range(groups):
                difference = least[j] - cost[code[j] * groups + j]
                if free[j] <= step and difference < change:
                    chosen, change = j, difference
            old = code[chosen] * groups + chosen
            new = value[chosen] * groups + chosen
            if side.shape[1] == 1:
                _move(cost, side[i], pair, old, new, chosen, groups, kept)
            else:
                _move_terms(cost, side[i], pair, old, new, chosen, groups, kept, moved)
            code[chosen] = value[chosen]
            free[chosen] = step + 1 + tenure
            total += change
            if total < best:
                best = total
                for j in range(groups):
                    out[i, j] = code[j]


def refine(linear: Sums, side: Sums, pair: Sums, codes: npt.NDArray[np.uint8], steps: int) -> npt.NDArray[np.uint8]:
    """Change the group with the cheapest change, even uphill, and remember the best code found."""
    n, groups = codes.shape
    entries = LEVELS * groups
    out = np.empty((n, groups), dtype=np.uint8)
    args = (
        frozen(linear, np.float32, n, entries),
        frozen(side, np.float32, n, side.shape[1], entries),
        frozen(pair, np.float32, entries, entries),
        frozen(codes, np.uint8, n, groups),
    )
    each = (groups + steps) * entries * 0.4 * (0.5 + side.shape[1])
    over_rows(_refine, n, each, *args, steps, tenure_of(groups), out)
    return out
