"""MAP-T: signs, multiplied to bind; a bundle is zero where its members do not agree enough."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Moments, dead_zone
from hdc.checks import number
from hdc.dtypes import size
from hdc.errors import DTypeError, ParameterError, WideningError
from hdc.kernels import Array
from hdc.models.rearranging import Rotating
from hdc.similarity import cosine, total_weight, weighted_sum
from hdc.tally import Tally, join_sums


@dataclass(frozen=True)
class MAPT(Rotating):
    """MAP-T: ternary MAP. ±1 atoms, product, signs of sums where they are clear, else 0; cosine.

    Arrays are ``(..., dim)`` int8 of -1, 0 and 1. A component of a bundle is 0 where the sum is at most
    ``zone * sqrt(W)`` in magnitude, W being the sum of the magnitudes of the weights: so much the sums of random
    members vary. Zone 0 keeps ties as zeros, which MAP-B decides by lot. Near .6, the zone of the least error in
    quantizing a normal variable to three values, a large bundle is .9 as similar to its members as their exact sum is;
    signs alone are .8. Binding keeps zeros where they are, so roles, which have none, are undone exactly; binding
    with a bundle forgets what the other operand has there.

    Parameters
    ----------
    zone : float
        0 or more, and less than 1, so that a bundle of one vector is that vector.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-T", 1000)
    >>> pair = vsa.bundle(vsa.symbols(["a", "b"]))
    >>> sorted(set(pair.tolist()))
    [-1, 0, 1]
    >>> abs(vsa.similarity(pair, vsa.symbols(["a", "b", "c"])).astype(float).round(1)).tolist()
    [0.7, 0.7, 0.0]
    """

    _: KW_ONLY
    zone: float = 0.0

    model: ClassVar[str] = "MAP-T"

    def __post_init__(self) -> None:
        super().__post_init__()
        zone = float(number(self.zone, "zone"))
        if not 0 <= zone < 1:
            raise ParameterError(f"zone must be at least 0 and less than 1, not {zone}")
        object.__setattr__(self, "zone", zone)

    @property
    def commutative(self) -> bool:
        """Products commute."""
        return True

    @property
    def self_inverse(self) -> bool:
        """Signs are their own inverses; zeros have none."""
        return True

    @property
    def dtype(self) -> Any:
        """int8."""
        return self.kernels.arrays.dtype("int8")

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for an int8 array of ``dim`` components -1, 0 and 1."""
        native, xp = self.check_components(x, "i", what), self.xp
        if native.dtype != xp.int8:
            raise DTypeError(f"{what} of {self.model} must be int8, not {native.dtype}")
        if size(native) and not bool((xp.min(native) >= -1) & (xp.max(native) <= 1)):
            raise DTypeError(f"components of {self.model} are -1, 0 and 1, and {what} has others; bundle them first")
        return native

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw ±1 components; the same signs as MAP-B's atoms."""
        return self.kernels.arrays.from_numpy(atoms.signs(self.kernels.bits, keys, self.dim).astype(np.int8))

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply component by component."""
        a, b = self.check_pair(role, x)
        return a * b

    def unbind(self, role: Any, y: Array) -> Array:
        """Multiply again: the exact inverse of signs."""
        return self.bind(role, y)

    @property
    def identity(self) -> Array:
        """Ones."""
        return self.kernels.arrays.from_numpy(np.ones(self.dim, np.int8))

    def normalize(self, x: Array) -> Array:
        """Return a copy: vectors have no other components, and what is open stays so."""
        return self.xp.asarray(self.check(x), copy=True)

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Add along axis -2, and return signs where sums are clear; weights are integers (negative ones subtract).

        Raises
        ------
        WideningError
            If a sum could leave int64.
        """
        return self.read_tally(self.tally(x, weights))

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return sums in int64, and of each the sum of the magnitudes of its weights."""
        members, xp = self.check_bundle(x), self.xp
        w = None if weights is None else self.check_weights(weights, members)
        bound = total_weight(xp, members, w)
        if bound >= 2.0**53:
            raise WideningError("a sum of these weights is not exact; keep their magnitudes below 2^53")
        narrow = xp.int32 if bound < 2.0**31 else xp.int64
        sums = xp.astype(weighted_sum(self.kernels, members, w, narrow, bound), xp.int64, copy=False)
        if w is None:
            spread = xp.full(sums.shape[:-1], members.shape[-2], dtype=xp.int64, device=sums.device)
        else:
            spread = xp.sum(xp.abs(xp.astype(w, xp.int64)), axis=-1, dtype=xp.int64)
        return Tally({"sums": sums, "weight": spread})

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, sums and weights; see :meth:`hdc.VSA.join_tallies`."""
        return Tally({name: join_sums(self.xp, a.arrays[name], b.arrays[name], sign) for name in a.arrays})

    def read_tally(self, tally: Tally) -> Array:
        """Return signs where sums are beyond the zone, else zeros."""
        xp, sums = self.xp, tally.arrays["sums"]
        spread = xp.sqrt(xp.astype(xp.abs(tally.arrays["weight"]), xp.float64))
        clear = xp.abs(sums) > xp.astype(xp.floor(self.zone * spread), xp.int64)[..., None]
        return xp.astype(xp.where(clear, xp.sign(sums), xp.zeros_like(sums)), xp.int8)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return cosines."""
        return cosine(self.kernels, self.check(queries, "queries"), self.check(items, "items"))

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of signs beyond a zone; see :meth:`hdc.VSA.scores`."""
        return dead_zone(size, self.dim, self.zone)
