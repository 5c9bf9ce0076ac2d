"""Integers below a number of levels: sums modulo that number, bundles, and similarity.

Members of a bundle are few levels many times, or many levels a few times. Few levels are counted by comparing all
components of a row with each level, sixty-four bytes at once. Few members are counted by comparing each with every
other. All other bundles, and weighted ones, are counted component by component.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import AnyArray, frozen, rows_of, sets_of, spread
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import over_rows

SPAN = 512
"""Components counted together; their counts stay in the nearest cache."""

SMALL = 1 << 16
"""Most components that NumPy adds in bytes, which saves some microseconds."""

FEW_LEVELS = 32
"""Up to this many levels are counted by comparing with each level."""

FEW_MEMBERS = 200
"""Up to this many members are counted by comparing each with every other; their counts fit bytes."""

SHORT = 252
"""Most rows whose counts fit bytes; a multiple of four."""

PAIRS = 256
"""Most components whose looked-up numbers, each below 2^23, fit an int32 sum."""

Ints = npt.NDArray[np.int64]


# ---------------------------------------------------------------------- binding


@kernel
def _move(a: Any, x: Any, sign: int, levels: int, out: Any, start: int, stop: int) -> None:
    """Move rows ``start`` to ``stop``, each by its own row of ``a``, or all by its single row."""
    top, several = np.int32(levels), len(a) > 1
    for i in range(start, stop):
        one, other, row = a[i if several else 0], x[i], out[i]
        if sign > 0:
            for j in range(len(row)):
                total = np.int32(other[j]) + np.int32(one[j])
                row[j] = total - top if total >= top else total
        else:
            for j in range(len(row)):
                total = np.int32(other[j]) - np.int32(one[j])
                row[j] = total + top if total < 0 else total


def moved(a: AnyArray, x: AnyArray, sign: int, levels: int) -> AnyArray:
    """Add or subtract, and wrap around once; with 256 levels, bytes wrap by themselves."""
    if levels == 256 or (levels <= 128 and max(a.size, x.size) <= SMALL):
        there, back = (np.add, np.subtract) if sign > 0 else (np.subtract, np.add)
        total: AnyArray = there(x, a, order="C")
        # modulo 256, a value that left the range becomes smaller by wrapping the other way
        return total if levels == 256 else np.minimum(total, back(total, np.uint8(levels)), out=total)
    shape, native = np.broadcast_shapes(a.shape, x.shape), x.dtype.newbyteorder("=")
    out = np.empty(shape, dtype=native)
    dim = shape[-1]
    one = rows_of(a if a.size == dim else spread(a, shape), native)
    over_rows(_move, out.size // dim, dim * 0.1, one, rows_of(spread(x, shape), native), sign, levels, _rows(out))
    return out


def _rows(out: AnyArray) -> AnyArray:
    return out.reshape(-1, out.shape[-1])


# ---------------------------------------------------------------------- bundles


@kernel
def _add_rows(rows: Any, weights: Any, sums: Any) -> None:
    """Write the weighted sum of all rows."""
    sums[:] = 0
    for r in range(len(rows)):
        row, weight = rows[r], weights[r]
        for j in range(len(sums)):
            sums[j] += weight * np.int64(row[j])


@inlined
def _lots(sums: Any, tie: Any, column: int, columns: int, levels: int, lots: Any) -> None:
    """Write the numbers that break ties: uniform below ``levels``, from the tie vector and the neighboring sums."""
    dim = len(sums)
    for j in range(columns):
        at = column + j
        total = tie[at] + sums[at - 1 if at else dim - 1]
        rest = total % levels
        lots[j] = rest


@kernel
def _count_levels(rows: Any, column: int, columns: int, levels: int, short: Any, counts: Any) -> None:
    """Count how often each level occurs in a span of all rows: ``counts[level, component]``."""
    n = len(rows)
    for level in range(levels):
        for j in range(columns):
            counts[level, j] = 0
    for first in range(0, n, SHORT):
        last = min(n, first + SHORT)
        whole = first + (last - first) // 4 * 4
        for level in range(levels):
            total, wanted = short[level], np.uint8(level)
            for j in range(columns):
                total[j] = 0
            for r in range(first, whole, 4):
                a, b = rows[r, column : column + columns], rows[r + 1, column : column + columns]
                c, d = rows[r + 2, column : column + columns], rows[r + 3, column : column + columns]
                for j in range(columns):
                    total[j] += (
                        np.uint8(a[j] == wanted)
                        + np.uint8(b[j] == wanted)
                        + np.uint8(c[j] == wanted)
                        + np.uint8(d[j] == wanted)
                    )
            for r in range(whole, last):
                a = rows[r, column : column + columns]
                for j in range(columns):
                    total[j] += np.uint8(a[j] == wanted)
            for j in range(columns):
                counts[level, j] += np.int32(total[j])


@kernel
def _plurality_of_levels(x: Any, weights: Any, tie: Any, levels: int, out: Any, start: int, stop: int) -> None:
    """Write the most frequent levels of sets ``start`` to ``stop`` with few levels; all weights are 1."""
    dim = x.shape[2]
    sums, lots = np.empty(dim, np.int64), np.empty(SPAN, np.int32)
    short, counts = np.empty((levels, SPAN), np.uint8), np.empty((levels, SPAN), np.int32)
    best, top = np.empty(SPAN, np.int32), np.int32(levels)
    for i in range(start, stop):
        _add_rows(x[i], weights[i], sums)
        for column in range(0, dim, SPAN):
            columns = min(SPAN, dim - column)
            _lots(sums, tie, column, columns, levels, lots)
            _count_levels(x[i], column, columns, levels, short, counts)
            chosen = out[i, column : column + columns]
            for j in range(columns):
                best[j] = -1
            for level in range(levels):
                count, here = counts[level], np.int32(level + 1)
                for j in range(columns):
                    later = lots[j] - here
                    key = count[j] * top + (later + top if later < 0 else later)
                    chosen[j] = level if key > best[j] else chosen[j]
                    best[j] = max(key, best[j])


@kernel
def _plurality_of_members(x: Any, weights: Any, tie: Any, levels: int, out: Any, start: int, stop: int) -> None:
    """Write the most frequent levels of sets with few members; all weights are 1."""
    n, dim = x.shape[1], x.shape[2]
    sums, lots = np.empty(dim, np.int64), np.empty(SPAN, np.int32)
    same, best, top = np.empty(SPAN, np.uint8), np.empty(SPAN, np.int32), np.int32(levels)
    for i in range(start, stop):
        _add_rows(x[i], weights[i], sums)
        for column in range(0, dim, SPAN):
            columns = min(SPAN, dim - column)
            _lots(sums, tie, column, columns, levels, lots)
            chosen = out[i, column : column + columns]
            for j in range(columns):
                best[j] = -1
            for r in range(n):
                mine = x[i, r, column : column + columns]
                for j in range(columns):
                    same[j] = 0
                for s in range(n):
                    other = x[i, s, column : column + columns]
                    for j in range(columns):
                        same[j] += np.uint8(mine[j] == other[j])
                for j in range(columns):
                    later = lots[j] - np.int32(mine[j]) - np.int32(1)
                    key = np.int32(same[j]) * top + (later + top if later < 0 else later)
                    chosen[j] = mine[j] if key > best[j] else chosen[j]
                    best[j] = max(key, best[j])


@kernel
def _plurality_of_each(x: Any, weights: Any, tie: Any, levels: int, out: Any, start: int, stop: int) -> None:
    """Write the levels with the greatest weight, component by component."""
    n, dim = x.shape[1], x.shape[2]
    sums, lots, counts = np.empty(dim, np.int64), np.empty(dim, np.int32), np.zeros(levels, np.int64)
    for i in range(start, stop):
        _add_rows(x[i], weights[i], sums)
        _lots(sums, tie, 0, dim, levels, lots)
        for j in range(dim):
            for r in range(n):
                counts[x[i, r, j]] += weights[i, r]
            best = -1
            for r in range(n):
                level = np.int64(x[i, r, j])
                key = counts[level] * levels + (lots[j] - 1 - level) % levels
                if key > best:
                    best, out[i, j] = key, level
            if best < levels:  # no member's weight exceeds the 0 of levels without members
                best = -(1 << 62)
                for absent in range(levels):
                    found = counts[absent] * levels + (lots[j] - 1 - absent) % levels
                    if found > best:
                        best, out[i, j] = found, absent
            for r in range(n):
                counts[x[i, r, j]] = 0


def _members(x: AnyArray, weights: Ints | None) -> tuple[AnyArray, AnyArray, tuple[int, ...]]:
    """Return the sets, their weights (ones if there are none), and the shape of the result."""
    *batch, n, dim = x.shape
    given = np.ones(n, np.int64) if weights is None else weights
    sets = sets_of(x, x.dtype.newbyteorder("="))
    return sets, frozen(spread(given, (*batch, n)), np.int64, len(sets), n), (*batch, dim)


def plurality(x: AnyArray, weights: Ints | None, tie: Ints, levels: int) -> AnyArray:
    """Count by the method that suits the numbers of levels and members."""
    sets, w, shape = _members(x, weights)
    n, dim = sets.shape[1:]
    out = np.empty((len(sets), dim), dtype=sets.dtype)
    if weights is not None:
        loop, time = _plurality_of_each, 6.0 * n
    elif n <= min(FEW_MEMBERS, levels):
        loop, time = _plurality_of_members, 2 + 0.02 * n * n
    elif levels <= FEW_LEVELS:
        loop, time = _plurality_of_levels, 2 + 0.02 * n * levels
    elif n <= FEW_MEMBERS:
        loop, time = _plurality_of_members, 2 + 0.02 * n * n
    else:
        loop, time = _plurality_of_each, 6.0 * n
    over_rows(loop, len(sets), dim * time, sets, w, rows_of(tie, np.int64)[0], levels, out)
    return out.reshape(shape)


@inlined
def _about(x: Any, y: Any, per_turn: Any) -> Any:
    """Return a level within one of the angle's, by a polynomial for the arc tangent with an error of at most 1e-4."""
    wide, high = abs(x), abs(y)
    ratio = min(wide, high) / max(max(wide, high), 1.0)
    square = ratio * ratio
    angle = ((0.0208351 * square - 0.085133) * square + 0.180141) * square - 0.3302995
    angle = (angle * square + 0.999866) * ratio
    angle = math.pi / 2 - angle if high > wide else angle
    angle = math.pi - angle if x < 0 else angle
    angle = 2 * math.pi - angle if y < 0 else angle
    return np.int32(angle * per_turn + 0.5)


