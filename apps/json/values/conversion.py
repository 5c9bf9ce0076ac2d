"""Convert strings that are written numbers: ISO 8601 dates and durations, and numerals."""

import math
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from hdc.apps.json.values.numbers import Quantities

YEAR = 365.2425
"""In days; a month is a twelfth of it."""

_DATE = re.compile(r"[0-9]{4}-(?:[0-9]{2}(?:-[0-9]{2})?|W[0-9]{2}-[0-9])(?:[T ][0-9:.,]{2,16}(?:Z|[+-][0-9:]{2,8})?)?")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_PART = r"(?:([0-9]{1,15}(?:[.,][0-9]{1,15})?)%s)?"
_DURATION = re.compile(
    "([+-]?)P(?=[0-9]|T[0-9])"
    + "".join(_PART % unit for unit in "YMWD")
    + "(?:T(?=[0-9])"
    + "".join(_PART % unit for unit in "HMS")
    + ")?"
)
_SECONDS = (*(86_400 * days for days in (YEAR, YEAR / 12, 7, 1)), 3600, 60, 1)
_NUMERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_NUMERAL = 400
"""Most characters of a numeral."""


def date_seconds(text: str) -> float | None:
    """Return the seconds from 1970 to an ISO 8601 date or date-time; None if the text is something else.

    ``2018-02``, ``2018-02-06``, ``2018-W06-2``, ``2018-02-06T15:50:43.5+08:00``; without an offset it is UTC. The
    basic format without hyphens is left alone: it cannot be told from a number.

    Examples
    --------
    >>> date_seconds("1970-01-02"), date_seconds("1970-01-01T01:00+01:00"), date_seconds("1970-13-01")
    (86400.0, 0.0, None)
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text + "-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH).total_seconds()


def duration_seconds(text: str) -> float | None:
    """Return the seconds of an ISO 8601 duration; None if the text is something else.

    A year counts 365.2425 days and a month a twelfth of it. The last part may have a fraction.

    Examples
    --------
    >>> duration_seconds("P1W"), duration_seconds("-PT1H30M"), duration_seconds("P"), duration_seconds("P1S")
    (604800.0, -5400.0, None, None)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    sign, *parts = match.groups()
    given = [(part.replace(",", "."), seconds) for part, seconds in zip(parts, _SECONDS, strict=True) if part]
    if any("." in part for part, _ in given[:-1]):
        return None
    total = sum(float(part) * seconds for part, seconds in given)
    return -total if sign == "-" else total


def numeral_value(text: str) -> int | float | None:
    """Return the number that a string writes down as JSON does; None if it is something else.

    ``007`` and ``+1`` are codes, not numerals.

    Examples
    --------
    >>> numeral_value("-12"), numeral_value("2.50"), numeral_value("007"), numeral_value("1e999")
    (-12, 2.5, None, None)
    """
    match = _NUMERAL.fullmatch(text) if len(text) <= MAX_NUMERAL else None
    if match is None:
        return None
    number = float(text) if match[1] or match[2] else int(text)
    return number if isinstance(number, int) or math.isfinite(number) else None


_READERS: dict[str, tuple[Quantities, Callable[[str], int | float | None]]] = {
    "dates": ("date", date_seconds),
    "durations": ("duration", duration_seconds),
    "numbers": ("number", numeral_value),
}

CONVERSIONS = tuple(_READERS)


def convert(text: str, conversions: Collection[str]) -> tuple[Quantities, int | float] | None:
    """Return what a string measures and its number; None if none of ``conversions`` reads it."""
    for name in conversions:
        kind, read = _READERS[name]
        number = read(text)
        if number is not None:
            return kind, number
    return None
