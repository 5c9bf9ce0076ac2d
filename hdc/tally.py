"""The memory of a running bundle: arrays whose size does not depend on the number of members."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hdc.dtypes import kind
from hdc.errors import WideningError
from hdc.kernels import Array, Backend


@dataclass(frozen=True)
class Tally:
    """The state of an :class:`hdc.Accumulator`, made and read by the model.

    Attributes
    ----------
    arrays : mapping of str to array
        Of the model's backend; names, shapes and dtypes are the same whatever the members.
    facts : mapping of str to str, int or float
        What else :meth:`hdc.VSA.read_tally` needs.
    """

    arrays: Mapping[str, Array]
    facts: Mapping[str, Any] = field(default_factory=dict)


def join_sums(xp: Any, a: Array, b: Array, sign: int) -> Array:
    """Return ``a + b``, or ``a - b`` for ``sign=-1``: exact for int64, and float64 if one is.

    Raises
    ------
    WideningError
        If an integer would leave int64.
    """
    if "f" in (kind(xp, a), kind(xp, b)):
        return xp.astype(a, xp.float64) + sign * xp.astype(b, xp.float64)
    total = a + b if sign > 0 else a - b
    wrapped = (a ^ total) & (b ^ total) if sign > 0 else (a ^ b) & (a ^ total)  # below 0 if the sign is wrong
    if bool(xp.any(wrapped < 0)):
        raise WideningError("a sum of this running bundle would leave int64; scale the weights down, nothing was added")
    return total


def widened(xp: Any, x: Array) -> Array:
    """Return half precision as float32, which the sum of a block needs, and other arrays unchanged."""
    return xp.astype(x, xp.float32) if kind(xp, x) == "f" and x.dtype.itemsize < 4 else x


def wider(kernels: Backend, a: str, b: str) -> str:
    """Return the name of the float dtype that two promote to; ``""`` means integers."""
    if a == b or not a or not b:
        return a or b
    found = kernels.xp.result_type(float_dtype(kernels, a), float_dtype(kernels, b))
    return str(found).rpartition(".")[2]


def float_dtype(kernels: Backend, name: str) -> Any:
    """Return the float dtype of a name; float32 where the backend has no such dtype."""
    return kernels.arrays.dtype(name if name in kernels.arrays.floats else "float32")
