"""Categories beside Fourier codes of numbers: each value adds an angle of its own to every component.

The sum of angles is a binding: the similarity of two rows is the kernel of their numbers times that of their
categories, so that a learner sees values that come together, and not each for itself as in a bundle. Two values of a
column are as far apart as numbers that differ by one standard deviation.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import MAPB, MAPI, VSA, RandomFourier
from hdc.apps.learn.features.categories import filler
from hdc.apps.learn.features.tables import Objects

Real = npt.NDArray[np.float64]
Angles = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]

LENGTH = math.sqrt(0.5)
"""Distance of each value from none; two values are at distance 1, because their directions are orthogonal."""

KEPT = 1 << 26
"""Most bytes of angles to cache (64 MiB)."""


def has_angles(vsa: VSA) -> bool:
    """Return whether angles can be added up in a model's Fourier codes."""
    return isinstance(vsa, MAPB | MAPI) or vsa.phases > 0


class CategoryAngles:
    """The angles of the values of some columns.

    Parameters
    ----------
    vsa : VSA
    names : sequence of names
        Of the columns.
    kernel : str
    bandwidth : float
        In standard deviations, as for numbers.
    turn : int, optional
        If angles are int32, modulo 2^32: what a turn is.
    """

    def __init__(self, vsa: VSA, names: Sequence[Any], kernel: str, bandwidth: float, turn: int | None = None) -> None:
        self.vsa, self.names, self.kernel, self.bandwidth, self.turn = vsa, names, kernel, bandwidth, turn
        self._numbers: dict[tuple[int, Any], int] = {}
        self._angles: list[Angles] = []
        self._lock = threading.Lock()

    def of_rows(self, columns: Sequence[Objects]) -> Angles:
        """Return the sums of the angles of each row, ``(n, outputs)``; missing values add nothing.

        Parameters
        ----------
        columns : of each column (n,) objects

        Returns
        -------
        (n, outputs) float64 array in turns, or int32 array
        """
        with self._lock:
            which, table = self._looked_up(columns)
        if not len(which):
            return np.zeros((0, self._outputs), table.dtype)
        total: Angles = table[which[0]]
        for numbers in which[1:]:
            total += table[numbers]
        return total

    def _looked_up(self, columns: Sequence[Objects]) -> tuple[Counts, Angles]:
        """Return the places of values in a table of their angles, ``(columns, n)``, and the table."""
        if 8 * len(self._angles) * self._outputs > KEPT:
            self._numbers, self._angles = {}, []
        which = np.array(
            [[self._number(place, value) for value in values] for place, values in enumerate(columns)], dtype=np.int64
        ).reshape(len(columns), -1)
        return which, self._table

    def _number(self, place: int, value: Any) -> int:
        """Return the number of a value's angles, drawing them if it is new; -1 is the last row, which is zeros."""
        if value is None:
            return -1
        key = place, filler(value, self.names[place])
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._angles)
            self._angles.append(self._drawn(self.names[place], key[1]))
            self.__dict__.pop("_table", None)
        return found

    def _drawn(self, name: Any, value: Any) -> Angles:
        own = RandomFourier(self.vsa, ("category", name, value), 1, kernel=self.kernel, bandwidth=self.bandwidth)
        turns: Real = own.frequencies[0] * (LENGTH / (2 * math.pi))
        return turns if self.turn is None else np.rint((turns - np.rint(turns)) * self.turn).astype(np.int32)

    @property
    def _outputs(self) -> int:
        return self.vsa.phases or self.vsa.dim

    @cached_property
    def _table(self) -> Angles:
        nothing = np.zeros(self._outputs, np.float64 if self.turn is None else np.int32)
        return np.stack([*self._angles, nothing])


def mismatches(columns: Mapping[Any, Objects], rows: Counts) -> Real:
    """Return in how many columns, given by name, each two of some rows differ, ``(rows, rows)``."""
    total = np.zeros((len(rows), len(rows)))
    for name, values in columns.items():
        numbers: dict[Any, int] = {}
        which = np.array([numbers.setdefault(filler(values[row], name), len(numbers)) for row in rows])
        total += which[:, None] != which
    return total
