"""The base of all encoders of values: a model, a name, the streams they draw from, and checks of numbers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name, encode_name
from hdc.checks import instance, number, numbers, shown
from hdc.dtypes import is_array, kind
from hdc.errors import DTypeError, ParameterError
from hdc.kernels import Array
from hdc.similarity import blocks
from hdc.vsa import VSA

COMPONENTS = 1 << 21
"""Components to process per block."""

CACHED = 1 << 17
"""Components to process per block if several steps profit from a cache."""

CHANGE_POINT = math.sqrt(26) / 2
"""Root mean square of the place of a drifting random walk's maximum, times the signal-to-noise ratio (Yao 1987)."""


class Estimate(NamedTuple):
    """A decoded value with its error estimate.

    Attributes
    ----------
    value : (...) float64 array
        For points ``(..., axes)``.
    error : (...) float64 array
        The standard error of each value, provided that the right peak was found: see ``similarity``. For integers, a
        bound on the chance that another one was encoded.
    similarity : (...) float64 array
        Of the vector with the code of the value. The value means nothing unless this is far above chance: about four
        times the standard deviation of the similarity of unrelated vectors.
    """

    value: Array
    error: Array
    similarity: Array


def nothing(x: Array, xp: Any, shape: tuple[int, ...] = (), dtype: Any = None) -> Estimate:
    """Return the estimate of no vectors, which not every library takes: a batch axis of ``x`` has length 0."""
    batch, real = tuple(x.shape[:-1]), xp.float64
    parts = ((batch + shape, dtype or real), (batch + shape, real), (batch, real))
    return Estimate(*(xp.zeros(size, dtype=of, device=x.device) for size, of in parts))


@dataclass(frozen=True)
class ValueEncoder(ABC):
    """An encoder of values over one model: a pure function of (algebra, name, parameters), no table and no state.

    Parameters
    ----------
    vsa : VSA
    name : name
        Opens the encoder's own streams: two encoders of one name have one code.
    """

    vsa: VSA
    name: Name

    code: ClassVar[str]
    """Distinguishes the streams of one kind of encoder from others."""

    def __post_init__(self) -> None:
        instance(self.vsa, "vsa", VSA)
        encode_name(self.name)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @abstractmethod
    def encode(self, values: Any) -> Array:
        """Return the codes of values, one for each: ``(..., storage)``."""

    def _keys(self, *parts: Name) -> npt.NDArray[np.uint64]:
        """Return the keys of the encoder's streams, ``(n, 2)``."""
        return atoms.stream_keys(self.vsa.seed, "value", [(self.code, self.name, part) for part in parts])

    def _uniform(self, count: int, *parts: Name) -> npt.NDArray[np.float64]:
        """Draw numbers strictly between 0 and 1, ``(n, count)``; drawing more leaves the first ones unchanged."""
        words = self.vsa.kernels.bits.random_words(self._keys(*parts), count)
        return atoms.uniforms(words)

    def _lasting(self, x: npt.NDArray[Any]) -> Array:
        """Move an array to the backend, to be cached."""
        arrays = self.vsa.kernels.arrays
        return arrays.lasting(lambda: arrays.from_numpy(x))

    def _reals(self, values: Any, what: str = "values") -> Array:
        """Return numbers of any library as finite float64 of the backend; gradients flow from its own arrays.

        Raises
        ------
        ParameterError
            If one is NaN or infinite, or they are not numbers.
        DTypeError
            If they are an array of another library.
        """
        arrays, xp = self.vsa.kernels.arrays, self.vsa.xp
        if is_array(values) and not isinstance(values, np.ndarray):
            given = arrays.check(values, what)
            if kind(xp, given) not in "iuf":
                raise DTypeError(f"{what} must be real numbers, not {given.dtype}")
        else:
            given = arrays.from_numpy(numbers(values, what))
        found = xp.astype(given, xp.float64, copy=False)
        if not bool(xp.all(xp.isfinite(found))):
            raise ParameterError(f"{what} must be finite; NaN or infinity was given: encode missing values as no value")
        return found


def interval(low: Any, high: Any) -> tuple[float, float]:
    """Return the ends of a range.

    Raises
    ------
    ParameterError
        If they are not finite numbers, or ``high`` is not above ``low``.
    """
    least, most = number(low, "low"), number(high, "high")
    if not least < most or not math.isfinite(most - least):
        raise ParameterError(f"high must be above low, not low={shown(low)}, high={shown(high)}")
    return least, most


def positive(value: Any, what: str) -> float:
    """Return a number above 0; raises :class:`~hdc.errors.ParameterError`."""
    found = number(value, what)
    if found <= 0:
        raise ParameterError(f"{what} must be a number above 0, not {shown(value)}")
    return found


def check_range(xp: Any, values: Array, low: float, high: float, what: str) -> Array:
    """Return values if all are in a range.

    Raises
    ------
    ParameterError
        If one is not; the message says which.
    """
    outside = (values < low) | (values > high)
    if bool(xp.any(outside)):
        first = float(values[outside].reshape(-1)[0])
        raise ParameterError(
            f"{what} lie from {low:g} to {high:g}, and {first:g} was given; clip it, or widen the range"
        )
    return values


def in_blocks(xp: Any, function: Callable[[Array], Array], rows: Array, width: int, most: int) -> Array:
    """Return what a function makes of rows, block by block of at most ``most`` numbers of a width; gradients flow."""
    parts = [function(rows[part]) for part in blocks(len(rows), width, most)]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def noise_of(xp: Any, similarity: Array) -> Array:
    """Return what a vector has beside its code, ``1 / s² - 1``: k - 1 for a sum of k; infinite for s <= 0."""
    safe = xp.where(similarity > 0, xp.clip(similarity, 1e-150, 1.0), 1.0)
    return xp.where(similarity > 0, 1 / (safe * safe) - 1, math.inf)


def as_given(found: npt.NDArray[np.float64]) -> Any:
    """Return a float for an array without axes, else the array."""
    return float(found) if found.ndim == 0 else found
