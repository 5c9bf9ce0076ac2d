"""Checks of plain parameters, shared by everything that takes one."""

from typing import Any

import numpy as np

from hdc.errors import ParameterError


def integer(value: Any, what: str, least: int | None = None) -> int:
    """Return ``value`` as an int; NumPy's integers count, bools and floats do not.

    Raises
    ------
    ParameterError
        If it is no integer, or is less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or (least is not None and value < least):
        expected = "an integer" if least is None else f"an integer of at least {least}"
        raise ParameterError(f"{what} must be {expected}, not {value!r}")
    return int(value)
