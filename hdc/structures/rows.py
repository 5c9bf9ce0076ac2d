"""Hypervectors by number, computed once if all of them fit and otherwise when needed; runs of rows in blocks."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hdc.kernels import Array
from hdc.vsa import VSA

Numbers = npt.NDArray[np.int64]

TABLE_BYTES = 1 << 28
"""Most bytes of cached rows (256 MiB)."""

BLOCK_BYTES = 1 << 22
"""Approximate bytes of members to gather per block (4 MiB), which fit a cache."""


class Rows:
    """``count`` hypervectors, each made from its number.

    Parameters
    ----------
    vsa : VSA
    count : int
    make : (m,) ascending int64 array -> (m, storage) array
        Called once with all numbers if their vectors fit in ``TABLE_BYTES``, else with those that are asked for.
    """

    def __init__(self, vsa: VSA, count: int, make: Callable[[Numbers], Array]) -> None:
        self._vsa, self._make = vsa, make
        self._table = make(np.arange(count)) if 0 < count <= TABLE_BYTES // row_bytes(vsa) else None

    def take(self, numbers: Numbers) -> Array:
        """Return the vectors of numbers of any shape: ``(*shape, storage)``."""
        if self._table is None:
            wanted, places = np.unique(numbers, return_inverse=True)
            table, places = self._make(wanted), places.reshape(-1)
        else:
            table, places = self._table, numbers.reshape(-1)
        taken = self._vsa.xp.take(table, self._vsa.kernels.arrays.from_numpy(places), axis=0)
        return taken.reshape(*numbers.shape, self._vsa.storage)


def row_bytes(vsa: VSA) -> int:
    """Return the bytes of an atom."""
    return max(1, vsa.storage * int(vsa.dtype.itemsize))


def blocks(vsa: VSA, count: int, members: int) -> Iterator[slice]:
    """Cut ``count`` sets of ``members`` vectors into blocks of about ``BLOCK_BYTES``."""
    step = max(1, BLOCK_BYTES // (row_bytes(vsa) * max(1, members)))
    return (slice(start, min(count, start + step)) for start in range(0, count, step))


def bundle_sets(
    vsa: VSA, rows: Rows, numbers: Numbers, starts: Numbers, beside: Sequence[Callable[[slice], Array]] = ()
) -> Array:
    """Bundle sets of rows, of different sizes, in blocks.

    Parameters
    ----------
    vsa : VSA
    rows : Rows
    numbers : (m,) int64 array
        Rows of all sets, one set after another.
    starts : (n + 1,) int64 array
        Set i has ``numbers[starts[i] : starts[i + 1]]``.
    beside : functions of a slice of sets to (len, storage) arrays
        One more member each, for every set of the slice.

    Returns
    -------
    (n, storage) array
        Each what ``vsa.bundle`` returns for the set alone.
    """
    counts, out = np.diff(starts), None
    for block in blocks(vsa, len(counts), int(counts.max(initial=0)) + len(beside)):
        more = [member(block)[:, None] for member in beside]
        for count in np.unique(counts[block]).tolist():  # sets of one size are one batch
            chosen = np.flatnonzero(counts[block] == count)
            parts = [rows.take(numbers[starts[block.start + chosen][:, None] + np.arange(count)])] if count else []
            parts += [vsa.xp.take(one, vsa.kernels.arrays.from_numpy(chosen), axis=0) for one in more]
            made = vsa.bundle(parts[0] if len(parts) == 1 else _side_by_side(vsa, parts))
            out = _written(vsa, out, made, block, chosen, len(counts))
    return out


def _side_by_side(vsa: VSA, parts: list[Array]) -> Array:
    dtype = vsa.xp.result_type(*(part.dtype for part in parts))
    return vsa.xp.concat([vsa.xp.astype(part, dtype, copy=False) for part in parts], axis=1)


def _written(vsa: VSA, out: Array | None, made: Array, block: slice, chosen: Numbers, count: int) -> Array:
    """Write the bundles of some sets of a block to their rows of the result, widening it if needed."""
    xp = vsa.xp
    if out is None:
        out = xp.empty((count, vsa.storage), dtype=made.dtype, device=made.device)
    out = xp.astype(out, xp.result_type(out.dtype, made.dtype), copy=False)
    if len(made) == block.stop - block.start:
        out[block] = made
    else:
        out[vsa.kernels.arrays.from_numpy(block.start + chosen)] = made
    return out
