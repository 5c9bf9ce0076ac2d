"""Interpret a cell: missing, a number, a date, or text. It means the same in every format."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

MISSING = frozenset({"", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A", "<NA>"})
"""Strings for a missing value; a period or a dash is not one."""

GREATEST = 1e100
"""Numbers of larger magnitude are errors of some other kind, and their squares would not be finite."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_DAY = 86400.0


def is_missing(value: Any) -> bool:
    """Say whether a cell is empty, or says that its value is not known."""
    if isinstance(value, str):
        return value in MISSING or value.strip() in MISSING
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def number(value: Any) -> float:
    """Return the number of a cell, NaN if it is none or beyond ``GREATEST``. A bool and ``1_000`` are not numbers."""
    if isinstance(value, str):
        if "_" in value:
            return math.nan
        try:
            found = float(value)
        except ValueError:
            return math.nan
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal | np.integer | np.floating):
        return math.nan
    else:
        try:
            found = float(value)
        except OverflowError:
            return math.nan
    return found if abs(found) <= GREATEST else math.nan


def day(value: Any) -> float:
    """Return the days since 1970 of an ISO 8601 date or date-time, NaN for other texts; without a zone, UTC."""
    if isinstance(value, str):
        if not _DATE.fullmatch(value.strip()):
            return math.nan
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return math.nan
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() / _DAY
    if isinstance(value, date):
        return float(value.toordinal() - date(1970, 1, 1).toordinal())
    return math.nan


def numbers(values: Any) -> npt.NDArray[np.float64]:
    """Return the number of each cell of a sequence or array as ``(n,)`` float64: NaN where it is missing or none."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return np.where(np.abs(values) <= GREATEST, values, np.nan)
    return _plain_numbers(values) if {*map(type, values)} == {str} else _each(number, values)


def _plain_numbers(values: Sequence[str]) -> npt.NDArray[np.float64]:
    """Read strings at the speed of Python's ``float``, or one by one if not all are numbers."""
    try:
        found = _each(float, values)
    except ValueError:
        return _each(number, values)
    if "_" in "".join(values):
        return _each(number, values)
    return np.where(np.abs(found) <= GREATEST, found, np.nan)


def _each(read: Callable[[Any], float], values: Sequence[Any]) -> npt.NDArray[np.float64]:
    return np.fromiter(map(read, values), dtype=np.float64, count=len(values))


def days(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return the days since 1970 of each cell as ``(n,)`` float64: NaN where it is missing or no date."""
    return _each(day, values)


def word(value: Any) -> str:
    """Return a cell as text: ``true`` for a bool, and whole numbers without a point, as in CSV."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.strip() if isinstance(value, str) else str(value)


def words(values: Sequence[Any]) -> npt.NDArray[np.object_]:
    """Return the text of each cell as ``(n,)`` objects: None where it is missing."""
    found = np.empty(len(values), dtype=object)
    if {*map(type, values)} == {str}:  # each distinct value is checked once
        known = {value: _word_or_none(value) for value in {*values}}
        found[:] = [known[value] for value in values]
    else:
        found[:] = [_word_or_none(value) for value in values]
    return found


def _word_or_none(value: Any) -> str | None:
    return None if is_missing(value) else word(value)