@kernel
def _phases_of_sums(across: Any, up: Any, sums: Any, tie: Any, column: int, about: Any, turns: Any, out: Any) -> None:
    """Write the best-scoring of three levels: the one that the polynomial found, and its two neighbors.

    Tie-breaking numbers are computed only where they decide.
    """
    cosines, sines, levels, dim = turns[0], turns[1], turns.shape[1], len(sums)
    per_turn = levels / (2 * math.pi)
    columns = min(SPAN, dim - column)
    for j in range(columns):
        about[j] = _about(np.float64(across[j]), np.float64(up[j]), per_turn)
    for j in range(columns):
        x, y = np.float64(across[j]), np.float64(up[j])
        here = about[j] if about[j] < levels else about[j] - levels
        below = here - 1 if here else levels - 1
        above = here + 1 if here + 1 < levels else 0
        low = cosines[below] * x + sines[below] * y
        middle = cosines[here] * x + sines[here] * y
        high = cosines[above] * x + sines[above] * y
        found = here
        if high > middle:
            found, middle = above, high
            below, low, high = here, cosines[here] * x + sines[here] * y, -math.inf
        elif low > middle:
            found, middle = below, low
            above, high, low = here, cosines[here] * x + sines[here] * y, -math.inf
        if high == middle or low == middle:
            at = column + j
            lot = (tie[at] + sums[at - 1 if at else dim - 1]) % levels
            if across[j] == 0 and up[j] == 0:
                found = lot
            elif high == middle:
                found = above if lot & 1 else found
            else:
                found = found if lot & 1 else below
        out[column + j] = found


