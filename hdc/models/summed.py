"""Base of models whose vectors are floats and whose bundle is their sum."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy.typing as npt

from hdc.bounds.moments import Moments, linear
from hdc.dtypes import dtype_name
from hdc.kernels import Array
from hdc.similarity import cosine, dots, weighted_sum
from hdc.tally import Tally, float_dtype, join_sums, widened, wider
from hdc.vsa import VSA


@dataclass(frozen=True)
class Summed(VSA):
    """A model of floats: sums and cosines; gradients flow through every operation.

    Parameters
    ----------
    precision : str
        Dtype of atoms: a float that the backend has.
    """

    _: KW_ONLY
    precision: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_precision(self.precision)

    @property
    def storage(self) -> int:
        """Number of components."""
        return self.dim

    @property
    def dtype(self) -> Any:
        """The float dtype of ``precision``."""
        return self.kernels.arrays.dtype(self.precision)

    @property
    def square(self) -> float:
        """Expected squared norm of an atom."""
        return 1.0

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for a floating-point array of ``storage`` numbers."""
        return self.check_components(x, "f", what)

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Return what :meth:`of_sums` makes of the (weighted) sum along axis -2, in the dtype of ``x``."""
        return self.of_sums(self._sum(x, weights))

    def of_sums(self, sums: Array) -> Array:
        """Return the bundle of members with these sums: the sums."""
        return sums

    def _sum(self, x: Array, weights: Any) -> Array:
        members = self.check_bundle(x)
        w = None if weights is None else self.check_weights(weights, members, "biuf")
        return weighted_sum(self.kernels, members, w, members.dtype, math.inf)

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return the sums in float64, and the dtype of their bundle."""
        sums = self._sum(widened(self.xp, x), weights)
        return Tally({"sums": self.xp.astype(sums, self.xp.float64)}, {"dtype": dtype_name(x)})

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, sums; see :meth:`hdc.VSA.join_tallies`."""
        sums = join_sums(self.xp, a.arrays["sums"], b.arrays["sums"], sign)
        return Tally({"sums": sums}, {"dtype": wider(self.kernels, a.facts["dtype"], b.facts["dtype"])})

    def read_tally(self, tally: Tally) -> Array:
        """Return the bundle in the dtype of :meth:`bundle`."""
        return self.of_sums(self.xp.astype(tally.arrays["sums"], float_dtype(self.kernels, tally.facts["dtype"])))

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return cosines."""
        return cosine(self.kernels, self.check(queries, "queries"), self.check(items, "items"))

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum of vectors of length one; see :meth:`hdc.VSA.scores`."""
        return linear(size, self.storage)

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide whether the dot product is at least half of an atom's with itself (as D1)."""
        products = dots(self.kernels, self.check(bundle, "bundle"), self.check(items, "items"))
        return products >= self.square / 2

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate ``x.y`` of every pair, in atoms: unbiased, with variance ``(ab + t² - 2t) / dim`` or about (D2)."""
        common = dots(self.kernels, self.check(x, "x"), self.check(y, "y"))
        return self.xp.astype(common, self.xp.float64, copy=False) / self.square
