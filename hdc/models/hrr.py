"""HRR: Gaussian atoms, circular convolution to bind (Plate 1995)."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name
from hdc.bounds.moments import Moments, linear
from hdc.checks import choice, integer, number
from hdc.errors import ParameterError
from hdc.kernels import Array
from hdc.models.rearranging import Shuffling
from hdc.models.summed import Summed

ROLES = ("unitary", "gaussian")

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class HRR(Shuffling, Summed):
    """Holographic reduced representations: N(0, 1/dim) atoms, circular convolution, sum, cosine.

    A role that :meth:`role` makes is unitary: all its frequencies have length one, so that binding with it keeps norms
    and similarities, and unbinding is exact to rounding at any depth. Symbols are not: what is bound with a symbol
    comes back with a cosine of about ``2 ** -0.5``. :meth:`permute` is a fixed random permutation: a rotation is itself
    a convolution, and n-grams made with it would not know their order.

    Parameters
    ----------
    roles : {"unitary", "gaussian"}
        ``"gaussian"`` draws roles as symbols are drawn, as in Plate's own experiments.
    precision : {"float32", "float64"}

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("HRR", 1024)
    >>> person = vsa.bundle(vsa.bind(vsa.role("name"), vsa.symbols(["Ada"])))
    >>> round(float(vsa.similarity(vsa.unbind(vsa.role("name"), person), vsa.symbol("Ada"))), 5)
    1.0
    """

    _: KW_ONLY
    roles: str = "unitary"

    model: ClassVar[str] = "HRR"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.roles, "roles", ROLES)
        choice(self.precision, "precision", PRECISIONS)

    @property
    def commutative(self) -> bool:
        """Convolutions commute."""
        return True

    @property
    def exact_unbind(self) -> bool:
        """Unitary roles are undone exactly."""
        return self.roles == "unitary"

    @property
    def isometric(self) -> bool:
        """Unitary roles keep norms and similarities."""
        return self.roles == "unitary"

    def unbound_similarity(self, depth: int = 1) -> float:
        """Return 1 for unitary roles, else ``2 ** (-depth / 2)``: each unbinding adds noise of its own norm."""
        levels = integer(depth, "depth", 0)
        return 1.0 if self.exact_unbind else float(2 ** (-levels / 2))

    def _drawn(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
        rows: npt.NDArray[np.float64] = atoms.normal_rows(self.kernels.bits, keys, self.dim) / np.sqrt(self.dim)
        return rows

    def _native(self, rows: npt.NDArray[np.float64]) -> Array:
        return self.kernels.arrays.from_numpy(rows.astype(self.precision))

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw normal components of variance 1/dim."""
        return self._native(self._drawn(keys))

    def role(self, name: Name) -> Array:
        """Return the role of a name: its atom, with all frequencies of length one if roles are unitary.

        The frequencies that have no phase, of the mean and of alternating signs, are one, so that powers exist.
        """
        drawn = self._drawn(atoms.stream_keys(self.seed, "role", (name,)))
        if self.roles == "unitary":
            spectrum = np.fft.rfft(drawn)
            spectrum /= np.abs(spectrum)
            spectrum[:, 0] = 1
            if self.dim % 2 == 0:
                spectrum[:, -1] = 1
            drawn = np.fft.irfft(spectrum, self.dim)
        return self._native(drawn)[0]

    def _convolved(self, a: Any, x: Any, back: bool) -> Array:
        one, other = self.check_pair(a, x)
        dtype = self.xp.result_type(one, other)
        left, right = (self.xp.astype(operand, dtype, copy=False) for operand in (one, other))
        return self.xp.astype(self.kernels.dense.convolve(left, right, back), other.dtype, copy=False)

    def bind(self, role: Any, x: Array) -> Array:
        """Convolve circularly, by fast Fourier transforms."""
        return self._convolved(role, x, back=False)

    def unbind(self, role: Any, y: Array) -> Array:
        """Correlate circularly: the exact inverse of a unitary role, the stable one of any other vector."""
        return self._convolved(role, y, back=True)

    @property
    def identity(self) -> Array:
        """One in the first component, else zeros: all frequencies one."""
        return self._native(np.eye(1, self.dim))[0]

    def inverse(self, x: Array) -> Array:
        """Mirror: component i moves to ``-i mod dim``, which conjugates all frequencies."""
        return self.xp.roll(self.xp.flip(self.check(x), axis=-1), 1, axis=-1)

    def _filtered(self, x: Array, change: Callable[[Array], Array]) -> Array:
        """Change the frequencies of vectors."""
        if math.prod(x.shape) == 0:  # not every library has a transform for it
            return self.xp.asarray(x, copy=True)
        changed = self.xp.fft.irfft(change(self.xp.fft.rfft(x)), n=self.dim)
        return self.xp.astype(changed, x.dtype, copy=False)

    def normalize(self, x: Array) -> Array:
        """Bring all frequencies to length one, as those of roles are: the nearest vector that unbinds exactly.

        The frequencies that have no phase, of the mean and of alternating signs, keep their sign.
        """
        xp = self.xp

        def unit(spectrum: Array) -> Array:
            lengths = xp.abs(spectrum)
            return xp.where(lengths > 0, spectrum / xp.where(lengths > 0, lengths, 1), 1)

        return self._filtered(self.check(x), unit)

    def power(self, x: Array, exponent: float) -> Array:
        """Raise all frequencies to a power; see :meth:`hdc.VSA.power`.

        Raises
        ------
        ParameterError
            If the exponent is not whole and a frequency without a phase (of the mean, or of alternating signs) is
            negative, as in half of all symbols; roles and vectors of :meth:`from_phases` have them one.
        """
        checked, real = self.check(x), number(exponent, "the exponent")
        if real == int(real):
            return super().power(checked, int(real))
        edges = (0, self.dim // 2) if self.dim % 2 == 0 else (0,)

        def raised(spectrum: Array) -> Array:
            if any(bool(self.xp.any(self.xp.real(spectrum[..., edge]) <= 0)) for edge in edges):
                raise ParameterError(
                    f"a power of {exponent!r} needs a positive mean and positive alternating sums; take a role, or a "
                    "vector of from_phases"
                )
            return spectrum**real

        return self._filtered(checked, raised)

    @property
    def phases(self) -> int:
        """Frequencies that have a phase: all but those of the mean and of alternating signs."""
        return (self.dim - 1) // 2

    def from_phases(self, angles: Any) -> Array:
        """Make unitary vectors with these phases; see :meth:`hdc.VSA.from_phases`."""
        if not self.phases:
            return super().from_phases(angles)
        xp, given = self.xp, self.check_phases(angles)
        if 0 in given.shape:  # not every library has a transform for it
            return xp.zeros((*given.shape[:-1], self.dim), dtype=self.dtype, device=given.device)
        one = xp.ones_like(given[..., :1])
        cosines = xp.concat([one, xp.cos(given), *([one] if self.dim % 2 == 0 else [])], axis=-1)
        sines = xp.concat([0 * one, xp.sin(given), *([0 * one] if self.dim % 2 == 0 else [])], axis=-1)
        return xp.astype(xp.fft.irfft(cosines + 1j * sines, n=self.dim), self.dtype, copy=False)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum; symbols, and Gaussian roles, as keys add noise; see :meth:`hdc.VSA.scores`."""
        inexact = read == "symbol" or (read == "role" and not self.exact_unbind)
        return linear(size, self.dim, own=3.5, keys=1.0) if inexact else linear(size, self.dim, own=0.5)
