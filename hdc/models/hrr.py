"""HRR: Gaussian atoms, circular convolution to bind (Plate 1995)."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name
from hdc.checks import choice, integer
from hdc.kernels import Array
from hdc.models.rearranging import Order, order_of
from hdc.models.summed import Summed

ROLES = ("unitary", "gaussian")

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class HRR(Summed):
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
        (one, other), xp = self.check_pair(a, x), self.xp
        batch = self.check_batches(one, other)
        if 0 in batch:  # of which not every library has a transform
            return xp.zeros((*batch, self.dim), dtype=other.dtype, device=other.device)
        spectrum = xp.fft.rfft(one)
        product = (xp.conj(spectrum) if back else spectrum) * xp.fft.rfft(other)
        return xp.astype(xp.fft.irfft(product, n=self.dim), other.dtype, copy=False)

    def bind(self, role: Any, x: Array) -> Array:
        """Convolve circularly, by fast Fourier transforms."""
        return self._convolved(role, x, back=False)

    def unbind(self, role: Any, y: Array) -> Array:
        """Correlate circularly: the exact inverse of a unitary role, the stable one of any other vector."""
        return self._convolved(role, y, back=True)

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Apply a fixed random permutation ``shift`` times."""
        key = "HRR", self.dim, self.seed
        order = order_of(self.kernels, key, self._permutation, integer(shift, "shift"))
        return self.xp.take(self.check(x), order, axis=-1)

    @cached_property
    def _permutation(self) -> Order:
        return atoms.permutation(self.kernels.bits, atoms.stream_keys(self.seed, "permute", [0])[0], self.dim)
