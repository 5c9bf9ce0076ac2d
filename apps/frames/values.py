"""Convert values of Python and NumPy that JSON lacks into equivalent JSON values."""

import base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import Any
from uuid import UUID

import numpy as np

MOST_LEVELS = 300
"""Values nested deeper are not converted; the consumer rejects them."""

_JSON = frozenset({str, int, float, bool, type(None)})

FINER = frozenset({"ns", "ps", "fs", "as"})
"""Units of NumPy's times that Python lacks; they are cut to whole microseconds."""

_MISSING = frozenset({"NaTType", "NAType"})
"""Types of pandas's missing values, by name, so pandas need not be imported."""


def json_value(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Convert a value, at any depth, to JSON types; values without an equivalent, NaN and infinity stay unchanged.

    Timestamps, dates and times become ISO-8601 text in microseconds; durations become seconds. Whole decimals become
    integers, others doubles. UUIDs become text, bytes base64 text, NumPy's scalars and arrays numbers and lists.
    pandas's ``NaT`` and ``NA`` become None.
    """
    if type(value) in _JSON:
        return value
    if isinstance(value, dict | list | tuple):
        if not levels:
            return value
        if isinstance(value, dict):
            return {key: json_value(held, levels - 1) for key, held in value.items()}
        if type(value).__name__ != "MonthDayNano":
            return [json_value(held, levels - 1) for held in value]
    converted = scalar(value)
    return converted if type(converted) is type(value) else json_value(converted, levels)


@singledispatch
def scalar(value: Any) -> Any:
    """Convert a value to the next simpler Python type; return the same object if its type is unknown."""
    name = type(value).__name__
    if name in _MISSING:
        return None
    return str(value) if name == "Period" and type(value).__module__.startswith("pandas") else value


@scalar.register
def _(value: tuple) -> Any:  # type: ignore[type-arg]
    """Convert Arrow's interval of months, days and nanoseconds to an ISO-8601 duration."""
    months, days, nanoseconds = value
    dates = "".join(f"{count}{unit}" for count, unit in ((months, "M"), (days, "D")) if count)
    seconds = f"{nanoseconds / 1e9:.9f}".rstrip("0").rstrip(".")
    return f"P{dates}" + (f"T{seconds}S" if nanoseconds or not dates else "")


@scalar.register
def _(value: np.generic) -> Any:
    if not isinstance(value, np.datetime64 | np.timedelta64):
        return float(value) if isinstance(value, np.floating) else value.item()
    unit, _ = np.datetime_data(value.dtype)
    plain = (value.astype(f"{value.dtype.kind}8[us]") if unit in FINER else value).item()
    return value if isinstance(plain, int) else plain  # years, months, and dates outside the calendar


@scalar.register
def _(value: np.ndarray) -> Any:
    return list(value) if value.dtype.kind in "mM" and value.ndim else value.tolist()


@scalar.register
def _(value: datetime) -> Any:
    if value != value:  # pandas's NaT
        return None
    plain = getattr(value, "to_pydatetime", None)
    return (value if plain is None else plain(warn=False)).isoformat()


@scalar.register
def _(value: Decimal) -> Any:
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)


def _register(kind: type, converted: Callable[[Any], Any]) -> None:
    scalar.register(kind, converted)


_register(str, str.__str__)
_register(int, int)
_register(float, float)
_register(date, date.isoformat)
_register(time, time.isoformat)
_register(timedelta, lambda value: None if value != value else value.total_seconds())
_register(UUID, str)
for _kind in (bytes, bytearray, memoryview):
    _register(_kind, lambda value: base64.b64encode(value).decode("ascii"))
