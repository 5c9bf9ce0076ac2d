"""Queries about an array that models need, for any array library."""

import math
from typing import Any

import numpy as np

from hdc.kernels import Array

KINDS = {
    "b": "bool",
    "i": "signed integer",
    "u": "unsigned integer",
    "f": "real floating",
    "c": "complex floating",
}
"""NumPy's letters for the kinds of dtypes that the Array API names."""


_FOUND: dict[Any, str] = {}
"""Kinds by dtype, cached because every operation asks and the namespace takes as long as a small product."""


def kind(xp: Any, x: Array) -> str:
    """Return the letter of an array's kind of dtype; ``"O"`` for any that is no number."""
    if x.dtype not in _FOUND:
        _FOUND[x.dtype] = next((letter for letter, name in KINDS.items() if xp.isdtype(x.dtype, name)), "O")
    return _FOUND[x.dtype]


def dtype_name(x: Array) -> str:
    """Return the name of an array's dtype without its library's: ``"float32"``."""
    return str(x.dtype).rpartition(".")[2]


def is_array(value: Any) -> bool:
    """Return whether a value is an array of some library, and not a number or a name."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, np.generic)


def size(x: Array) -> int:
    """Return the number of entries."""
    return math.prod(x.shape)


def outer(combine: Any, x: Array, y: Array) -> Array:
    """Combine every entry of ``x`` with every entry of ``y``: ``x.shape + y.shape``."""
    return combine(x.reshape(x.shape + (1,) * y.ndim), y)
