"""Hypervectors by number, made once where all of them fit and else as they are needed; runs of rows in blocks."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from hdc.kernels import Array
from hdc.vsa import VSA

Numbers = npt.NDArray[np.int64]

TABLE_BYTES = 1 << 28
"""Rows that are kept take at most so many bytes (256 MiB)."""

BLOCK_BYTES = 1 << 22
"""Members that are gathered at a time take about so many bytes (4 MiB): they stay in a cache."""


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
