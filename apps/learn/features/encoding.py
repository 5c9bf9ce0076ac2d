"""The state of a fitted transformer, and the encoding of rows by it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import VSA, NGrams
from hdc.apps.learn.features import numeric, records
from hdc.apps.learn.features.categories import category_members
from hdc.apps.learn.features.category_angles import CategoryAngles, has_angles
from hdc.apps.learn.features.documents import documents, transformed_members
from hdc.apps.learn.features.members import BLOCK, Members, bundled, joined
from hdc.apps.learn.features.scaling import Scaling
from hdc.apps.learn.features.series import SeriesCode
from hdc.apps.learn.features.tables import Objects, Table
from hdc.apps.learn.features.texts import text_members
from hdc.checks import shown
from hdc.errors import DTypeError, ParameterError
from hdc.kernels import Array

NOTHING = ("no", "number")
"""Name of the placeholder column if there are no numbers."""

ZERO = Scaling(*np.array([[0.0], [1.0], [0.0], [1.0]]))
"""Scaling of that column, which is always at its center."""


@dataclass(frozen=True, eq=False)
class Settings:
    """The parameters that say how numbers are encoded; see :class:`hdc.apps.learn.Features`."""

    numeric: str
    kernel: str
    kappa: int | None
    levels: int
    window: Any


@dataclass(frozen=True, eq=False)
class Encoding:
    """Hypervectors of the rows of tables with certain columns.

    Parameters
    ----------
    vsa : VSA
    settings : Settings
    names : list of names
        Of all columns, whose roles they are.
    kinds : list of str
    scaling : Scaling
        Of the columns of numbers.
    bandwidth : float
    series : mapping of name to (low, high)
        Of the columns of series.
    transformers : mapping of name to fitted transformer
    """

    vsa: VSA
    settings: Settings
    names: list[Any]
    kinds: list[str]
    scaling: Scaling
    bandwidth: float
    series: dict[Any, tuple[float, float]]
    transformers: dict[Any, Any]

    @cached_property
    def numbers(self) -> numeric.NumericCode | None:
        """The code of the columns of numbers; None if there are none."""
        names = [name for name, kind in zip(self.names, self.kinds, strict=True) if kind == "numeric"]
        if not names:
            return None
        given, chosen = self.settings, (self.vsa, names, self.scaling)
        if given.numeric == "fourier":
            return numeric.fourier(*chosen, given.kernel, self.bandwidth)
        if given.numeric == "projection":
            return numeric.projection(*chosen)
        return (records.density if given.numeric == "density" else records.level)(*chosen, given.kappa)

    @cached_property
    def folded(self) -> tuple[CategoryAngles, numeric.Whole] | None:
        """The angles of categories, and the Fourier code that they are added to; None where nothing can be added."""
        names = [name for name, kind in zip(self.names, self.kinds, strict=True) if kind == "category"]
        if self.settings.numeric != "fourier" or not names or not has_angles(self.vsa):
            return None
        code = self.numbers or numeric.fourier(self.vsa, [NOTHING], ZERO, self.settings.kernel, self.bandwidth)
        assert isinstance(code, numeric.Whole)
        turn = code.turn if isinstance(code, numeric.FourierSigns) else None
        return CategoryAngles(self.vsa, names, self.settings.kernel, self.bandwidth, turn), code

    def _folded(self, table: Table, rows: slice, numbers: numeric.Real) -> tuple[numeric.Real, npt.NDArray[Any]]:
        """Return the arguments of the Fourier code of some rows: numbers, and angles of categories."""
        assert self.folded is not None
        angles, code = self.folded
        names = [table.names[place] for place, kind in enumerate(self.kinds) if kind == "category"]
        columns = [table.objects(name)[rows] for name in names]
        return numbers if numbers.shape[1] else np.zeros((len(numbers), len(code.names))), angles.of_rows(columns)

    def rows(self, table: Table) -> Array:
        """Return the hypervectors of the rows of a table, ``(n, storage)``."""
        apart = ("numeric", "drop") if self.folded is None else ("numeric", "drop", "category")
        places = [place for place, kind in enumerate(self.kinds) if kind not in apart]
        columns = [table.names[place] for place, kind in enumerate(self.kinds) if kind == "numeric"]
        numbers = table.numbers(columns)
        if self.folded is not None and not places:
            code = self.folded[1]
            parts = [
                code.rows(*self._folded(table, rows, numbers[rows]))
                for rows in self._blocks(len(table), len(self.kinds))
            ]
            return parts[0] if len(parts) == 1 else self.vsa.xp.concat(parts, axis=0)
        if self.numbers is not None and not places:
            return self.numbers.rows(numbers)
        if not places:
            raise ParameterError("no column is left to encode: all are of kind 'drop'")
        objects = [table.objects(table.names[place]) for place in places]
        parts = []
        for rows in self._blocks(len(table), len(self.kinds)):
            members = self._of_numbers(table, rows, numbers[rows])
            members += [self._members(place, values[rows]) for place, values in zip(places, objects, strict=True)]
            parts.append(bundled(self.vsa, joined(self.vsa, members), self.settings.kappa))
        return parts[0] if len(parts) == 1 else self.vsa.xp.concat(parts, axis=0)

    def _of_numbers(self, table: Table, rows: slice, numbers: npt.NDArray[np.float64]) -> list[Members]:
        if self.folded is not None:
            angles, code = self.folded
            known, turns = self._folded(table, rows, numbers)
            return [code.members(known, turns, len(angles.names) - (self.numbers is None))]
        return [] if self.numbers is None else [self.numbers.members(numbers)]

    def _blocks(self, rows: int, members: int) -> Iterator[slice]:
        step = max(1, BLOCK // (8 * members * self.vsa.storage))
        for start in range(0, rows, step):
            yield slice(start, min(start + step, rows))

    def _members(self, place: int, values: Objects) -> Members:
        name, kind = self.names[place], self.kinds[place]
        makers: dict[str, Callable[[], Members]] = {
            "category": lambda: category_members(self.vsa, name, values),
            "text": lambda: text_members(self.vsa, name, values),
            "series": lambda: self._series_members(name, values),
            "json": lambda: self._transformed(name, values, documents(values, name)),
        }
        return makers.get(kind, lambda: self._transformed(name, values, values.tolist()))()

    def _transformed(self, name: Any, values: Objects, given: list[Any]) -> Members:
        present = [value is not None for value in values]
        return transformed_members(self.vsa, name, self.transformers[name], given, present)

    def _series_members(self, name: Any, values: Objects) -> Members:
        """Return a member for each series of a column, which may have different lengths."""
        low, high = (np.array([end]) for end in self.series[name])
        code = SeriesCode(self.vsa, [name], low, high, self.settings.levels, self.settings.window)
        least = min(NGrams(self.vsa, self.settings.window).lengths)
        rows = [series_of(value, name, least) for value in values]
        parts = [code.members(row[None, None]) for row in rows]
        weights = [np.ones((1, 1), dtype=np.int64) if part.weights is None else part.weights for part in parts]
        return Members(self.vsa.xp.concat([part.vectors for part in parts], axis=0), np.concatenate(weights))


def series_of(value: Any, name: Any, least: int = 1) -> npt.NDArray[np.float64]:
    """Return a series of a column as ``(length,)`` float64; a missing one has only missing numbers.

    Raises
    ------
    DTypeError
        If it is none.
    """
    try:
        found = np.full(least, np.nan) if value is None else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(())
    if found.ndim != 1 or np.isinf(found).any():
        raise DTypeError(f"column {shown(name)} has {shown(value)}, and its kind is 'series': give lists of numbers")
    return found
