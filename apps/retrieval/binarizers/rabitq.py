"""RaBitQBinarizer: rotated residuals in few bits, an unbiased estimate of the dot product, and its error bound."""

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
"""Greatest of the integers that a query and the only center are multiplied as."""


@dataclass(frozen=True)
class SignFactors(Factors):
    """What a code says beside its signs, of n codes.

    Attributes
    ----------
    norm, fit : (n,) float32 arrays
        |r|, and f: the cosine between the residual and its signs.
    """

    norm: Floats
    fit: Floats


class RaBitQBinarizer(EstimatingBinarizer):
    """RaBitQ codes (Gao & Long 2024): few bits a dimension, the residual's norm, and how well the bits fit it.

    A vector x with residual ``r = x - c`` has the code ``s = sign(P r)``, P a random orthogonal operator and c the
    center of its list; with one list, the mean. The unit vector ``s / sqrt(d)`` makes an angle with ``P r`` whose
    cosine f is kept. For a query q, ``|r| (P (q - c) . s) / (sqrt(d) f)`` estimates ``r . (q - c)`` without bias over
    the choice of P, with an error in proportion to ``|q - c|``. ``r . c`` is known, so that ``x . q`` follows.

    With b bits a component (Gao et al. 2024), y has odd integers below 2**b instead of signs, chosen so that its angle
    with ``P r`` is small; ``|r| (P (q - c) . y) / (|y| f)`` is the estimate. The signs are the first of b bit planes,
    the heaviest first, so that searches go by the signs, and then by all planes of what these find.

    A word of 8 bytes after the planes holds the factors of the signs; where there are more planes, another one holds
    those of y; and with several lists, one says which.

    Parameters
    ----------
    lists : int
        Lists, found by spherical k-means, that an index of kind ``ivf`` looks into; residuals to their centers are
        shorter. At most 2**24. A fitted model has ``lists_`` of them.
    seed : int
        Of the operator and the lists.
    metric : {"cosine", "ip", "l2"}
        What nearness is: cosine, inner product, or Euclidean distance.
    backend : str
        ``"auto"`` or one of :func:`hdc.list_backends` whose arrays are NumPy's.
    component_bits : int
        Bits of a component, from 1 to 9. (``bits`` are those of a whole code.)

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
        """Find the mean of ``(n, d)`` float vectors, and the lists; raises as :meth:`SignBinarizer.fit`.

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
            raise ParameterError(f"lists are found of at most {MOST_COMPONENTS} components, not {rows.shape[1]}")
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
        """Return the products of mapped rows with the nearest centers, about, and the centers' numbers."""
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
        """The mean as integers, and the unit they count."""
        integers, unit = search_kernels(self.kernels).rounded(self.mean_[None], MEAN_MOST)
        return integers[0], float(unit[0])

    def plan(
        self,
        parts: Sequence[EstimatePart],
        originals: npt.NDArray[np.int8] | None,
        codes: Words | None = None,
        lengths: Floats | None = None,
    ) -> EstimatePlan:
        """Return what whole searches read of the model beside rows, and originals or codes."""
        whole = None if codes is None else self._whole_of(codes)
        settled = self._rotations.first, self._centroids, self.lengths_, self._rounded_mean
        return EstimatePlan(*settled, parts, originals, whole, lengths, self._by_distance)

    @property
    def directions(self) -> npt.NDArray[np.int8]:
        """Directions ``(lists, d)`` of the centers, of the components that codes are made of."""
        self._check_fitted()
        return np.ascontiguousarray(self.directions_[:, : self.dim_])

    def _whole_of(self, codes: Words) -> WholeCodes:
        return WholeCodes(codes, self.levels_, self.directions)

    def whole_scores(self, queries: Floats, codes: Words, rows: Ids) -> Floats:
        """Estimate the dot products of ``(q, d)`` queries with the vectors of ``(q, c)`` rows, by all planes.

        Rows are of ``(n, words)`` codes; of -1 the estimate is -inf.
        """
        base = self._nearest(queries, 1)[0]
        own = self._own(queries)
        asked = own, self._rotate(own), base
        return whole_scores(search_kernels(self.kernels), self._whole_of(codes), self.lengths_, asked, rows)

    @property
    def words(self) -> int:
        """Words of a code: planes, then factors, and, with several lists, one of the list."""
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
        """Read what ``(n, words)`` codes say of their signs; raises as :meth:`cells`."""
        words = read(codes[:, self._planes : self._planes + 1], UPPER)
        cells = self.cells(codes)
        scale, fit = words["scale"].astype(np.float32), words["fit"].astype(np.float32) / np.float32(65535)
        norm = scale * fit
        lengths = self._lengths_of_centers[cells]
        offset = words["share"] * norm * lengths
        if self._by_distance:  # the product of mapped vectors, where r . c cancels out
            offset += (np.float32(self.space_.square) - norm**2 - lengths**2) / 2
        return SignFactors(scale, offset, cells, norm, fit)

    def norms(self, codes: Words) -> Floats:
        """Read the lengths ``(n,)`` of the residuals of codes."""
        return self.factors(codes).norm

    def whole(self, codes: Words) -> tuple[Floats, Floats]:
        """Read scale and offset ``(n,)`` of all planes of ``(n, words)`` codes of several."""
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
            del own["component_bits"]  # models of one bit are written as by releases that knew no other
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
            raise FileFormatError(f"a RaBitQ model of {self.lists} lists has no arrays of shapes {found}")
        self._prepare()
