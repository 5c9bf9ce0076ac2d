"""FHRR: phasors, multiplied to bind (Plate 2003)."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.bounds.moments import Moments, linear, phases
from hdc.checks import choice, integer, number
from hdc.kernels import Array
from hdc.models.summed import Summed

BUNDLES = ("sum", "phase")


@dataclass(frozen=True)
class FHRR(Summed):
    """Fourier holographic reduced representations: phasors of uniform angle, product, sum, mean cosine of the angles.

    Arrays are ``(..., 2 * dim)`` floats, real and imaginary part of each component in turn: so dot products, cosines
    and sums are those of real vectors, and no backend needs complex numbers.

    Parameters
    ----------
    bundles : {"sum", "phase"}
        Whether a bundle is the sum of phasors, or each component of it is brought back to length one.
    precision : str
        A float that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("FHRR", 1000)
    >>> vsa.symbol("a").shape
    (2000,)
    >>> pair = vsa.bind(vsa.symbol("a"), vsa.symbol("b"))
    >>> round(float(vsa.similarity(vsa.unbind(vsa.symbol("a"), pair), vsa.symbol("b"))), 5)
    1.0
    """

    _: KW_ONLY
    bundles: str = "sum"

    model: ClassVar[str] = "FHRR"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.bundles, "bundles", BUNDLES)

    @property
    def storage(self) -> int:
        """Two numbers per component."""
        return 2 * self.dim

    @property
    def square(self) -> float:
        """Each component has length one."""
        return float(self.dim)

    @property
    def commutative(self) -> bool:
        """Angles add."""
        return True

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw uniform angles."""
        words = self.kernels.bits.random_words(keys, self.dim)
        angles = 2 * np.pi * ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53)
        drawn = np.empty((len(keys), self.dim, 2), dtype=np.float32 if self.precision == "float32" else np.float64)
        for part, function in enumerate((np.cos, np.sin)):
            function(angles, out=drawn[..., part], dtype=np.float64, casting="same_kind")
        native = self.kernels.arrays.from_numpy(drawn.reshape(len(keys), self.storage))
        return self.xp.astype(native, self.dtype, copy=False)

    def _multiplied(self, a: Any, x: Any, conjugate: bool) -> Array:
        one, other = self.check_pair(a, x)
        dtype = self.xp.result_type(one, other)
        one, other = (self.xp.astype(operand, dtype, copy=False) for operand in (one, other))
        return self.kernels.dense.phasor_product(one, other, conjugate)

    def _interleaved(self, real: Array, imaginary: Array) -> Array:
        parts = self.xp.stack([real, imaginary], axis=-1)
        return parts.reshape(*parts.shape[:-2], self.storage)

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply component by component: angles add."""
        return self._multiplied(role, x, False)

    def unbind(self, role: Any, y: Array) -> Array:
        """Multiply by the conjugate: the exact inverse of phasors."""
        return self._multiplied(role, y, True)

    def of_sums(self, sums: Array) -> Array:
        """Return sums as they are, or their phases."""
        return sums if self.bundles == "sum" else self.normalize(sums)

    def normalize(self, x: Array) -> Array:
        """Bring each component to length one, and zeros to the angle 0."""
        xp, checked = self.xp, self.check(x)
        real, imaginary = checked[..., 0::2], checked[..., 1::2]
        lengths = xp.sqrt(real * real + imaginary * imaginary)
        none, safe = lengths == 0, xp.where(lengths > 0, lengths, 1)
        return self._interleaved(xp.where(none, 1, real / safe), imaginary / safe)

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Rotate: component i moves to ``(i + shift) mod dim``."""
        return self.xp.roll(self.check(x), 2 * (integer(shift, "shift") % self.dim), axis=-1)

    @property
    def identity(self) -> Array:
        """The angle 0 everywhere."""
        return self.from_phases([0.0] * self.dim)

    def inverse(self, x: Array) -> Array:
        """Conjugate."""
        checked = self.check(x)
        return self._interleaved(checked[..., 0::2], -checked[..., 1::2])

    def power(self, x: Array, exponent: float) -> Array:
        """Multiply angles, those between -π and π, by the exponent, and raise lengths to it."""
        xp, checked, real = self.xp, self.check(x), number(exponent, "the exponent")
        across, up = checked[..., 0::2], checked[..., 1::2]
        lengths, angles = (across * across + up * up) ** (real / 2), real * xp.atan2(up, across)
        return self._interleaved(lengths * xp.cos(angles), lengths * xp.sin(angles))

    @property
    def phases(self) -> int:
        """One angle per component."""
        return self.dim

    def from_phases(self, angles: Any) -> Array:
        """Make phasors of angles; see :meth:`hdc.VSA.from_phases`."""
        given = self.check_phases(angles)
        phasors = self._interleaved(self.xp.cos(given), self.xp.sin(given))
        return self.xp.astype(phasors, self.dtype, copy=False)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum of phasors, or of its phases; see :meth:`hdc.VSA.scores`."""
        return linear(size, self.storage) if self.bundles == "sum" else phases(size, self.dim)

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide whether the dot product with a sum is at least half a member's, or by the similarity with phases."""
        return super().contains(bundle, items, size) if self.bundles == "sum" else self._near(bundle, items, size)