@kernel
def _phases_of_levels(x: Any, weights: Any, tie: Any, table: Any, turns: Any, out: Any, start: int, stop: int) -> None:
    """Write the phases of sums of few levels, from their counts; all weights are 1."""
    dim, levels = x.shape[2], table.shape[1]
    sums, about = np.empty(dim, np.int64), np.empty(SPAN, np.int32)
    short, counts = np.empty((levels, SPAN), np.uint8), np.empty((levels, SPAN), np.int32)
    across, up = np.empty(SPAN, np.int64), np.empty(SPAN, np.int64)
    for i in range(start, stop):
        _add_rows(x[i], weights[i], sums)
        for column in range(0, dim, SPAN):
            columns = min(SPAN, dim - column)
            _count_levels(x[i], column, columns, levels, short, counts)
            for j in range(columns):
                across[j] = up[j] = 0
            for level in range(levels):
                cosine, sine, count = table[0, level], table[1, level], counts[level]
                for j in range(columns):
                    across[j] += cosine * np.int64(count[j])
                    up[j] += sine * np.int64(count[j])
            _phases_of_sums(across, up, sums, tie, column, about, turns, out[i])


@kernel
def _phases_of_each(x: Any, weights: Any, tie: Any, table: Any, turns: Any, out: Any, start: int, stop: int) -> None:
    """Write the phases of weighted sums, looked up component by component."""
    n, dim = x.shape[1], x.shape[2]
    sums, about = np.empty(dim, np.int64), np.empty(SPAN, np.int32)
    across, up = np.empty(SPAN, np.int64), np.empty(SPAN, np.int64)
    for i in range(start, stop):
        _add_rows(x[i], weights[i], sums)
        for column in range(0, dim, SPAN):
            columns = min(SPAN, dim - column)
            for j in range(columns):
                across[j] = up[j] = 0
            for r in range(n):
                row, weight = x[i, r, column : column + columns], weights[i, r]
                for j in range(columns):
                    across[j] += weight * table[0, row[j]]
                    up[j] += weight * table[1, row[j]]
            _phases_of_sums(across, up, sums, tie, column, about, turns, out[i])


