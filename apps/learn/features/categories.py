"""Columns of categories: the role of the column times the symbol of the value."""

from typing import Any

import numpy as np

from hdc import VSA
from hdc.apps.learn.features.members import Members, column_member, taken
from hdc.apps.learn.features.tables import Objects
from hdc.checks import shown
from hdc.errors import DTypeError


def category_members(vsa: VSA, name: Any, values: Objects) -> Members:
    """Return a member for each value, of weight 0 where it is missing.

    Parameters
    ----------
    vsa : VSA
    name : name of the column
    values : (n,) array of objects
        Texts, numbers and truth values; other objects count as their text. None is missing.

    Raises
    ------
    DTypeError
        If one is a container.
    """
    numbers: dict[Any, int] = {}
    which = np.array([numbers.setdefault(filler(value, name), len(numbers)) for value in values], dtype=np.int64)
    present = np.array([value is not None for value in values], dtype=bool)
    return column_member(vsa, name, taken(vsa, vsa.symbols(list(numbers)), which), present)


def filler(value: Any, name: Any) -> Any:
    """Return the name of a value, with its type: 1, True and "1" are different categories."""
    if isinstance(value, dict | list | tuple | set | np.ndarray):
        raise DTypeError(
            f"column {shown(name)} has {shown(value)}: argument must be a string or a number; "
            "give a transformer for such a column, as in columns={...: JSONEncoder(...)}"
        )
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # integers become floats in a column with a missing value
    if value is None or isinstance(value, str | bytes | int | float):
        return type(value).__name__, value
    return type(value).__name__, str(value)
