"""Number names: equal names get one number, without serializing each of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hdc.atoms import encode_name
from hdc.dtypes import is_array
from hdc.structures.rows import Numbers

PLAIN = {str, bytes, int, float, bool}
"""Types for which two values are the same name exactly if type and value are equal (or both are NaN)."""

MISSING = -1
"""The number of None: no value."""


def numbered(values: Sequence[Any]) -> tuple[Numbers, list[Any]]:
    """Give values numbers from 0 on in order of first occurrence.

    Parameters
    ----------
    values : sequence of n names, hypervectors or None
        A hypervector is the same as itself only.

    Returns
    -------
    numbers : (n,) int64 array
        -1 for None.
    distinct : list
        The value of each number.

    Raises
    ------
    DTypeError
        If a value is neither a name nor an array.
    """
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) == 1 and kinds <= PLAIN:
        keys: Sequence[Any] = values
    elif kinds <= PLAIN:
        keys = [None if value is None else (type(value), value) for value in values]
    else:
        keys = [_key(value) for value in values]
    firsts = dict(zip(reversed(keys), reversed(values), strict=True))
    order = [key for key in dict.fromkeys(keys) if key is not None]
    places: dict[Any, int] = dict(zip(order, range(len(order)), strict=True))
    places[None] = MISSING
    numbers = np.fromiter(map(places.__getitem__, keys), dtype=np.int64, count=len(keys))
    return numbers, [firsts[key] for key in order]


def numbered_names(names: Iterable[Any]) -> tuple[Numbers, list[Any]]:
    """Like :func:`numbered` with names, of which None is one."""
    found = list(names)
    numbers, distinct = numbered(found)
    if len(numbers) and numbers.min() == MISSING:
        numbers = np.where(numbers == MISSING, len(distinct), numbers)
        distinct = [*distinct, None]
    return numbers, distinct


def _key(value: Any) -> Any:
    if value is None:
        return None
    return ("array", id(value)) if is_array(value) else encode_name(value)