def phases(x: AnyArray, weights: Ints | None, tie: Ints, table: Ints, turns: npt.NDArray[np.float64]) -> AnyArray:
    """Add counts times phasors for few levels, otherwise add phasors."""
    sets, w, shape = _members(x, weights)
    n, dim = sets.shape[1:]
    out = np.empty((len(sets), dim), dtype=sets.dtype)
    levels = table.shape[1]
    few = weights is None and levels <= min(FEW_LEVELS, 2 * n + 4)
    loop, time = (_phases_of_levels, 9 + 0.02 * n * levels) if few else (_phases_of_each, 9 + 1.5 * n)
    tables = frozen(table, np.int64, 2, levels), frozen(turns, np.float64, 2, levels)
    over_rows(loop, len(sets), dim * time, sets, w, rows_of(tie, np.int64)[0], *tables, out)
    return out.reshape(shape)


@kernel
def _sum_tables(x: Any, weights: Any, table: Any, out: Any, start: int, stop: int) -> None:
    n, dim = x.shape[1], x.shape[2]
    for i in range(start, stop):
        for part in range(len(table)):
            values, sums = table[part], out[i, part]
            for j in range(dim):
                sums[j] = 0
            for r in range(n):
                row, weight = x[i, r], weights[i, r]
                for j in range(dim):
                    sums[j] += weight * values[row[j]]


