"""Split tables into columns: arrays, lists of rows, and frames of pandas or polars."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.checks import shown
from hdc.errors import DTypeError, ParameterError

Real = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]


def is_frame(X: Any) -> bool:
    """Return whether X is a table whose columns have names: what pandas and polars call a data frame."""
    return hasattr(X, "columns") and hasattr(X, "__getitem__") and hasattr(X, "shape")


class Table:
    """Rows and named columns.

    Parameters
    ----------
    X : (n, columns) array, or frame
    """

    def __init__(self, X: Any) -> None:
        self.X, self.framed = X, is_frame(X)
        self._objects: dict[Any, Objects] = {}
        self.names: list[Any] = list(X.columns) if self.framed else list(range(X.shape[1]))

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def column(self, name: Any) -> Any:
        """Return a column as the container keeps it."""
        return self.X[name] if self.framed else self.X[:, name]

    def numbers(self, names: Sequence[Any]) -> Real:
        """Return columns of numbers, ``(n, names)`` float64; NaN is missing.

        Raises
        ------
        DTypeError
            If one has something else.
        ParameterError
            If a number is infinite.
        """
        if not self.framed and self.X.dtype.kind in "iufb" and len(names) == len(self.names):
            return np.ascontiguousarray(self.X, dtype=np.float64)
        out = np.empty((len(self), len(names)), dtype=np.float64)
        for place, name in enumerate(names):
            out[:, place] = _numbers(self.column(name), name)
            if np.isinf(out[:, place]).any():
                raise ParameterError(
                    f"column {shown(name)} contains infinity; give numbers, or NaN where one is missing"
                )
        return out

    def objects(self, name: Any) -> Objects:
        """Return a column as Python objects, ``(n,)``; None is missing."""
        if name not in self._objects:
            self._objects[name] = plain_objects(self.column(name))
        return self._objects[name]

    def looks_numeric(self, name: Any) -> bool:
        """Return whether a column has numbers, by its dtype, or by its values if the dtype does not show it."""
        column = self.column(name)
        kind = getattr(getattr(column, "dtype", None), "kind", "")
        named = str(getattr(column, "dtype", ""))
        if kind in tuple("iuf") and "category" not in named:
            return True
        if named.startswith(("Int", "UInt", "Float", "Decimal")):
            return True
        if kind in tuple("mM") or named.startswith(("Date", "Time", "Duration")):
            raise DTypeError(
                f"column {shown(name)} has dates or times; turn them into numbers, such as days since one of them"
            )
        if kind == "O" and not self._categorical(named):
            present = [value for value in plain_objects(column) if value is not None]
            return all(isinstance(v, int | float | np.number) and not isinstance(v, bool | np.bool_) for v in present)
        return False

    @staticmethod
    def _categorical(named: str) -> bool:
        return "category" in named or named.startswith(("Categorical", "Enum", "String"))


def plain_objects(column: Any) -> Objects:
    """Return the values of a column as Python objects; missing values (None, NaN, NaT, pandas.NA) become None."""
    if hasattr(column, "isna"):  # pandas
        values = np.asarray(column.astype(object).to_numpy(dtype=object), dtype=object).copy()
        values[column.isna().to_numpy(dtype=bool)] = None
        return values
    items = column.to_list() if hasattr(column, "to_list") else column.tolist()
    values = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        values[place] = None if isinstance(item, float | np.floating) and item != item else item
    return values


def _numbers(column: Any, name: Any) -> Real:
    try:
        if hasattr(column, "isna"):
            return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
        found = column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)
        if found.dtype.kind == "O":
            found = np.array([np.nan if value is None else value for value in found], dtype=object)
        return np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"column {shown(name)} is not of numbers: argument must be a string or a number ({error}); "
            "say what it is with columns={...: 'category'}"
        ) from None
