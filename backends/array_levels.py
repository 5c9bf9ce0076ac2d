"""Kernels of integers below a number of levels, for any array namespace: simple, in bounded memory."""

import math
from functools import partial
from typing import Any

from hdc.kernels import Array, LevelKernels

COMPONENTS = 1 << 22
"""Components compared, counted or looked up at a time."""


def moved(xp: Any, a: Array, x: Array, sign: int, levels: int) -> Array:
    """Add in int32, and return the remainder."""
    total = xp.astype(x, xp.int32) + sign * xp.astype(a, xp.int32)
    out = xp.empty(total.shape, dtype=_native(xp, x), device=x.device)
    out[...] = xp.astype(xp.remainder(total, levels), out.dtype)
    return out


def _native(xp: Any, x: Array) -> Any:
    """Return the dtype of levels in the byte order of the machine."""
    return xp.uint8 if x.dtype == xp.uint8 else xp.int16


def _looked_up(xp: Any, table: Array, index: Array) -> Array:
    flat = xp.astype(index, xp.int64).reshape(-1)
    return xp.take(table, flat, axis=0).reshape(index.shape)


def sums(xp: Any, x: Array, weights: Array | None, table: Array) -> Array:
    """Look up and add some members at a time."""
    *batch, n, dim = x.shape
    parts = []
    for values in table:
        total = xp.zeros((*batch, dim), dtype=xp.int64, device=x.device)
        step = max(1, COMPONENTS // max(1, dim * math.prod(batch)))
        for start in range(0, n, step):
            part = slice(start, start + step)
            found = _looked_up(xp, values, x[..., part, :])
            total = total + xp.sum(found if weights is None else found * weights[..., part, None], axis=-2)
        parts.append(total)
    return xp.stack(parts, axis=-2)


def counts(xp: Any, x: Array, weights: Array | None, levels: int) -> Array:
    """Compare with each level."""
    w = 1 if weights is None else weights[..., None]
    return xp.stack([xp.sum((x == level) * w, axis=-2, dtype=xp.int64) for level in range(levels)], axis=-2)


def _lot(xp: Any, x: Array, weights: Array | None, tie: Array, levels: int) -> Array:
    members = xp.astype(x, xp.int64)
    beside = xp.sum(members if weights is None else members * weights[..., None], axis=-2)
    return xp.remainder(tie + xp.roll(beside, 1, axis=-1), levels)


def leading(xp: Any, counted: Array, lot: Array) -> Array:
    """Order levels by counts; among equal counts, the level that follows the lot soonest comes first."""
    levels = counted.shape[-2]

    def key(level: int) -> Array:
        return counted[..., level, :] * levels + xp.remainder(lot - 1 - level, levels)

    best, chosen = key(0), xp.zeros_like(lot)
    for level in range(1, levels):
        other = key(level)
        best, chosen = xp.where(other > best, other, best), xp.where(other > best, level, chosen)
    return chosen


def plurality(xp: Any, x: Array, weights: Array | None, tie: Array, levels: int) -> Array:
    """Count some sets at a time, and return the leading level."""
    *batch, n, dim = x.shape
    sets = x.reshape(math.prod(batch), n, dim)
    w = None if weights is None else xp.broadcast_to(weights, (*batch, n)).reshape(math.prod(batch), n)
    out = xp.empty((len(sets), dim), dtype=_native(xp, x), device=x.device)
    step = max(1, COMPONENTS // max(1, levels * dim))
    for start in range(0, len(sets), step):
        some, mine = sets[start : start + step], None if w is None else w[start : start + step]
        found = leading(xp, counts(xp, some, mine, levels), _lot(xp, some, mine, tie, levels))
        out[start : start + step] = xp.astype(found, out.dtype)
    return out.reshape(*batch, dim)


def nearest(xp: Any, across: Array, up: Array, lot: Array, turns: Array) -> Array:
    """Compare the levels on both sides of the angle."""
    levels = turns.shape[1]
    right, above_it = xp.astype(across, xp.float64), xp.astype(up, xp.float64)
    about = xp.astype(xp.floor(xp.atan2(above_it, right) / (2 * math.pi) * levels), xp.int64)
    below, above = xp.remainder(about, levels), xp.remainder(about + 1, levels)
    low, high = (
        _looked_up(xp, turns[0], level) * right + _looked_up(xp, turns[1], level) * above_it for level in (below, above)
    )
    nearer = xp.where((high > low) | ((high == low) & (lot % 2 == 1)), above, below)
    return xp.where((across == 0) & (up == 0), lot, nearer)


def phases(xp: Any, x: Array, weights: Array | None, tie: Array, table: Array, turns: Array) -> Array:
    """Add phasors, and return the nearest level."""
    added, lot = sums(xp, x, weights, table), _lot(xp, x, weights, tie, table.shape[1])
    return xp.astype(nearest(xp, added[..., 0, :], added[..., 1, :], lot, turns), _native(xp, x))


def equal(xp: Any, queries: Array, items: Array) -> Array:
    """Compare each query with as many items at a time as memory allows."""
    out = xp.empty((len(queries), len(items)), dtype=xp.int32, device=items.device)
    step = max(1, COMPONENTS // max(1, items.shape[1]))
    for q in range(len(queries)):
        for start in range(0, len(items), step):
            same = queries[q] == items[start : start + step]
            out[q, start : start + step] = xp.astype(xp.sum(same, axis=-1, dtype=xp.int64), xp.int32)
    return out


def differences(xp: Any, queries: Array, items: Array, table: Array) -> Array:
    """Look up the differences of each query and as many items at a time as memory allows."""
    out = xp.empty((len(queries), len(items)), dtype=xp.int64, device=items.device)
    step = max(1, COMPONENTS // max(1, items.shape[1]))
    wrapped = xp.concat([table, table])
    for q in range(len(queries)):
        ahead = xp.astype(queries[q], xp.int64) + table.shape[0]
        for start in range(0, len(items), step):
            apart = ahead - xp.astype(items[start : start + step], xp.int64)
            out[q, start : start + step] = xp.sum(_looked_up(xp, wrapped, apart), axis=-1, dtype=xp.int64)
    return out


def kernels(xp: Any) -> LevelKernels:
    """Return the kernel record of a namespace."""
    return LevelKernels(
        moved=partial(moved, xp),
        sums=partial(sums, xp),
        counts=partial(counts, xp),
        leading=partial(leading, xp),
        nearest=partial(nearest, xp),
        plurality=partial(plurality, xp),
        phases=partial(phases, xp),
        equal=partial(equal, xp),
        differences=partial(differences, xp),
    )
