"""Signs of random Fourier features, as tables of integer phases."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits.encoders import MOST_DIM, Reals
from hdc.apps.learn.bits.steps import Stepped, finite, read_only
from hdc.apps.learn.features.spans import in_spans
from hdc.checks import array, integer, shown
from hdc.dispatch import feature_kernels
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.kernels import Backend
from hdc.words import Words

STEPS = (1 << 15) - 1
"""Steps from the missing value to the farther end of a range."""

LEAST_STEP = 2.0**-1000
"""Step of an empty range; its reciprocal is still a double."""

MOST_STEPS = 1 << 16
"""Most steps of a feature to either side."""


@dataclass(frozen=True)
class Fourier(Stepped):
    """Signs of cosines of random projections, in integers: similarity is a kernel of the distance (Rahimi, Recht 2007).

    With q the integer of a feature, of magnitude up to ``most``, component j has the phase ``offsets[j] + weights[j] .
    q`` modulo 2^32, where ``2 << bit`` is a turn, and its bit is bit number ``bit`` of it: a cosine is negative in the
    second and third quarter, which is one bit, as ``offsets`` are a quarter ahead. A missing feature has the integer 0.

    Parameters
    ----------
    low, scale : (features,) float64 arrays
    offsets : (dim,) uint32 array
    weights : (dim, features) int8, int16 or int32 array
    bit : int
        From 1 to 31.
    most : int
        From 1 to 65536.

    Raises
    ------
    DTypeError, DimensionError, ParameterError
        If these do not have those shapes and dtypes.
    """

    offsets: npt.NDArray[np.uint32]
    weights: npt.NDArray[Any]
    bit: int
    most: int = MOST_STEPS
    dim: int = field(init=False)

    kind: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self._check_steps()
        object.__setattr__(self, "bit", integer(self.bit, "bit", 1, 31))
        object.__setattr__(self, "most", integer(self.most, "most", 1, MOST_STEPS))
        for name, dtypes in (("offsets", ("uint32",)), ("weights", ("int8", "int16", "int32"))):
            found = array(getattr(self, name), name)
            if found.dtype.newbyteorder("=").name not in dtypes:
                raise DTypeError(f"{name} must be of dtype {' or '.join(dtypes)}, not {found.dtype}")
            object.__setattr__(self, name, read_only(np.array(found, found.dtype.newbyteorder("="), order="C")))
        dim = self.offsets.shape[0] if self.offsets.ndim == 1 else 0
        if self.weights.shape != (dim, self.features) or not 1 <= dim <= MOST_DIM:
            raise DimensionError(
                f"offsets must be of shape (dim,) and weights of (dim, {self.features}), "
                f"not {self.offsets.shape} and {self.weights.shape}"
            )
        object.__setattr__(self, "dim", dim)

    @classmethod
    def of(
        cls, frequencies: Any, offsets: Any, low: Any, high: Any, *, missing: Any = None, weight_bits: int | None = None
    ) -> "Fourier":
        """Convert random Fourier features, ``bit j = cos(frequencies[:, j] . x + offsets[j]) < 0``.

        Parameters
        ----------
        frequencies : (features, dim) array of numbers
            Angles per unit of each feature, as they come.
        offsets : (dim,) array of numbers
            Angles.
        low, high : (features,) arrays of numbers
            Values of each feature are cut to this range, which is taken in up to 65535 steps.
        missing : (features,) array of numbers, optional
            Replacement of a missing value; by default the middle of the range.
        weight_bits : 8, 16 or 32, optional
            The least of 16 and 32 whose roundings move phases by less than 1/256 of a turn if not given.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            If these do not have those shapes and dtypes, or ``bits`` is too small for a frequency.
        """
        theta, phase = finite(frequencies, "frequencies") / (2 * np.pi), finite(offsets, "offsets") / (2 * np.pi)
        begin, end = finite(low, "low"), finite(high, "high")
        if theta.ndim != 2 or begin.shape != theta.shape[:1] or end.shape != begin.shape or not (begin <= end).all():
            raise DimensionError(
                f"frequencies must be of shape (features, dim), low and high of (features,), low at most high; "
                f"these are {theta.shape}, {begin.shape} and {end.shape}"
            )
        middle = (begin + end) / 2 if missing is None else finite(missing, "missing")
        step = np.maximum(np.maximum(end - middle, middle - begin) / STEPS, LEAST_STEP)
        turns = theta * step[:, None]
        width, bit = _precision(turns, weight_bits)
        units = np.rint(turns.T * 2.0 ** (bit + 1))
        whole = np.rint((phase + middle @ theta) % 1 * 2.0 ** (bit + 1))
        return cls.of_phases(units, whole, middle, 1 / step, bit, STEPS, f"int{width}")

    @classmethod
    def of_phases(
        cls, weights: Reals, offsets: Reals, low: Reals, scale: Reals, bit: int, most: int, dtype: str = "int32"
    ) -> "Fourier":
        """Return the tables of whole phases, ``(dim, features)`` and ``(dim,)``, of which ``2 << bit`` are a turn."""
        whole, half = (offsets + 2.0 ** (bit - 1)) % 2.0**32, 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        wrapped = (weights + half) % (2 * half) - half
        return cls(low, scale, whole.astype(np.uint32), wrapped.astype(dtype), bit, most)

    @property
    def bytes(self) -> int:
        """Of offsets, weights and steps."""
        return self.offsets.nbytes + self.weights.nbytes + self.low.nbytes + self.scale.nbytes

    @property
    def _row_bytes(self) -> int:
        return 28 * self.features + self.dim

    @cached_property
    def _columns(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Weights in spans of components, and offsets minus the quarter turn that the kernel adds."""
        quarter = np.uint32(1 << (self.bit - 1))
        offsets = (self.offsets - quarter).view(np.int32)  # modulo 2^32
        return in_spans(self.weights.T.astype(np.int32)), offsets[None]

    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        steps = self._steps(rows, -self.most, self.most, 0)
        return np.asarray(feature_kernels(backend).fourier_signs(steps, *self._columns, 2 << self.bit))


def _precision(turns: Reals, weight_bits: int | None) -> tuple[int, int]:
    """Return the width of weights, and the bit that shows whether a cosine is negative."""
    if weight_bits not in (None, 8, 16, 32):
        raise ParameterError(f"weight_bits must be 8, 16, 32 or None, not {shown(weight_bits)}")
    for width in (16, 32) if weight_bits is None else (weight_bits,):
        greatest = float(np.abs(turns).max(initial=0))
        room = np.log2((2.0 ** (width - 1) - 1) / greatest) if greatest > 0 else 32.0
        bit = 31 if width == 32 else min(31, int(np.floor(room)) - 1)
        moved = np.sqrt(len(turns) / 12) * STEPS / 2.0 ** (bit + 1)
        if bit >= 1 and (weight_bits is not None or width == 32 or moved < 1 / 256):
            return width, bit
    raise ParameterError(f"weights of {weight_bits} bits do not hold these frequencies; take weight_bits=32")
