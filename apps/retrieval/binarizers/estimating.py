"""EstimatingBinarizer, the base of RaBitQ models: codes in lists, with factors that estimate products."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import BLOCK_BYTES, Binarizer, Floats, Ids, blocks, sign_tables
from hdc.apps.retrieval.binarizers.symmetric import code_norms
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.dispatch import search_kernels
from hdc.errors import ParameterError
from hdc.kernels import ESTIMATE_BITS, AskedOfLists, EstimatePart, EstimatePlan
from hdc.search.estimates import Factors
from hdc.topk import top_scores
from hdc.words import WORD_BITS, Words, word_count

E0 = 1.9
"""Default width of the bound, in standard deviations of an unrelated query's error: 5.7 % of errors exceed it."""

FIT_ROUNDING = 2e-7
"""Most that a cosine computed from float32 norms can be too large; bounds subtract it."""


class EstimatingBinarizer(Binarizer):
    """Codes of rotated residuals ``r = P x - c`` from the centroid of a list: planes of signs or of grid vectors.

    A code stores its planes, words of factors and, with several lists, its list number. The product with a query q is
    estimated as ``scale (y . P q) + offset + c . P q``, where y are the signs or the grid vector.
    """

    lists_: int
    """Number of lists; set by :meth:`fit`."""
    levels_: int
    """Bit planes per code."""
    _rotate: Callable[[Floats], Floats]
    """P, applied to ``(n, dim)`` rows."""
    _centers: Floats
    """Rotated centroids of the lists: ``(lists, dim)``."""
    _lengths_of_centers: Floats

    @abstractmethod
    def factors(self, codes: Words) -> Factors:
        """Read the factors of the signs of ``(n, words)`` codes; raises as :meth:`cells`."""

    @abstractmethod
    def norms(self, codes: Words) -> Floats:
        """Return the lengths ``(n,)`` of the residuals of codes.

        Raises
        ------
        UnsupportedError
            If the codes do not store it.
        """

    @abstractmethod
    def whole(self, codes: Words) -> tuple[Floats, Floats]:
        """Read the scale and offset ``(n,)`` of all planes of ``(n, words)`` codes."""

    @abstractmethod
    def whole_scores(self, queries: Floats, codes: Words, rows: Ids) -> Floats:
        """Estimate, by all planes, the dot products of ``(q, d)`` queries with the vectors of ``(q, c)`` rows.

        Rows index ``(n, words)`` codes; row -1 gets the estimate -inf.
        """

    @abstractmethod
    def plan(
        self,
        parts: Sequence[EstimatePart],
        originals: npt.NDArray[np.int8] | None,
        codes: Words | None = None,
        lengths: Floats | None = None,
    ) -> EstimatePlan | None:
        """Return the plan of a search that runs in one compiled call, or None if this model has no such search."""

    @abstractmethod
    def _asked_of(self, queries: Floats, rotated: Floats, probes: int) -> tuple[Floats, Ids]:
        """Return the ``(q, probes)`` products of mapped queries with their nearest centroids, and the list numbers."""

    @property
    @abstractmethod
    def _apart(self) -> Floats | None:
        """Rotated centroids without the part that :meth:`beside` accounts for; None if nothing remains."""

    @property
    def estimated_twice(self) -> bool:
        """Whether searches reorder the candidates of the signs by :meth:`whole_scores`: True with several planes."""
        return self.levels > 1

    @property
    def levels(self) -> int:
        """Bit planes per code: ``component_bits`` of a fitted model."""
        self._check_fitted()
        return self.levels_

    @property
    def symmetric(self) -> bool:
        """Whether codes can be compared with each other: only residuals from one centroid can."""
        self._check_fitted()
        return self.lists_ == 1

    @property
    def longest_center(self) -> float:
        """Length of the longest centroid: at most 1 for unit vectors."""
        self._check_fitted()
        return float(self._lengths_of_centers.max())

    def cells(self, codes: Words) -> Ids:
        """Return the list number of each of ``(n, words)`` codes.

        Raises
        ------
        ParameterError
            If a code's list is not in the model.
        """
        if self.lists_ == 1:
            return np.zeros(len(codes), dtype=np.int64)
        cells = codes[:, -1]
        if len(cells) and cells.max() >= self.lists_:
            raise ParameterError(
                f"a code is in list {cells.max()}, but the model has {self.lists_}; it is damaged, or another model's"
            )
        return cells.astype(np.int64)

    def scale(self, codes: Words) -> Floats:
        """Return the factor that makes the estimate unbiased: norm over cosine, and over the grid vector's length."""
        return self.factors(codes).scale if self.levels_ == 1 else self.whole(codes)[0]

    def offset(self, codes: Words) -> Floats:
        """Return the known part of each code's product with its centroid that the estimate leaves out."""
        return self.factors(codes).offset if self.levels_ == 1 else self.whole(codes)[1]

    def nibble_tables(self, queries: Any) -> Floats:
        """Return tables of the dot products of rotated queries with ``signs / sqrt(d)``, or with the grid vectors."""
        weights = np.zeros((len(queries), word_count(self.dim_) * WORD_BITS), dtype=np.float32)
        rotated = self._rotate(self._own(queries))
        weights[:, : self.dim_] = rotated / np.float32(math.sqrt(self.dim_)) if self.levels_ == 1 else rotated
        tables = sign_tables(weights)
        return np.concatenate([tables * np.float32(1 << i) for i in range(self.levels_ - 1, -1, -1)], axis=2)

    def asked(self, queries: Floats, probes: int) -> AskedOfLists:
        """Round ``(q, dim)`` float32 mapped queries to four-bit integers, and find their nearest lists."""
        rotated = self._rotate(self._own(queries))
        integers, unit = search_kernels(self.kernels).rounded(rotated, 2 ** (ESTIMATE_BITS - 1) - 1)
        unit /= np.float32(math.sqrt(self.dim_))
        factors = np.stack([2 * unit, -unit * integers.sum(axis=1, dtype=np.int32)], axis=1).astype(np.float32)
        base, lists = self._asked_of(queries, rotated, min(probes, self.lists_))
        return AskedOfLists(integers.astype(np.int8), factors, lists, base)

    def signs(self, codes: Words) -> Words:
        """Return the words of codes that contain signs."""
        return codes[:, : word_count(self.dim_)]

    def products(self, asked: Floats, codes: Words) -> Floats:
        """Estimate products; see :meth:`Binarizer.products`."""
        sums = super().products(asked, codes)
        if self._apart is not None:
            sums += (self._rotate(self._own(asked)) @ self._apart.T)[:, self.cells(codes)]
        return sums

    def error_bound(self, queries: Any, codes: Words, e0: float = E0) -> Floats:
        """Bound the error of :meth:`scores`.

        Parameters
        ----------
        queries : (q, d) float array
        codes : (n, words) uint64 array
        e0 : float
            About ``2 (1 - Phi(e0))`` of unrelated queries fall outside: 5.7 % at 1.9. Of near queries, fewer do.

        Returns
        -------
        (q, n) float32 array
            ``|q - c| |r| sqrt((1 - f^2) / f^2) e0 / sqrt(d - 1)`` (Gao & Long 2024, Theorem 3.2), in units of scores,
            where f is the cosine of all planes.

        Raises
        ------
        UnsupportedError
            As :meth:`norms`.
        """
        given = finite(as_rows(queries, self._check_fitted(), "queries"), 0, "queries")
        rows, slope = self._own(self._asked(given)), self.space_.slope(given)
        items = self._as_codes(codes)
        cells, norm = self.cells(items), self.norms(items)
        fit = self._fit(items, norm)
        squares = (rows**2).sum(axis=1)[:, None] + self._lengths_of_centers**2
        squares = squares - 2 * self._rotate(rows) @ self._centers.T
        width = norm * np.sqrt(np.maximum(0, 1 - fit**2)) / fit * np.float32(e0 / math.sqrt(self.dim_ - 1))
        bound = np.sqrt(np.maximum(0, squares))[:, cells] * width * slope[:, None]
        return np.asarray(bound, dtype=np.float32)

    def _fit(self, codes: Words, norm: Floats) -> Floats:
        """Return the cosines of residuals with their signs or grid vectors, from the exact lengths that codes store."""
        if self.levels_ == 1:
            scale = self.factors(codes).scale
            return np.divide(norm, scale, out=np.ones(len(codes), dtype=np.float32), where=scale > 0)
        lengths = self.whole(codes)[0] * code_norms(self._signs(codes), self.dim_, self.levels_)
        fit: npt.NDArray[np.float64] = np.divide(norm, lengths, out=np.ones(len(codes)), where=lengths > 0)
        return (fit - FIT_ROUNDING).astype(np.float32)

    def _own(self, x: Floats) -> Floats:
        """Return the components of mapped rows that codes encode: all, except the squared length for ``l2``.

        The code implies that square: ``|x|^2 = |r|^2 + 2 r . c + |c|^2``. Assignment to lists may use it, so that the
        nearest lists have the greatest products.
        """
        return x[:, : self.dim_]

    @property
    def _by_distance(self) -> bool:
        return self.space_.metric == "l2"

    @property
    def _planes(self) -> int:
        return self.levels * word_count(self.dim_)

    def _signs(self, codes: Words) -> Words:
        return codes[:, : self._planes]

    def _base_of(self, rotated: Floats, lists: Ids) -> Floats:
        """Return the ``(q, c)`` products of rotated queries with the centroids of each query's own lists."""
        base = np.empty(lists.shape, dtype=np.float32)
        for part in blocks(len(lists), 4 * lists.shape[1] * self.dim_):
            base[part] = np.matmul(self._centers[lists[part]], rotated[part, :, None])[:, :, 0]
        return base

    def _search_tables(self, queries: Any, codes: Words, k: int) -> tuple[Floats, Ids]:
        if self._apart is None:
            return super()._search_tables(queries, codes, k)
        rows = as_rows(queries, self._check_fitted(), "queries")
        best, ids = np.empty((len(rows), k), dtype=np.float32), np.empty((len(rows), k), dtype=np.int64)
        for part in blocks(len(rows) if k else 0, 2 * 1024 * 8 * self._planes):
            own = finite(rows[part], part.start, "queries")
            products, ids[part] = top_scores(
                self.kernels, partial(self._products_of, self._asked(own), codes), len(codes), k, BLOCK_BYTES // 16
            )
            best[part] = self.space_.from_products(products, own)
        return best, ids

    def _products_of(self, asked: Floats, codes: Words, part: slice) -> Floats:
        return self.products(asked, codes[part])
