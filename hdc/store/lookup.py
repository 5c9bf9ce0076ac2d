"""Find the rows with a value in a growing column of 64-bit values: ids, or hashes of keys."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.store.blocks import Ints

Values = npt.NDArray[np.uint64]

SCANS = 32
"""Cost of sorting a column, in scans of it."""


class _Sorted(NamedTuple):
    """Values of the rows below ``stop``, ascending, and their rows; the lower row comes first in a tie."""

    values: Values
    rows: Ints
    stop: int


class Lookup:
    """Rows by value. Shared by all snapshots: rows never change, and each lookup says how many rows count.

    The most recent rows are scanned. Once scans have cost as much as sorting, these rows are sorted in. There is no
    lock: the sorted part is replaced as a whole, and threads that sort at the same time do it twice.
    """

    def __init__(self) -> None:
        self._sorted = _Sorted(np.empty(0, np.uint64), np.empty(0, np.int64), 0)
        self._cost = 0

    def last(self, wanted: Values, column: Values) -> Ints:
        """Return the last row of each value, -1 if there is none.

        Parameters
        ----------
        wanted : (n,) uint64 array
        column : (count,) uint64 array
        """
        held = self._prepared(len(wanted), column)
        rows = _last(held, wanted, len(column))
        new = column[held.stop :]
        if len(wanted) > SCANS:
            later = _last(_sorted(new, held.stop), wanted, len(column))
            return np.where(later >= 0, later, rows)
        for i, value in enumerate(wanted if len(new) else ()):
            found = np.flatnonzero(new == value)
            if len(found):
                rows[i] = held.stop + found[-1]
        return rows

    def all(self, value: np.uint64, column: Values) -> Ints:
        """Return the rows of a value, ascending."""
        held = self._prepared(1, column)
        first, stop = np.searchsorted(held.values, value, "left"), np.searchsorted(held.values, value, "right")
        rows = held.rows[first:stop]
        new = held.stop + np.flatnonzero(column[held.stop :] == value)
        return np.concatenate([rows[rows < len(column)], new])

    def _prepared(self, wanted: int, column: Values) -> _Sorted:
        held = self._sorted
        new = len(column) - held.stop
        if new <= 0:
            return held
        self._cost += min(wanted, SCANS) * new
        if self._cost < SCANS * len(column):
            return held
        fresh = _sorted(column[held.stop :], held.stop)
        values, rows = np.concatenate([held.values, fresh.values]), np.concatenate([held.rows, fresh.rows])
        order = np.argsort(values, kind="stable")  # of two sorted runs: a merge
        self._sorted, self._cost = _Sorted(values[order], rows[order], len(column)), 0
        return self._sorted


def _sorted(column: Values, first: int) -> _Sorted:
    """Sort a column whose first row is ``first``."""
    order = np.argsort(column, kind="stable")
    return _Sorted(column[order], first + order, first + len(column))


def _last(held: _Sorted, wanted: Values, count: int) -> Ints:
    """Return the last row below ``count`` of each value, -1 if there is none."""
    rows = np.full(len(wanted), -1, np.int64)
    if len(held.values):
        place = np.searchsorted(held.values, wanted, "right") - 1
        while True:
            there = (place >= 0) & (held.values[place] == wanted)
            later = there & (held.rows[place] >= count)
            if not later.any():
                break
            place[later] -= 1
        rows[there] = held.rows[place[there]]
    return rows