def sums(x: AnyArray, weights: Ints | None, table: Ints) -> Ints:
    """Add the table entries, part by part."""
    sets, w, shape = _members(x, weights)
    n, dim = sets.shape[1:]
    parts, levels = table.shape
    out = np.empty((len(sets), parts, dim), dtype=np.int64)
    over_rows(_sum_tables, len(sets), dim * parts * n * 0.8, sets, w, frozen(table, np.int64, parts, levels), out)
    return out.reshape(*shape[:-1], parts, dim)


@kernel
def _count_each(x: Any, weights: Any, out: Any, start: int, stop: int) -> None:
    n, levels, dim = x.shape[1], out.shape[1], x.shape[2]
    for i in range(start, stop):
        for level in range(levels):
            for j in range(dim):
                out[i, level, j] = 0
        for r in range(n):
            row, weight = x[i, r], weights[i, r]
            for j in range(dim):
                out[i, row[j], j] += weight


def counts(x: AnyArray, weights: Ints | None, levels: int) -> Ints:
    """Add each weight at the level of its component."""
    sets, w, shape = _members(x, weights)
    n, dim = sets.shape[1:]
    out = np.empty((len(sets), levels, dim), dtype=np.int64)
    over_rows(_count_each, len(sets), dim * (n * 1.5 + levels * 0.3), sets, w, out)
    return out.reshape(*shape[:-1], levels, dim)


# ---------------------------------------------------------------------- similarity


@kernel
def _equal(queries: Any, items: Any, out: Any, start: int, stop: int) -> None:
    """Count equal components with items ``start`` to ``stop``."""
    dim = items.shape[1]
    for i in range(start, stop):
        item = items[i]
        for q in range(len(queries)):
            total = np.int32(0)
            for first in range(0, dim, SHORT):  # byte counts fit this many, and bytes compare faster
                last = min(dim, first + SHORT)
                mine, theirs, same = queries[q, first:last], item[first:last], np.uint8(0)
                for j in range(len(mine)):
                    same += np.uint8(mine[j] == theirs[j])
                total += np.int32(same)
            out[i, q] = total


def equal(queries: AnyArray, items: AnyArray) -> npt.NDArray[np.int32]:
    """Compare all pairs, item by item."""
    native = items.dtype.newbyteorder("=")
    mine, theirs = rows_of(queries, native), rows_of(items, native)
    out = np.empty((len(theirs), len(mine)), dtype=np.int32)
    over_rows(_equal, len(theirs), len(mine) * items.shape[1] * 0.05, mine, theirs, out)
    return np.ascontiguousarray(out.T)


@kernel
def _look_up(queries: Any, items: Any, table: Any, out: Any, start: int, stop: int) -> None:
    """Add the entries of ``table`` for differences from -255 to 255 with items ``start`` to ``stop``."""
    dim = items.shape[1]
    for i in range(start, stop):
        item = items[i]
        for q in range(len(queries)):
            total = np.int64(0)
            for first in range(0, dim, PAIRS):
                last = min(dim, first + PAIRS)
                mine, theirs, some = queries[q, first:last], item[first:last], np.int32(0)
                for j in range(len(mine)):
                    some += table[np.uint32(np.uint32(255) + mine[j] - theirs[j])]
                total += np.int64(some)
            out[i, q] = total


def differences(queries: AnyArray, items: AnyArray, table: npt.NDArray[np.int32]) -> Ints:
    """Look up differences in a table that includes negative ones."""
    mine, theirs = rows_of(queries, np.uint8), rows_of(items, np.uint8)
    wrapped = frozen(table[np.arange(-255, 256) % len(table)], np.int32, 511)
    out = np.empty((len(theirs), len(mine)), dtype=np.int64)
    over_rows(_look_up, len(theirs), len(mine) * items.shape[1] * 0.5, mine, theirs, wrapped, out)
    return np.ascontiguousarray(out.T)
