"""RaBitQBinarizer: rotated residuals in few bits, with an unbiased estimate of the dot product and an error bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats, Ids
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.binarizers.rabitq_factors import UPPER, WHOLE, read, upper_word, whole_word
from hdc.apps.retrieval.binarizers.rabitq_levels import MOST_BITS, grid_planes, grid_vectors
from hdc.apps.retrieval.binarizers.rabitq_lists import find_lists
from hdc.apps.retrieval.binarizers.rabitq_whole import whole_scores
from hdc.apps.retrieval.binarizers.sign import Rotations, mean_of
from hdc.checks import integer
from hdc.dispatch import list_kernels, search_kernels
from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import Centroids, EstimatePart, EstimatePlan, WholeCodes
from hdc.search.estimates import Factors
from hdc.search.kmeans import sampled
from hdc.words import Words, pack

MOST_LISTS, MOST_COMPONENTS = 1 << 24, 1 << 16

MEAN_MOST = 2**15 - 1
"""Greatest integer that a query and the single centroid are rounded to for their product."""


@dataclass(frozen=True)
class SignFactors(Factors):
    """Factors of n codes, stored beside their signs.

    Attributes
    ----------
    norm, fit : (n,) float32 arrays
        |r|, and f, the cosine between the residual and its signs.
    """

    norm: Floats
    fit: Floats


class RaBitQBinarizer(EstimatingBinarizer):
    """RaBitQ codes (Gao & Long 2024): few bits per dimension, the residual's norm, and the cosine of code and residual.

    A vector x with residual ``r = x - c`` has the code ``s = sign(P r)``. P is a random orthogonal operator; c is the
    centroid of its list, or the mean if there is one list. The code stores f, the cosine between ``s / sqrt(d)`` and
    ``P r``. For a query q, ``|r| (P (q - c) . s) / (sqrt(d) f)`` estimates ``r . (q - c)``. The estimate is unbiased
    over the choice of P, with an error proportional to ``|q - c|``. ``r . c`` is known, so ``x . q`` follows.

    With b bits per component (Gao et al. 2024), y has odd integers below 2**b instead of signs, chosen to make a small
    angle with ``P r``. The estimate is ``|r| (P (q - c) . y) / (|y| f)``. The signs are the first bit plane: a search
    finds candidates by signs, then reorders them by all planes.

    One 8-byte word after the planes stores the factors of the signs. With several planes, another stores those of y.
    With several lists, one more stores the list number.

    Parameters
    ----------
    lists : int
        Number of IVF lists, found by spherical k-means. An index of kind ``ivf`` probes them, and residuals to their
        centroids are shorter. At most 2**24. A fitted model has ``lists_`` of them.
    seed : int
        Random seed of the operator and the lists.
    metric : {"cosine", "ip", "l2"}
        Measure of nearness: cosine, inner product or Euclidean distance.
    backend : str
        ``"auto"``, or one of :func:`hdc.list_backends` that computes on NumPy arrays.
    component_bits : int
        Bits per component, from 1 to 9. (``bits`` counts those of a whole code.)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    >>> binarizer = RaBitQBinarizer(lists=5).fit(x)
    >>> codes = binarizer.transform(x)
    >>> codes.shape, binarizer.bytes_per_vector
    ((300, 3), 24)
    >>> scores, ids = binarizer.search(x[:2], codes, k=1)
    >>> ids.ravel()
    array([0, 1])
    >>> RaBitQBinarizer(component_bits=4).fit(x).bytes_per_vector
    48
    """

    def __init__(
        self,
        lists: int = 1,
        seed: int = 0,
        backend: str = "auto",
        metric: str = "cosine",
        component_bits: int = 1,
    ) -> None:
        self.lists = lists
        self.seed = seed
        self.backend = backend
        self.metric = metric
        self.component_bits = component_bits

    def fit(self, X: Any, y: Any = None) -> Self:
        """Compute the mean and the lists of ``(n, d)`` float vectors; raises as :meth:`SignBinarizer.fit`.

        Raises
        ------
        ParameterError
            Also if d is 1, or there are fewer vectors than lists.
        """
        rows = self._table(X)
        if rows.shape[1] < 2:
            raise ParameterError(f"RaBitQ needs vectors of at least 2 components; X has {rows.shape[1]} feature(s)")
        lists = integer(self.lists, "lists", 1, MOST_LISTS)
        integer(self.seed, "seed", 0)
        levels = integer(self.component_bits, "component_bits", 1, MOST_BITS)
        if lists > 1 and rows.shape[1] > MOST_COMPONENTS:
            raise ParameterError(f"lists need vectors of at most {MOST_COMPONENTS} components, not {rows.shape[1]}")
        mapped = self._mapped(rows, self.metric, lifted=False, centered=self.metric == "l2")
        self.mean_, self.levels_ = mean_of(mapped)[: rows.shape[1]], levels
        self.directions_ = np.zeros((1, mapped.shape[1]), dtype=np.int8)
        self.lengths_ = np.zeros(1, dtype=np.float32)
        if lists > 1:
            rng = np.random.default_rng(self.seed)
            chosen = sampled(len(rows), lists, rng)
            self.directions_, self.lengths_ = find_lists(self.kernels, mapped[chosen], lists, rng)
        self._prepare()
        return self

    def _prepare(self) -> None:
        self.n_features_in_ = self.dim_ = len(self.mean_)
        self.lists_ = len(self.lengths_)
        self._rotate = self._rotations = Rotations(self.dim_, self.dim_, self.seed, self.kernels.name)
        self._centroids: Centroids | None = None
        if self.lists_ > 1:
            self._centroids = list_kernels(self.kernels).centroids(self.directions_)
        centers = self.directions_[:, : self.dim_] * self.lengths_[:, None] if self.lists_ > 1 else self.mean_[None]
        self._centers = self._rotate(centers)
        self._lengths_of_centers = np.linalg.norm(centers, axis=1)
        self._of_mean = self._rotate(self.mean_[None])[0]

    def _nearest(self, x: Floats, count: int) -> tuple[Floats, Ids]:
        """Return the approximate products of mapped rows with their nearest centroids, and the centroids' numbers."""
        rounded = search_kernels(self.kernels).rounded
        if self.lists_ == 1:
            integers, unit = rounded(self._own(x), MEAN_MOST)
            of_mean, unit_of_mean = self._rounded_mean
            dots = integers.astype(np.float64) @ of_mean.astype(np.float64)  # exact, whatever the order
            products = dots * (unit.astype(np.float64) * unit_of_mean)
            return products.astype(np.float32)[:, None], np.zeros((len(x), 1), dtype=np.int64)
        integers, unit = rounded(x, 127)
        assert self._centroids is not None
        dots, cells = self._centroids.nearest(integers.astype(np.int8), count)
        return dots.astype(np.float32) * unit[:, None] * self.lengths_[cells], cells

    @property
    def _rounded_mean(self) -> tuple[npt.NDArray[np.int16], float]:
        """The mean as integers, and their unit."""
        integers, unit = search_kernels(self.kernels).rounded(self.mean_[None], MEAN_MOST)
        return integers[0], float(unit[0])

    def plan(
        self,
        parts: Sequence[EstimatePart],
        originals: npt.NDArray[np.int8] | None,
        codes: Words | None = None,
        lengths: Floats | None = None,
    ) -> EstimatePlan:
        """Return the plan of a search that runs in one compiled call."""
        whole = None if codes is None else self._whole_of(codes)
        settled = self._rotations.first, self._centroids, self.lengths_, self._rounded_mean
        return EstimatePlan(*settled, parts, originals, whole, lengths, self._by_distance)

    @property
    def directions(self) -> npt.NDArray[np.int8]:
        """Directions ``(lists, d)`` of the centroids, in the components that codes encode."""
        self._check_fitted()
        return np.ascontiguousarray(self.directions_[:, : self.dim_])

    def _whole_of(self, codes: Words) -> WholeCodes:
        return WholeCodes(codes, self.levels_, self.directions)

    def whole_scores(self, queries: Floats, codes: Words, rows: Ids) -> Floats:
        """Estimate, by all planes, the dot products of ``(q, d)`` queries with the vectors of ``(q, c)`` rows.

        Rows index ``(n, words)`` codes; row -1 gets the estimate -inf.
        """
        base = self._nearest(queries, 1)[0]
        own = self._own(queries)
        asked = own, self._rotate(own), base
        return whole_scores(search_kernels(self.kernels), self._whole_of(codes), self.lengths_, asked, rows)

    @property
    def words(self) -> int:
        """Words per code: planes, factors and, with several lists, the list number."""
        return self._planes + 1 + (self.levels_ > 1) + (self.lists_ > 1)

    def _encode(self, x: Floats) -> Words:
        cells = self._nearest(x, 1)[1][:, 0]
        centers = self._centers[cells]
        residual = self._rotate(self._own(x)) - centers
        lengths = self._lengths_of_centers[cells]
        upper = upper_word(residual, np.linalg.norm(residual, axis=1), centers, lengths, self._by_distance)
        if self.levels_ == 1:
            parts = [pack(residual > 0), upper]
        else:
            y = grid_vectors(residual, self.levels_)
            square = np.float32(self.space_.square) if self._by_distance else None
            parts = [grid_planes(y, self.levels_), upper, whole_word(residual, y, centers, square)]
        return np.concatenate([*parts, cells[:, None].astype(np.uint64)] if self.lists_ > 1 else parts, axis=1)

    def factors(self, codes: Words) -> SignFactors:
        """Read the factors of the signs of ``(n, words)`` codes; raises as :meth:`cells`."""
        words = read(codes[:, self._planes : self._planes + 1], UPPER)
        cells = self.cells(codes)
        scale, fit = words["scale"].astype(np.float32), words["fit"].astype(np.float32) / np.float32(65535)
        norm = scale * fit
        lengths = self._lengths_of_centers[cells]
        offset = words["share"] * norm * lengths
        if self._by_distance:  # the product of mapped vectors, in which r . c cancels out
            offset += (np.float32(self.space_.square) - norm**2 - lengths**2) / 2
        return SignFactors(scale, offset, cells, norm, fit)

    def norms(self, codes: Words) -> Floats:
        """Read the lengths ``(n,)`` of the residuals of codes."""
        return self.factors(codes).norm

    def whole(self, codes: Words) -> tuple[Floats, Floats]:
        """Read the scale and offset ``(n,)`` of all planes of ``(n, words)`` codes with several planes."""
        words = read(codes[:, self._planes + 1 : self._planes + 2], WHOLE)
        return words["scale"].astype(np.float32), words["offset"].astype(np.float32)

    def _asked_of(self, queries: Floats, rotated: Floats, probes: int) -> tuple[Floats, Ids]:
        base, lists = self._nearest(queries, probes)
        if self._by_distance and self.lists_ > 1:
            base = self._base_of(rotated, lists)
        return base, lists

    @property
    def _apart(self) -> Floats | None:
        return None if self.lists_ == 1 else self._centers - self._of_mean

    def _own_params(self) -> dict[str, Any]:
        own = super()._own_params()
        if self.component_bits == 1:
            del own["component_bits"]  # saves one-bit models in the format of releases without this parameter
        return own

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": self.mean_, "directions": self.directions_, "lengths": self.lengths_}

    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.levels_ = int(self.component_bits)
        self.mean_, self.directions_, self.lengths_ = (arrays[name] for name in ("mean", "directions", "lengths"))
        width = len(self.mean_) + self.space_.added
        shapes = self.mean_.shape, (self.lists, width), (self.lists,)
        found = self.mean_.shape, self.directions_.shape, self.lengths_.shape
        if len(self.mean_) < 2 or found != shapes or self.directions_.dtype != np.int8:
            raise FileFormatError(f"a RaBitQ model of {self.lists} lists cannot have arrays of shapes {found}")
        self._prepare()
